"""Write what genome browsers open: an IGV session and, if wanted, a UCSC track hub."""

from cisweep.job import Job
from cisweep.jobs.report import report_browser

with Job(snakemake) as job, job.listed("hub") as hub, job.product("igv") as igv:  # noqa: F821
    report_browser(job.of_run, job.inputs("peaks"), igv, hub)
