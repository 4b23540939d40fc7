"""Count G and C in the windows of one chunk."""

from cisweep.jobs.gc import gc_chunk

from cisweep.job import Job

with Job(snakemake) as job, job.outputs("table", "dropped") as out:  # noqa: F821
    gc_chunk(job.of_chunk, *out)
