"""Predict shuffled stretches of the genome and call their peaks: the null of the peaks."""

from cisweep.job import Job
from cisweep.jobs.select import select_null_chunk

with (
    Job(snakemake) as job,  # noqa: F821
    job.device(tf32=job.plan.config.tf32) as device,
    job.product("null") as path,
):
    select_null_chunk(job.of_chunk, device, path)
