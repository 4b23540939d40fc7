"""Read the variants, check them against the genome, and keep those that can be scored."""

from cisweep.job import Job
from cisweep.jobs.variants import variants_select

with Job(snakemake) as job, job.outputs("selected", "dropped") as out:  # noqa: F821
    variants_select(job.of_run, *out)
