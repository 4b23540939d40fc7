"""Write one target's hypothetical attributions in ChromBPNet's H5 layout."""

from cisweep.job import Job
from cisweep.jobs.attribute import attribute_export

with Job(snakemake) as job, job.product("h5") as path:  # noqa: F821
    attribute_export(job.given("h5"), job.of_target.target, path)
