"""Explain the selected windows of one chunk."""

from cisweep.job import Job
from cisweep.jobs.attribute import attribute_chunk, attribute_windows_of

with Job(snakemake) as job:  # noqa: F821
    found = attribute_windows_of(job.of_chunk, job.given_or_none("peaks"))
    with job.reuse(*found.digests, leave_out=("peaks",)) as unchanged:
        if not unchanged:
            with job.device() as device, job.outputs("h5", "dropped") as out:
                attribute_chunk(job.of_chunk, found, device, *out)
