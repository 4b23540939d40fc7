"""Write the merged effects with a row a variant and columns of each target."""

from cisweep.job import Job
from cisweep.jobs.variants import variants_wide

with Job(snakemake) as job, job.product("wide") as wide:  # noqa: F821
    variants_wide(job.of_model, job.given("table"), wide)
