"""Say in which share of the explained bases the column-shuffled copies are looked for."""

from cisweep.job import Job
from cisweep.jobs.hits import hits_null_size

with Job(snakemake) as job, job.product("null_size") as path:  # noqa: F821
    hits_null_size(job.of_model, job.inputs("peaks"), job.inputs("chunks"), path)
