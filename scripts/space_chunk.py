"""Put a block of pairs of motifs into background windows over a range of distances."""

from cisweep.job import Job
from cisweep.jobs.space import space_chunk

with Job(snakemake) as job, job.reuse(leave_out=("motifs",)) as unchanged:  # noqa: F821
    if not unchanged:
        with job.device() as device, job.product("table") as path:
            space_chunk(job.of_chunk, job.given("backgrounds"), device, path)
