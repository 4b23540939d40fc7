"""Join the counts of all chunks: a table, and a bedGraph for genome browsers."""

from cisweep.outputs.bedgraph import write_bedgraph

from cisweep.job import Job
from cisweep.outputs.tables import merge_tsv, read_tsv

with Job(snakemake) as job:  # noqa: F821
    with job.product("table") as path:
        merge_tsv(job.inputs("chunks"), path)
        table = read_tsv(path)
    with job.product("bedgraph") as path:
        write_bedgraph(table, "gc", path)
