"""Merge the hits of all chunks; give q-values; rank the motifs of each target."""

from cisweep.job import Job
from cisweep.jobs.hits import HitParts, HitTables, hits

names = ("table", "bed", "ranking", "families")
with Job(snakemake) as job, job.outputs(*names) as out:  # noqa: F821
    chunks, null_size = job.inputs("chunks"), job.given_or_none("null_size")
    parts = HitParts(job.given("base_counts"), chunks, job.inputs("counts"), null_size)
    hits(job.of_model, parts, HitTables(*out))
