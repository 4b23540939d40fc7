"""Draw the backgrounds of an experiment and predict them as they are."""

from cisweep.job import Job
from cisweep.jobs.backgrounds import experiment_backgrounds

with Job(snakemake) as job, job.product("backgrounds") as path:  # noqa: F821
    experiment, peaks = job.wildcards.experiment, job.given_or_none("peaks")
    with job.device() as device:
        experiment_backgrounds(job.of_model, experiment, peaks, device, path)
