"""Join what pairs of motifs do over distances and orientations; draw the first pairs."""

from cisweep.job import Job
from cisweep.jobs.space import space

with Job(snakemake) as job, job.outputs("table", "figure") as out:  # noqa: F821
    space(job.of_model, job.inputs("chunks"), *out)
