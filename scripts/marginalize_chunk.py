"""Put a block of motifs into the background windows."""

from cisweep.job import Job
from cisweep.jobs.marginalize import marginalize_chunk

with Job(snakemake) as job, job.reuse(leave_out=("motifs",)) as unchanged:  # noqa: F821
    if not unchanged:
        with job.device() as device, job.product("table") as path:
            marginalize_chunk(job.of_chunk, job.given("backgrounds"), device, path)
