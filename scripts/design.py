"""Merge the designs of all chunks: table, sequences, edits as VCF, histories, figures."""

import os

from cisweep.analysis.sequence_design.hits import hit_changes
from cisweep.genome.motifs import read_meme
from cisweep.job import Job
from cisweep.outputs.designs import (
    edit_attributions,
    merge_histories,
    merge_tables,
    one_row_a_design,
    read_history,
    write_edits,
    write_fasta,
)
from cisweep.outputs.tables import write_dropped
from cisweep.plan.contents.design import design_windows
from cisweep.plot.designs import SHOWN, DesignFigures, design_figures
from cisweep.plot.saving import save_figure

with Job(snakemake) as job:  # noqa: F821
    plan, origin = job.plan, job.provenance()
    with job.product("table") as path:
        table = merge_tables(job.inputs("tables"), path, origin)
    with job.product("history") as path:
        merge_histories(job.inputs("histories"), path, origin)
    with job.product("fasta") as path:
        write_fasta(table, path)
    with job.product("vcf") as vcf, job.product("tbi") as tbi:
        write_edits(table, vcf, plan.source.lengths, f"cisweep {origin['cisweep_version']}")
        os.replace(f"{vcf}.tbi", tbi)
    with job.product("dropped") as path:
        write_dropped(design_windows(plan)[1], "design", "", path)
    own = one_row_a_design(table)
    job.say(f"{len(own)} designs, {int(own['reached'].sum())} reach their goals")
    shown = {d: read_history(job.output.history, d) for d in own["design"].head(SHOWN)}
    motifs = read_meme(plan.config.motifs) if plan.config.motifs else {}
    threshold = plan.step_config("design").motif_threshold
    figures = DesignFigures(
        table,
        shown,
        edit_attributions(job.output.history, table),
        {
            goal: hit_changes(part, motifs, plan.config.seed, threshold)
            for goal, part in own.groupby("goal", sort=False)
        },
    )
    for final, draw in design_figures(figures, job.products("figures")):
        with job.written(final) as path:
            save_figure(draw(), path)
