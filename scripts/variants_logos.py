"""Explain both alleles of the strongest variants; list the motif hits that they gain and lose."""

from cisweep.job import Job
from cisweep.jobs.variants_logos import LogoInputs, variants_logos

with Job(snakemake) as job, job.outputs("logos", "hits") as out:  # noqa: F821
    given = LogoInputs(job.given("table"), job.given("selected"), job.given_or_none("counts"))
    with job.device() as device:
        variants_logos(job.of_target, given, device, *out)
