"""Write the predictions as regions × targets."""

from cisweep.job import Job
from cisweep.jobs.predict import predict_table

with Job(snakemake) as job, job.product("table") as path:  # noqa: F821
    predict_table(job.of_model, job.given("h5"), path)
