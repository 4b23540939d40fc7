"""Load each fold of the model, run one window through it, and note the model's identity."""

from cisweep.job import Job
from cisweep.jobs.prepare import prepare

with Job(snakemake) as job, job.product("prepared") as path:  # noqa: F821
    job.models = {job.wildcards.model: prepare(job.of_model, path)}
