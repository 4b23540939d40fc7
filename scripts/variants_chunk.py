"""Predict both alleles of the variants of one chunk."""

from cisweep.job import Job
from cisweep.jobs.variants import ChunkVariants, variants_chunk

with Job(snakemake) as job:  # noqa: F821
    given = ChunkVariants.read(job.of_chunk, job.given("selected"))
    with job.reuse(given.digest, leave_out=("selected",)) as unchanged:
        if not unchanged:
            with (
                job.device(needed=bool(given.variants)) as device,
                job.outputs("table", "nulls", "dropped") as out,
            ):
                variants_chunk(job.of_chunk, given, device, *out)
