"""Write one target's attributions as bigWig."""

from cisweep.job import Job
from cisweep.outputs.bigwig import write_bigwig
from cisweep.outputs.h5 import track_blocks

with Job(snakemake) as job, job.product("bw") as path:  # noqa: F821
    dataset = f"attributions/{job.wildcards.target}"
    write_bigwig(path, job.plan.source.lengths, track_blocks(job.inputs("h5")[0], dataset))
