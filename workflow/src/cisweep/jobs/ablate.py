"""ablate: what is lost with each hit, shuffled out of its window."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from cisweep.contracts import Windows, digest
from cisweep.genome.fasta import window_tokens
from cisweep.outputs.experiments import (
    selected_hits,
    strongest_hits,
    write_experiment,
)
from cisweep.outputs.tables import read_parquet
from cisweep.plan.contents.backgrounds import region_windows
from cisweep.plan.contents.motifs import choose_motifs
from cisweep.plot.effects import ranked_figure
from cisweep.products.ablate import ABLATE, HITS
from cisweep.scope import ChunkScope, ModelScope


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

    Writes one row per hit and one per motif, as Parquet, and the ranks as SVG.
    """
    from cisweep.analysis.perturbation.gather import ablation_table, judged_hits

    # At most max_hits hits of each motif: this fits in memory for any genome.
    parts = [read_parquet(path).to_pandas() for path in chunks]
    effects = pd.concat([p for p in parts if len(p)] or parts[:1], ignore_index=True)
    write_experiment(judged_hits(effects), hits, of.origin, HITS)
    ranked = ablation_table(effects, of.plan.step_config("ablate").min_hits)
    print(f"{len(effects)} effects of hits")
    print(ranked[ranked["rank"] <= 3].to_string(index=False))
    write_experiment(ranked, table, of.origin, ABLATE)
    ranked_figure(ranked, figure, losses=True)
