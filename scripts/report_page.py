"""Write the page of the run, its own figures, and pages of single targets from merged products."""

from cisweep.job import Job
from cisweep.jobs.report import report_page

with (
    Job(snakemake) as job,  # noqa: F821
    job.product("html") as path,
    job.listed("figures") as figures,
    job.listed("targets") as targets,
):
    given = (job.given("dropped"), job.given("provenance"))
    report_page(job.of_run, *given, path, figures, targets)
