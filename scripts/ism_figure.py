"""Draw the regions with the highest predictions of one target: heat map and logo."""

from cisweep.job import Job
from cisweep.jobs.ism import ism_figure

with Job(snakemake) as job, job.product("figure") as path:  # noqa: F821
    ism_figure(job.of_target, job.given("h5"), path)
