"""Write what the products of a run were made from."""

from cisweep.job import Job
from cisweep.jobs.prepare import provenance

with Job(snakemake) as job, job.product("json") as path:  # noqa: F821
    provenance(job.of_run, job.inputs("prepared"), path)
