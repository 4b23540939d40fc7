"""Write hypothetical attributions of some targets in ChromBPNet's H5 layout, and their windows."""

from cisweep.job import Job
from cisweep.jobs.attribute import attribute_export

with Job(snakemake) as job, job.listed("h5") as h5, job.listed("narrowpeak") as peaks:  # noqa: F821
    attribute_export(job.of_model, job.given("h5"), h5, peaks)
