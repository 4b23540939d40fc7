"""Overlay the loss curves of all trained models and join their spot checks."""

from cisweep.job import Job
from cisweep.jobs.train import train_compare

with Job(snakemake) as job, job.outputs("loss", "spot_check") as out:  # noqa: F821
    train_compare(job.params.models, job.inputs("records"), *out)
