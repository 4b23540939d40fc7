"""Merge the attributions of all chunks; check that they add up to the predictions."""

from cisweep.job import Job
from cisweep.jobs.attribute import attribute

with Job(snakemake) as job, job.outputs("h5", "summary") as out:  # noqa: F821
    attribute(job.of_model, job.inputs("chunks"), *out)
