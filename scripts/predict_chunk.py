"""Predict the windows of one chunk."""

from cisweep.job import Job
from cisweep.jobs.predict import predict_chunk

with (
    Job(snakemake) as job,  # noqa: F821
    job.device(tf32=job.plan.config.tf32) as device,
    job.outputs("h5", "dropped") as out,
):
    predict_chunk(job.of_chunk, device, *out)
