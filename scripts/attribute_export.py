"""Write one target's hypothetical attributions in ChromBPNet's H5 layout, and their windows."""

from cisweep.job import Job
from cisweep.jobs.attribute import attribute_export

with Job(snakemake) as job, job.outputs("h5", "narrowpeak") as out:  # noqa: F821
    attribute_export(job.given("h5"), job.of_target.target, *out)
