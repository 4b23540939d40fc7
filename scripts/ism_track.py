"""Write one target's projected values as bigWig."""

from cisweep.job import Job
from cisweep.jobs.ism import ism_track

with Job(snakemake) as job, job.product("bw") as path:  # noqa: F821
    ism_track(job.of_target, job.given("h5"), path)
