"""Predict every substitution of the chosen windows of one chunk."""

from cisweep.job import Job
from cisweep.jobs.ism import ism_chunk, ism_windows

with Job(snakemake) as job:  # noqa: F821
    found = ism_windows(job.of_chunk, job.given_or_none("peaks"))
    with job.reuse(*found.digests, leave_out=("peaks",)) as unchanged:
        if not unchanged:
            with job.device() as device, job.outputs("h5", "dropped") as out:
                ism_chunk(job.of_chunk, found, device, *out)
