"""Write the page of the run from its merged products."""

from cisweep.job import Job
from cisweep.outputs.tables import read_tsv
from cisweep.parts import read_json
from cisweep.report.page import read_page, render

with Job(snakemake) as job:  # noqa: F821
    provenance = read_json(job.inputs("provenance")[0])
    beside = [*job.plan.products_of("report")[1:], "dropped_regions.tsv", "provenance.json"]
    page = read_page(job.plan, read_tsv(job.inputs("dropped")[0]), provenance, beside)
    with job.product("html") as path:
        render(page, path)
