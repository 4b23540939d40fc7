"""Predict both alleles of the variants of one chunk."""

import numpy as np
import pandas as pd

from cisweep.analysis.variants.scores import EFFECT_COLUMNS, NullPool
from cisweep.contracts import digest
from cisweep.genome.variants.alleles import WindowPlan
from cisweep.genome.variants.reading import dropped_variants_table
from cisweep.job import Job
from cisweep.outputs.tables import write_dropped, write_parquet
from cisweep.outputs.variants import effect_schema, one_based, read_selected
from cisweep.plan.chunks import chunk_index

with Job(snakemake) as job:  # noqa: F821
    plan, step, config = job.plan, job.plan.step_config("variants"), job.plan.models[job.model]
    stretches, width = plan.layout.stretches(chunk_index(job.chunk)), config.window_bp
    selected = job.inputs("selected")[0]
    variants = read_selected(selected, stretches)
    near = [(c, low - width, high + width) for c, low, high in stretches]
    others = read_selected(selected, near) if step.haplotype else None
    with job.reuse(digest(variants, others), leave_out=("selected",)) as unchanged:
        table, nulls = pd.DataFrame(columns=EFFECT_COLUMNS), NullPool.empty(len(config.targets))
        dropped = []
        if variants and not unchanged:
            from cisweep.analysis.variants.model import EffectModel
            from cisweep.analysis.variants.variant_effects import variant_effects

            regions = plan.config.regions
            with job.device() as device:
                effects = variant_effects(
                    EffectModel.load(config, device),
                    variants,
                    plan.source,
                    WindowPlan(width, step.trim, regions.edge, regions.max_n, step.haplotype),
                    others=others,
                    n_nulls=step.n_nulls,
                    seed=plan.config.seed,
                    batch_size=step.batch_size,
                )
            table, nulls, dropped = effects.table(), effects.nulls, effects.alleles.dropped
        if not unchanged:
            job.say(f"{len(variants)} variants, {len(dropped)} without a window")
            with job.product("table") as path:
                write_parquet(
                    one_based(table), path, effect_schema(EFFECT_COLUMNS), job.provenance()
                )
            with job.product("nulls") as path:
                np.savez(path, keys=nulls.keys, deltas=nulls.deltas)
            with job.product("dropped") as path:
                write_dropped(dropped_variants_table(dropped), "variants", job.model, path)
