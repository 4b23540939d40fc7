"""Merge the distributions of all chunks' attributions into one background a target."""

from cisweep.job import Job
from cisweep.jobs.seqlets import seqlets_background

with Job(snakemake) as job, job.product("background") as path:  # noqa: F821
    seqlets_background(job.of_model, job.inputs("chunks"), path)
