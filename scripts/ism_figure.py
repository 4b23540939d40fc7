"""Draw the regions with the highest predictions of some targets: heat map and logo."""

from cisweep.job import Job
from cisweep.jobs.ism import ism_figure

with Job(snakemake) as job, job.listed("figure") as out:  # noqa: F821
    ism_figure(job.of_model, job.given("h5"), out)
