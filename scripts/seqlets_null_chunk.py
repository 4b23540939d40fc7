"""Explain shuffled sequences of some chunks, the null of the seqlets' FDR."""

from cisweep.job import Job
from cisweep.jobs.seqlets import seqlets_null_chunk, shuffled_of

with Job(snakemake) as job:  # noqa: F821
    of, read = job.of_chunk_of("seqlets_null"), ("chunks", "null_size")
    shuffled = shuffled_of(of, job.inputs("chunks"), job.given("null_size"))
    with job.reuse(shuffled.digest, leave_out=read) as unchanged:
        if not unchanged:
            needed = len(shuffled.windows) > 0
            with job.device(needed=needed) as device, job.product("h5") as path:
                seqlets_null_chunk(of, shuffled, device, path)
