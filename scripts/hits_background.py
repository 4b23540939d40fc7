"""Count the bases and dinucleotides of the whole source, block by block."""

from cisweep.job import Job
from cisweep.jobs.hits import hits_background

with Job(snakemake) as job, job.product("counts") as path:  # noqa: F821
    hits_background(job.of_run, path)
