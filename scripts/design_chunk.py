"""Design the windows of one chunk."""

from cisweep.job import Job
from cisweep.jobs.design import design_chunk

with Job(snakemake) as job, job.device() as device, job.outputs("table", "history") as out:  # noqa: F821
    design_chunk(job.of_run, job.wildcards.chunk, device, *out)
