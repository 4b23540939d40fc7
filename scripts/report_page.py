"""Write the page of the run, and its own figures, from merged products."""

from cisweep.job import Job
from cisweep.jobs.report import report_page

with Job(snakemake) as job, job.product("html") as path, job.listed("figures") as figures:  # noqa: F821
    report_page(job.of_run, job.given("dropped"), job.given("provenance"), path, figures)
