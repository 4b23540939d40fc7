"""marginalize, ablate, space: what motifs do, put into windows and taken out of them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cisweep.contracts import Windows, digest
from cisweep.genome.fasta import window_tokens
from cisweep.outputs.experiments import (
    experiment_blocks,
    merge_experiment,
    read_backgrounds,
    selected_hits,
    strongest_hits,
    write_backgrounds,
    write_experiment,
)
from cisweep.outputs.tables import read_parquet
from cisweep.plan.contents import marginalize as marginals
from cisweep.plan.contents import space as spacings
from cisweep.plan.contents.backgrounds import region_windows
from cisweep.plan.contents.motifs import choose_motifs
from cisweep.plot.effects import ranked_figure, spacing_figure
from cisweep.scope import ChunkScope, ModelScope

_DRAWN = 12  # pairs of motifs in the figure of spacings


def experiment_backgrounds(
    of: ModelScope, experiment: str, peaks: Path | None, device: str, backgrounds: Path
) -> None:
    """Draw the backgrounds of an experiment and predict them as they are.

    experiment: "marginalize" or "space"; peaks: peaks.bed, from which they are drawn, or all
    regions. Writes windows, tokens and predictions as npz.
    """
    from cisweep.analysis.perturbation.windows import make_backgrounds, predictor

    step = of.plan.step_config(experiment)
    if peaks is not None and not peaks.stat().st_size:
        print("no peak is selected: the backgrounds come from all regions")
    found = make_backgrounds(
        predictor(of.plan, of.model, device, step.batch_size), of.plan, of.model, step, peaks
    )
    print(f"{len(found.windows)} backgrounds ({step.backgrounds})")
    write_backgrounds(backgrounds, found.windows, found.tokens, found.before)


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
    write_experiment(ranked, table, origin)
    ranked_figure(ranked, figure)


def ablate_select(of: ModelScope, hits: Path, peaks: Path | None, selected: Path) -> None:
    """Choose the hits that are ablated: the strongest of each motif that lie in a region.

    hits: merged hits; peaks: peaks.bed, the regions, or all. Writes a Parquet.
    """
    from cisweep.analysis.perturbation.ablations import hits_in_windows

    plan, step = of.plan, of.plan.step_config("ablate")
    motifs = {m.name for m in choose_motifs(plan.known_motifs, step.motifs)}
    place = partial(hits_in_windows, windows=region_windows(plan, of.model, peaks))
    found = strongest_hits(hits, motifs, step.max_hits, place, plan.source.lengths)
    print(f"{len(found)} hits of {found['motif'].nunique()} motifs")
    write_experiment(found, selected, {})


@dataclass(frozen=True)
class ChosenHits:
    """The hits of one chunk, their windows, and their spans (H, 2) in them."""

    hits: pd.DataFrame
    windows: Windows
    spans: np.ndarray

    @classmethod
    def read(cls, of: ChunkScope, selected: Path) -> "ChosenHits":
        """Return the chunk's rows of what `ablate_select` wrote."""
        return cls(*selected_hits(selected, of.plan.layout, of.chunk))

    @property
    def digest(self) -> str:
        """Hash of the hits: an equal chunk stays."""
        return digest(self.hits.to_csv())

    def __len__(self) -> int:
        return len(self.hits)


def ablate_chunk(of: ChunkScope, chosen: ChosenHits, device: str, table: Path) -> None:
    """Shuffle the chosen hits of one chunk out of their windows, and random spans beside them.

    Writes the effects as Parquet. Without hits it loads no model.
    """
    from cisweep.analysis.perturbation.ablations import effects_of_hits, hit_ablations

    plan, step, windows = of.plan, of.plan.step_config("ablate"), chosen.windows
    tokens = window_tokens(plan.source, windows.chrom, windows.start, windows.end)
    effects = None
    if len(chosen):
        from cisweep.analysis.perturbation.windows import predictor

        effects = hit_ablations(
            predictor(plan, of.model, device, step.batch_size),
            windows,
            tokens,
            chosen.spans,
            n_shuffles=step.n_shuffles,
            n_controls=step.n_controls,
            seed=plan.config.seed,
        )
    print(f"{len(chosen)} hits shuffled out")
    rows = effects_of_hits(chosen.hits, effects, of.config.target_names, step.n_controls)
    write_experiment(rows, table, of.origin)


def ablate(of: ModelScope, chunks: Iterable[Path], hits: Path, table: Path, figure: Path) -> None:
    """Join what is lost with each hit; compare it with random spans; rank the motifs.

    Writes one row a hit and one a motif, as Parquet, and the ranks as SVG.
    """
    from cisweep.analysis.perturbation.gather import ablation_table, judged_hits

    # At most max_hits hits of each motif: this fits in memory for any genome.
    parts = [read_parquet(path).to_pandas() for path in chunks]
    effects = pd.concat([p for p in parts if len(p)] or parts[:1], ignore_index=True)
    write_experiment(judged_hits(effects), hits, of.origin)
    ranked = ablation_table(effects, of.plan.step_config("ablate").min_hits)
    print(f"{len(effects)} effects of hits")
    print(ranked[ranked["rank"] <= 3].to_string(index=False))
    write_experiment(ranked, table, of.origin)
    ranked_figure(ranked, figure, losses=True)


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
    write_experiment(effects, table, of.origin)


def space(of: ModelScope, chunks: Collection[Path], table: Path, figure: Path) -> None:
    """Join what pairs of motifs do over distances and orientations; draw the first pairs."""
    print(f"{merge_experiment(chunks, table, of.origin)} rows")
    first = {(a.name, b.name) for a, b in spacings.spaced_pairs(of.plan)[:_DRAWN]}
    drawn = [
        rows[[pair in first for pair in zip(rows["motif_a"], rows["motif_b"])]]
        for rows in experiment_blocks(chunks)
    ]
    spacing_figure(pd.concat(drawn, ignore_index=True), figure)
