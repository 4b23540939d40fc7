"""Merge the mutants of all chunks."""

from cisweep.job import Job
from cisweep.jobs.ism import ism

with Job(snakemake) as job, job.product("h5") as path:  # noqa: F821
    ism(job.of_model, job.inputs("chunks"), path)
