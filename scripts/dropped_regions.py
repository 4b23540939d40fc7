"""Join the rows of all dropped regions and variants; fail if too many regions were dropped."""

from cisweep.job import Job
from cisweep.jobs.prepare import dropped_regions

with Job(snakemake) as job, job.product("table") as path:  # noqa: F821
    dropped_regions(job.of_run, job.inputs("regions"), job.inputs("others"), path)
