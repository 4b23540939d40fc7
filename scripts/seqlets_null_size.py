"""Say how many shuffled copies the windows of the run need as the null of the seqlets."""

from cisweep.job import Job
from cisweep.jobs.seqlets import seqlets_null_size

with Job(snakemake) as job, job.product("null_size") as path:  # noqa: F821
    seqlets_null_size(job.of_model, job.inputs("peaks"), job.inputs("chunks"), path)
