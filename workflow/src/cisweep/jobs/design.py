"""design: sequences edited until the models predict what is wanted."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cisweep.analysis.sequence_design.motifs import hit_changes
from cisweep.contracts import Windows
from cisweep.genome.motifs import read_meme
from cisweep.outputs.designs import (
    edit_attributions,
    merge_histories,
    merge_tables,
    one_row_a_design,
    read_history,
    write_edits,
    write_fasta,
    write_histories,
    write_table,
)
from cisweep.outputs.tables import write_dropped
from cisweep.plan.contents.design import (
    design_chunks,
    design_tokens,
    design_windows,
    frozen_positions,
    prior_weights,
    usual_tokens,
)
from cisweep.plot.designs import SHOWN, DesignFigures, design_figures
from cisweep.plot.saving import save_figure
from cisweep.scope import RunScope


def design_chunk(of: RunScope, chunk: str, device: str, table: Path, history: Path) -> None:
    """Design the windows of one chunk by all models of the step.

    Writes one row per design, model and target as Parquet, and the histories of the losses and
    edits as HDF5 (outputs/designs.py).
    """
    from cisweep.analysis.sequence_design.chunk import DesignModels, Templates
    from cisweep.analysis.sequence_design.chunk import design_chunk as designs_of
    from cisweep.analysis.sequence_design.rows import design_rows

    plan, step = of.plan, of.plan.step_config("design")
    chunks = design_chunks(plan)
    windows = chunks[chunk]
    templates = Templates(
        windows,
        design_tokens(plan, windows),
        frozen_positions(plan, windows),
        prior_weights(plan, windows),
    )
    motifs = read_meme(plan.config.motifs) if plan.config.motifs else None
    # What is usual is asked of all regions, so that it does not depend on the chunk.
    usual = usual_tokens(plan, Windows.concatenate(list(chunks.values())))
    models = DesignModels.load(plan.models, step, device)
    found = designs_of(models, templates, step, plan.config.seed, motifs)
    rows = design_rows(found, models, windows, usual, motifs, step.motif_threshold)
    print(f"{len(found)} designs, {sum(d.reached for d in found)} reach their goals")
    write_table(rows, table, of.origin)
    names = [f"{windows.keys()[d.window]}|{d.goal_set}" for d in found]
    histories = {n: (d.history, d.attributions) for n, d in zip(names, found) if not d.fault}
    write_histories(histories, history, of.origin)


@dataclass(frozen=True)
class DesignProducts:
    """All designs, Parquet and FASTA; histories, HDF5; edits, VCF and its index; dropped, TSV."""

    table: Path
    history: Path
    fasta: Path
    vcf: Path
    tbi: Path
    dropped: Path


def design(
    of: RunScope,
    tables: Iterable[Path],
    histories: Iterable[Path],
    out: DesignProducts,
    figures: Mapping[str, Path],
) -> None:
    """Merge the designs of all chunks: table, sequences, edits as VCF, histories, figures.

    figures: name of each figure, as "loss.svg", and where it is written.
    """
    plan, origin = of.plan, of.origin
    table = merge_tables(tables, out.table, origin)
    merge_histories(histories, out.history, origin)
    write_fasta(table, out.fasta)
    write_edits(table, out.vcf, plan.source.lengths, f"cisweep {origin['cisweep_version']}")
    os.replace(f"{out.vcf}.tbi", out.tbi)
    write_dropped(design_windows(plan)[1], "design", "", out.dropped)
    own = one_row_a_design(table)
    print(f"{len(own)} designs, {int(own['reached'].sum())} reach their goals")
    drawn = _figures(of, table, own, out.history)
    for name, draw in design_figures(drawn, [Path(name) for name in figures]):
        save_figure(draw(), figures[name.name])


def _figures(of: RunScope, table: pd.DataFrame, own: pd.DataFrame, history: Path) -> DesignFigures:
    """Return what the figures are drawn from; own: one row per design."""
    plan = of.plan
    motifs = read_meme(plan.config.motifs) if plan.config.motifs else {}
    threshold = plan.step_config("design").motif_threshold
    return DesignFigures(
        table,
        {d: read_history(history, d) for d in own["design"].head(SHOWN)},
        edit_attributions(history, table),
        {
            goal: hit_changes(part, motifs, plan.config.seed, threshold)
            for goal, part in own.groupby("goal", sort=False)
        },
    )
