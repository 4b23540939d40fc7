"""Score the blocks of pairs of one chunk by a DNA language model."""

from cisweep.job import Job
from cisweep.jobs.zero_shot import zero_shot_chunk

with Job(snakemake) as job, job.device() as device, job.outputs("table", "embeddings") as out:  # noqa: F821
    zero_shot_chunk(job.of_chunk, job.given_or_none("selected"), device, *out)
