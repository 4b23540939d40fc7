"""Scan the intervals whose hits start in one chunk."""

from cisweep.job import Job
from cisweep.jobs.hits import HitInputs, hits_chunk

with Job(snakemake) as job, job.reuse() as unchanged:  # noqa: F821
    if not unchanged:
        attributions, peaks = job.inputs("attributions"), job.given_or_none("peaks")
        null_size = job.given_or_none("null_size")
        with job.outputs("table", "counts", "dropped") as out:
            given = HitInputs(job.given("counts"), attributions, peaks, null_size)
            hits_chunk(job.of_chunk_of("hits"), given, *out)
