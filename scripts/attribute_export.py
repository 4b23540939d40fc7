"""Write one target's hypothetical attributions in ChromBPNet's H5 layout."""

from cisweep.job import Job
from cisweep.outputs.attributions import export_chrombpnet

with Job(snakemake) as job, job.product("h5") as path:  # noqa: F821
    export_chrombpnet(job.inputs("h5")[0], path, job.wildcards.target)
