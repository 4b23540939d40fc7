"""Explain both alleles of the strongest variants of some targets; list the hits that change."""

from cisweep.job import Job
from cisweep.jobs.variants_logos import LogoInputs, LogoProducts, variants_logos

with Job(snakemake) as job, job.all_listed("hits", "logos") as out:  # noqa: F821
    given = LogoInputs(job.given("table"), job.given("selected"), job.given_or_none("counts"))
    named = {path[len("variants.") : -len(".hits.tsv")]: LogoProducts(b, a) for path, a, b in out}
    with job.device() as device:
        variants_logos(job.of_model, given, device, named)
