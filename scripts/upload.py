"""Lay the complete run out for the storage plugin, which copies it to S3."""

from pathlib import Path

from cisweep.job import Job
from cisweep.jobs.upload import upload

with Job(snakemake) as job:  # noqa: F821
    upload(job.of_run, Path(str(job.output.folder)))
