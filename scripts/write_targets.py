"""Write the names of a model's targets and tracks, and those of their files."""

from cisweep.job import Job
from cisweep.jobs.prepare import write_targets

with Job(snakemake) as job, job.product("table") as path:  # noqa: F821
    write_targets(job.of_model, path)
