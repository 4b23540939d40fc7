"""Write what genome browsers open: sessions of IGV and, if wanted, a UCSC track hub."""

from cisweep.job import Job
from cisweep.jobs.report import BrowserFiles, report_browser

with (
    Job(snakemake) as job,  # noqa: F821
    job.listed("hub") as hub,
    job.listed("bigbed") as bigbed,
    job.outputs("igv", "igv_js") as sessions,
):
    report_browser(job.of_run, job.inputs("peaks"), BrowserFiles(*sessions, bigbed, hub))
