"""Explain shuffled sequences of a chunk, the null of the seqlets' FDR."""

from cisweep.job import Job
from cisweep.jobs.seqlets import seqlets_null_chunk

with Job(snakemake) as job, job.reuse() as unchanged:  # noqa: F821
    if not unchanged:
        with job.device() as device, job.product("h5") as path:
            size = job.given("null_size")
            seqlets_null_chunk(job.of_chunk, job.given("h5"), size, device, path)
