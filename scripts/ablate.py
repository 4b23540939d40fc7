"""Join what is lost with each hit; compare it with random spans; rank the motifs."""

from cisweep.job import Job
from cisweep.jobs.ablate import ablate

with Job(snakemake) as job, job.outputs("hits", "table", "figure") as out:  # noqa: F821
    ablate(job.of_model, job.inputs("chunks"), *out)
