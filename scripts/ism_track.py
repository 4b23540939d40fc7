"""Write projected values of some targets as bigWig."""

from cisweep.job import Job
from cisweep.jobs.ism import ism_track

with Job(snakemake) as job, job.listed("bw") as out:  # noqa: F821
    ism_track(job.of_model, job.given("h5"), out)
