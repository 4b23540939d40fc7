"""Write the regions of the export as narrowPeak, in the order of the H5."""

from cisweep.job import Job
from cisweep.jobs.attribute import attribute_export_regions

with Job(snakemake) as job, job.product("narrowpeak") as path:  # noqa: F821
    attribute_export_regions(job.given("h5"), path)
