"""Merge the hits of all chunks; give q-values; rank the motifs of each target."""

from cisweep.job import Job
from cisweep.jobs.hits import HitParts, HitTables, hits

names = ("table", "bed", "ranking", "families", "matrix", "figure")
with Job(snakemake) as job, job.outputs(*names) as out:  # noqa: F821
    optional = (job.given_or_none(name) for name in ("null_size", "attributions"))
    parts = HitParts(
        job.given("base_counts"), job.inputs("chunks"), job.inputs("counts"), *optional
    )
    hits(job.of_model, parts, HitTables(*out))
