"""Join and rank what each motif does to each target."""

from cisweep.job import Job
from cisweep.jobs.marginalize import marginalize

with Job(snakemake) as job, job.outputs("table", "figure") as out:  # noqa: F821
    marginalize(job.inputs("chunks"), job.provenance(), *out)
