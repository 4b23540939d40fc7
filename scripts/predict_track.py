"""Write predictions of some targets and tracks as bigWig."""

from cisweep.job import Job
from cisweep.jobs.predict import predict_track

with Job(snakemake) as job, job.listed("bw") as out:  # noqa: F821
    predict_track(job.of_model, job.given("h5"), out)
