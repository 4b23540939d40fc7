"""Merge the predictions of all chunks."""

from cisweep.job import Job
from cisweep.outputs.h5 import merge

with Job(snakemake) as job:  # noqa: F821
    with job.product("h5") as path:
        n = merge(job.inputs("chunks"), path, job.provenance())
    job.say(f"{n} windows")
