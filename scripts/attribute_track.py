"""Write attributions of some targets as bigWig."""

from cisweep.job import Job
from cisweep.jobs.attribute import attribute_track

with Job(snakemake) as job, job.listed("bw") as out:  # noqa: F821
    attribute_track(job.of_model, job.given("h5"), out)
