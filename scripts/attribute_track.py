"""Write one target's attributions as bigWig."""

from cisweep.job import Job
from cisweep.jobs.attribute import attribute_track

with Job(snakemake) as job, job.product("bw") as path:  # noqa: F821
    attribute_track(job.of_target, job.given("h5"), path)
