"""variants: logos of both alleles of the strongest variants, and the hits that they change."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cisweep.analysis.variants.allele_hits import (
    ALLELE_HIT_COLUMNS,
    allele_hits,
    allele_spans,
    hits_in_words,
)
from cisweep.analysis.variants.gather import Strongest
from cisweep.bases import one_hot, text_of
from cisweep.contracts import Windows
from cisweep.genome.motifs import Motif, load_motifs
from cisweep.genome.signal import track_inputs, tracks_of
from cisweep.genome.variants.alleles import AllelePolicy, AlleleWindows, allele_windows
from cisweep.outputs.tables import write_product
from cisweep.outputs.variants import effect_blocks, one_based, read_selected
from cisweep.plot.alleles import AlleleLogo, save_allele_logos
from cisweep.products.variants import HITS
from cisweep.scope import ModelScope, TargetScope
from cisweep.steps.hits import HitsConfig


@dataclass(frozen=True)
class LogoInputs:
    """What `variants_logos` reads.

    table: merged effects, Parquet. selected: of `variants_select`. counts: JSON of
    `hits_background`, where the run has motifs.
    """

    table: Path
    selected: Path
    counts: Path | None = None


@dataclass(frozen=True)
class LogoProducts:
    """Logos, SVG, one pair a variant; the hits gained and lost, TSV."""

    logos: Path
    hits: Path


def variants_logos(
    of: ModelScope, given: LogoInputs, device: str, out: Mapping[str, LogoProducts]
) -> None:
    """Explain both alleles of the strongest variants of some targets; list the hits that change.

    out: names of the targets in files -> what is written.
    """
    step = of.plan.step_config("variants")
    strongest = Strongest(step.top_n)
    for table in effect_blocks([given.table]):
        strongest.add(table)

    @cache
    def model() -> Any:
        from cisweep.models.ensemble import Ensemble

        return Ensemble.load(of.config, device)

    @cache
    def scanner() -> tuple[list[Motif], Any]:
        from cisweep.analysis.motifs.chunk import scan_options
        from cisweep.analysis.motifs.score_distribution import prepare_motifs

        # As the run's, so that a site has one p-value.
        motifs, scan = load_motifs(of.plan.config.motifs), of.plan.step_config("hits")
        return motifs, prepare_motifs(motifs, **scan_options(scan or HitsConfig(), given.counts))

    for file_name, products in out.items():
        mine, rows = of.of_target(file_name), strongest.table
        rows = rows[rows["target"] == mine.target] if len(rows) else rows
        _draw(mine, rows, given.selected, model, scanner, products)


def _draw(
    of: TargetScope,
    rows: pd.DataFrame,
    selected: Path,
    model: Callable[[], Any],
    scanner: Callable[[], tuple[list[Motif], Any]],
    out: LogoProducts,
) -> None:
    """Draw one target's strongest variants, `rows`, and list the hits that they change."""
    shown = {(r.chrom, r.pos, r.ref, r.alt, r.haplotype): r.delta for r in rows.itertuples()}
    alleles = _shown_alleles(of, list(shown), selected)
    changed, drawn = pd.DataFrame(columns=ALLELE_HIT_COLUMNS), []
    if len(alleles):
        tokens = np.concatenate([alleles.ref[alleles.ref_idx], alleles.alt])
        values = _explained(of, alleles, tokens, model())
        if of.plan.config.motifs:
            motifs, scan = scanner()
            changed = allele_hits(alleles, scan, motifs)
        drawn = _logos(alleles, tokens, values, list(shown.values()), changed)
    save_allele_logos(drawn, out.logos, name=of.target)
    write_product(one_based(changed), out.hits, HITS)


def _shown_alleles(of: TargetScope, shown: Sequence[tuple], selected: Path) -> AlleleWindows:
    """Return both alleles of the variants `shown` (chrom, pos, ref, alt, haplotype), in order."""
    step, regions = of.plan.step_config("variants"), of.plan.config.regions
    width = of.config.window_bp
    policy = AllelePolicy(
        width,
        step.trim,
        regions.edge,
        regions.max_n,
        step.haplotype,
        places=bool(tracks_of(of.config)),
    )
    places = {key[:4]: (key[0], key[1] - width, key[1] + width) for key in shown}
    # With haplotypes the windows carry what stands near, so all of it is read again.
    near = [v for place in places.values() for v in read_selected(selected, [place])]
    near = list({v.key: v for v in near}.values())
    variants = [v for v in near if (v.chrom, v.pos, v.ref, v.alt) in places]
    alleles = allele_windows(variants, of.plan.source, policy, others=near)
    keys = [(v.chrom, v.pos, v.ref, v.alt, v.haplotype) for v in alleles.variants]
    row_of = {key: i for i, key in enumerate(keys)}
    return alleles.take(np.array([row_of[key] for key in shown], dtype=np.int64))


def _explained(
    of: TargetScope, alleles: AlleleWindows, tokens: np.ndarray, model: Any
) -> np.ndarray:
    """Return the attributions (2 A, 4, W) of the reference, then of the alternative alleles."""
    from cisweep.analysis.attribution.references import make_references
    from cisweep.analysis.attribution.windows import attribute_pairs

    own, tracks = alleles.windows.take(alleles.ref_idx), tracks_of(of.config)
    inputs = []
    if tracks:
        places = np.concatenate([alleles.ref_places[alleles.ref_idx], alleles.places])
        inputs = track_inputs(tracks, [*own.chrom, *own.chrom], places)
    wanted = np.zeros((len(tokens), len(of.config.target_names)), dtype=bool)
    wanted[:, of.config.target_names.index(of.target)] = True
    found = attribute_pairs(
        model,
        Windows.concatenate([own, own]),
        tokens,
        inputs,
        make_references("dinucleotide", 20, of.plan.config.seed, of.threads),
        wanted,
        batch_size=8,
    )
    return found.values.projected[:, None] * one_hot(tokens)


def _logos(
    alleles: AlleleWindows,
    tokens: np.ndarray,
    values: np.ndarray,
    deltas: Sequence[float],
    hits: pd.DataFrame,
) -> list[AlleleLogo]:
    """Return the logos of each variant: its two alleles (2 A, ...), effect and changed hits."""
    letters = [text_of(row) for row in tokens]
    n, logos = len(alleles), []
    for i, (v, delta) in enumerate(zip(alleles.variants, deltas)):
        same = hits[["chrom", "pos", "ref", "alt"]] == [v.chrom, v.pos, v.ref, v.alt]
        on = f" on haplotype {v.haplotype}" if v.haplotype else ""
        logo = AlleleLogo(
            f"{v.chrom}:{v.pos + 1:,} {v.ref}>{v.alt}{on} ({delta:+.3g})",
            values[i],
            values[n + i],
            *allele_spans(alleles, i),
            (letters[i], letters[n + i]),
            hits_in_words(hits[same.all(axis=1)]),
        )
        logos.append(logo)
    return logos
