"""Write one target's projected values as bigWig."""

from cisweep.job import Job
from cisweep.outputs.bigwig import write_bigwig
from cisweep.outputs.mutagenesis import span_blocks

with Job(snakemake) as job, job.product("bw") as path:  # noqa: F821
    blocks = span_blocks(job.inputs("h5")[0], job.wildcards.target)
    write_bigwig(path, job.plan.source.lengths, blocks)
