"""Compare predictions with observed signal."""

from cisweep.job import Job
from cisweep.jobs.predict import predict_metrics

with Job(snakemake) as job, job.product("table") as path:  # noqa: F821
    predict_metrics(job.of_model, job.given("h5"), path)
