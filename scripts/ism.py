"""Merge the mutants of all chunks."""

from cisweep.job import Job
from cisweep.outputs.h5 import merge
from cisweep.plan.contents.ism import IsmRegions

with Job(snakemake) as job, job.product("h5") as path:  # noqa: F821
    span = IsmRegions(job.plan).span(job.model)
    attrs = {**job.provenance(), "span_start": span[0], "span_end": span[1]}
    job.say(f"{merge(job.inputs('chunks'), path, attrs)} windows")
