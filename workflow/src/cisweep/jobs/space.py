"""space: what pairs of motifs do over distances and orientations."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from cisweep.outputs.experiments import (
    experiment_blocks,
    merge_experiment,
    read_backgrounds,
    write_experiment,
)
from cisweep.plan.contents import space as spacings
from cisweep.plot.effects import spacing_figure
from cisweep.products.space import SPACE
from cisweep.scope import ChunkScope, ModelScope

_DRAWN = 12  # pairs of motifs in the figure of spacings


def space_chunk(of: ChunkScope, backgrounds: Path, device: str, table: Path) -> None:
    """Put a block of pairs of motifs into background windows over a range of distances.

    backgrounds: of `experiment_backgrounds`. Writes the effects as Parquet.
    """
    from cisweep.analysis.perturbation.windows import (
        Backgrounds,
        predictor,
        spacing_effects,
    )

    plan, step, pairs = of.plan, of.plan.step_config("space"), spacings.spaced_pairs(of.plan)
    effects = spacing_effects(
        predictor(plan, of.model, device, step.batch_size),
        Backgrounds(*read_backgrounds(backgrounds)),
        [pairs[i] for i in spacings.chunks(plan, of.model)[of.chunk]],
        step.distances,
        step.orientations,
        of.config.target_names,
    )
    write_experiment(effects, table, of.origin, SPACE)


def space(of: ModelScope, chunks: Collection[Path], table: Path, figure: Path) -> None:
    """Join what pairs of motifs do over distances and orientations; draw the first pairs."""
    print(f"{merge_experiment(chunks, table, of.origin)} rows")
    first = {(a.name, b.name) for a, b in spacings.spaced_pairs(of.plan)[:_DRAWN]}
    drawn = [
        rows[[pair in first for pair in zip(rows["motif_a"], rows["motif_b"])]]
        for rows in experiment_blocks(chunks)
    ]
    spacing_figure(pd.concat(drawn, ignore_index=True), figure)
