"""Merge the hits of all chunks; give q-values; rank the motifs of each target."""

from cisweep.job import Job
from cisweep.jobs.hits import HitParts, HitTables, hits

names = ("table", "bed", "ranking", "families")
with Job(snakemake) as job, job.outputs(*names) as out:  # noqa: F821
    parts = HitParts(job.given("base_counts"), job.inputs("chunks"), job.inputs("counts"))
    hits(job.of_model, parts, HitTables(*out))
