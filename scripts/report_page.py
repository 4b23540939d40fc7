"""Write the page of the run from its merged products."""

import json

from cisweep.job import Job
from cisweep.outputs.tables import read_tsv
from cisweep.report.page import read_page, render

with Job(snakemake) as job:  # noqa: F821
    provenance = json.loads(job.inputs("provenance")[0].read_text())
    beside = [*job.plan.products_of("report")[1:], "dropped_regions.tsv", "provenance.json"]
    page = read_page(job.plan, read_tsv(job.inputs("dropped")[0]), provenance, beside)
    with job.product("html") as path:
        render(page, path)
