"""Merge the predictions of all chunks."""

from cisweep.job import Job
from cisweep.jobs.predict import predict

with Job(snakemake) as job, job.product("h5") as path:  # noqa: F821
    predict(job.inputs("chunks"), job.provenance(), path)
