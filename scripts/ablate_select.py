"""Choose the hits that are ablated: the strongest of each motif that lie in a region."""

from cisweep.job import Job
from cisweep.jobs.ablate import ablate_select

with Job(snakemake) as job, job.product("selected") as path:  # noqa: F821
    ablate_select(job.of_model, job.given("hits"), job.given_or_none("peaks"), path)
