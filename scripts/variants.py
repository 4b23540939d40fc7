"""Merge the effects of all variants: p-values, ranks among peaks, tables, VCF, volcano plot."""

from cisweep.job import Job
from cisweep.jobs.variants import VariantParts, VariantProducts, variants

with Job(snakemake) as job, job.outputs("tsv", "table", "vcf", "tbi", "dropped", "volcano") as out:  # noqa: F821
    parts = map(job.inputs, ("chunks", "nulls", "dropped"))
    ranked = map(job.given_or_none, ("predictions", "peaks"))
    given = VariantParts(*parts, job.given("unread"), *ranked)
    variants(job.of_model, given, VariantProducts(*out))
