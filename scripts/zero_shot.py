"""Join the scores of all pairs; test and draw the groups."""

from cisweep.job import Job
from cisweep.jobs.zero_shot import ZeroShotProducts, zero_shot

with Job(snakemake) as job, job.outputs("table", "tests", "boxes", "embeddings", "pca") as out:  # noqa: F821
    tables, embeddings = job.inputs("tables"), job.inputs("embeddings")
    zero_shot(job.of_model, tables, embeddings, ZeroShotProducts(*out))
