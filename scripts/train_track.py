"""Count the 5' ends of a BAM or of fragments, on one strand or both, into a bigWig."""

from cisweep.job import Job
from cisweep.jobs.train import train_track

with Job(snakemake) as job, job.product("track") as path:  # noqa: F821
    reads, *_index = job.inputs("reads")
    train_track(job.of_model, reads, job.wildcards.strand, path)
