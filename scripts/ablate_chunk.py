"""Shuffle the chosen hits of one chunk out of their windows, and random spans beside them."""

from cisweep.job import Job
from cisweep.jobs.ablate import ChosenHits, ablate_chunk

with Job(snakemake) as job:  # noqa: F821
    chosen = ChosenHits.read(job.of_chunk, job.given("selected"))
    with job.reuse(chosen.digest, leave_out=("selected",)) as unchanged:
        if not unchanged:
            with job.device(needed=len(chosen) > 0) as device, job.product("table") as path:
                ablate_chunk(job.of_chunk, chosen, device, path)
