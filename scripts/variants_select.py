"""Read the variants, check them against the genome, and keep those that can be scored."""

from dataclasses import replace

from cisweep.genome.variants import VariantPolicy, dropped_variants_table, iter_variants
from cisweep.job import Job
from cisweep.outputs.tables import write_dropped
from cisweep.outputs.variants import write_selected

with Job(snakemake) as job:  # noqa: F821
    plan, step = job.plan, job.plan.step_config("variants")
    policy = VariantPolicy(
        step.contig_aliases, step.max_allele_bp, step.group_info, step.max_dropped
    )
    variants = [
        v
        if v.reason or plan.wanted(v.chrom)
        else replace(v, reason="excluded_chromosome", detail="does not match regions.chroms")
        for v in iter_variants(step.path, plan.source, policy)
    ]
    with job.product("selected") as path:
        n = write_selected(variants, path, plan.source.lengths)
    job.say(f"{n} of {len(variants)} variants can be scored")
    with job.product("dropped") as path:
        write_dropped(dropped_variants_table(variants), "variants", "", path)
