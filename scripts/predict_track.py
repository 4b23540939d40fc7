"""Write one target's predictions, or one track, as bigWig."""

from cisweep.job import Job
from cisweep.jobs.predict import predict_track

with Job(snakemake) as job, job.product("bw") as path:  # noqa: F821
    strand = getattr(job.wildcards, "strand", "")
    predict_track(job.of_target, job.given("h5"), strand, path)
