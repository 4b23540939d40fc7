"""Merge the effects of all variants: p-values, ranks among peaks, tables, VCF, volcano plot."""

from cisweep.analysis.variants.gather import Strongest, VariantGather, volcano_axes, volcano_title
from cisweep.analysis.variants.scores import EFFECT_COLUMNS, NullPool
from cisweep.job import Job
from cisweep.outputs.h5 import prediction_blocks
from cisweep.outputs.tables import merge_tsv
from cisweep.outputs.variants import GATHERED_COLUMNS, EffectWriter, effect_blocks, peak_values
from cisweep.outputs.vcf import INFO_OF_COLUMN, VcfWriter, move_index
from cisweep.parts import read_arrays
from cisweep.plan.chunk_windows import read_peaks
from cisweep.plot.effects import plot_volcano
from cisweep.plot.saving import save_figure

SHOWN = 20_000  # points a target in the volcano plot

with Job(snakemake) as job:  # noqa: F821
    plan, step = job.plan, job.plan.step_config("variants")
    targets = plan.models[job.model].target_names
    pools = (NullPool(**read_arrays(path)) for path in job.inputs("nulls"))
    nulls = NullPool.empty(len(targets), step.max_nulls).merge(pools)
    starts = None
    if job.inputs("peaks"):
        peaks = read_peaks(job.inputs("peaks")[0])
        starts = set(zip(peaks.chrom, peaks.start))
    predictions = job.inputs("predictions")
    known = {
        t: peak_values(prediction_blocks(predictions[0], t), starts) if predictions else []
        for t in targets
    }
    gather, strongest = VariantGather(targets, nulls, known), Strongest(max(SHOWN, step.top_n))
    parts = job.inputs("chunks")
    for table in effect_blocks(parts):
        gather.count(table)
    columns = [*EFFECT_COLUMNS, *GATHERED_COLUMNS]
    source = f"cisweep {job.provenance()['cisweep_version']}"
    with (
        job.product("tsv") as tsv,
        job.product("table") as parquet,
        job.product("vcf") as vcf,
        job.product("tbi") as tbi,
    ):
        with (
            EffectWriter(tsv, parquet, columns, job.provenance()) as writer,
            VcfWriter(vcf, plan.source.lengths, targets, list(INFO_OF_COLUMN), source) as records,
        ):
            for table in map(gather.finish, effect_blocks(parts)):
                writer.append(table)
                records.append(table)
                strongest.add(table)
        move_index(vcf, tbi)
    with job.product("dropped") as path:
        n = merge_tsv([*job.inputs("unread"), *job.inputs("dropped")], path)
        job.say(f"{n} variants have no effect, with reasons")
    with job.product("volcano") as path:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5.8 * len(targets), 4.2), layout="constrained")
        axes = figure.subplots(1, len(targets), squeeze=False)[0]
        for ax, target in zip(axes, targets):
            rows = strongest.table
            rows = rows[rows["target"] == target] if len(rows) else rows
            ax.set_title(volcano_title(rows, target), fontsize=10)
            if len(rows):
                ranks = rows["active_allele_quantile"]
                ranked = rows["p_value"].notna().any() and ranks.notna().any()
                effect, effect_name, significance, name = volcano_axes(rows)
                labels = [f"{r.chrom}:{r.pos + 1} {r.ref}>{r.alt}" for r in rows.itertuples()]
                plot_volcano(
                    effect,
                    significance,
                    labels,
                    effect_name=effect_name,
                    significance_name=name,
                    activity=ranks.to_numpy() if ranked else None,
                    ax=ax,
                )
        save_figure(axes[0], path)
