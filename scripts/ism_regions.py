"""Choose the strongest selected peaks of each target for saturation mutagenesis."""

from cisweep.job import Job
from cisweep.jobs.ism import ism_regions

with Job(snakemake) as job, job.product("bed") as path:  # noqa: F821
    ism_regions(job.of_model, job.given("peaks"), job.given("predictions"), path)
