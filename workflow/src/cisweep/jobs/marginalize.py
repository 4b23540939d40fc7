"""marginalize: what motifs do, put into windows."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cisweep.outputs.experiments import (
    experiment_blocks,
    read_backgrounds,
    write_experiment,
)
from cisweep.plan.contents import marginalize as marginals
from cisweep.plot.effects import ranked_figure
from cisweep.products.marginalize import MARGINALIZE
from cisweep.scope import ChunkScope


def marginalize_chunk(of: ChunkScope, backgrounds: Path, device: str, table: Path) -> None:
    """Put a block of motifs into the background windows.

    backgrounds: of `experiment_backgrounds`. Writes the effects as Parquet.
    """
    from cisweep.analysis.perturbation.windows import (
        Backgrounds,
        marginal_effects,
        predictor,
    )

    plan, motifs = of.plan, marginals.marginal_motifs(of.plan)
    effects = marginal_effects(
        predictor(plan, of.model, device, plan.step_config("marginalize").batch_size),
        Backgrounds(*read_backgrounds(backgrounds)),
        [motifs[i] for i in marginals.chunks(plan, of.model)[of.chunk]],
        of.config.target_names,
    )
    write_experiment(effects, table, of.origin)


def marginalize(
    chunks: Iterable[Path], origin: Mapping[str, Any], table: Path, figure: Path
) -> None:
    """Join and rank what each motif does to each target; origin: metadata of the table."""
    from cisweep.analysis.perturbation.gather import rank_motifs

    ranked = rank_motifs(pd.concat(experiment_blocks(chunks), ignore_index=True))
    print(ranked[ranked["rank"] <= 3].to_string(index=False))
    write_experiment(ranked, table, origin, MARGINALIZE)
    ranked_figure(ranked, figure)
