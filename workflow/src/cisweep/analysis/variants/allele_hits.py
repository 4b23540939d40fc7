"""Motif hits that an allele gains, loses or changes (no torch)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cisweep.analysis.motifs.fimo import scan_tokens
from cisweep.analysis.motifs.score_distribution import ScoreModel
from cisweep.genome.motifs import Motif
from cisweep.genome.variants.alleles import AlleleWindows
from cisweep.genome.variants.edits import Edit

ALLELE_HIT_COLUMNS = [
    *("chrom", "pos", "ref", "alt", "id", "change", "motif", "name", "strand", "start", "end"),
    *("score_ref", "score_alt", "p_ref", "p_alt"),
]


def allele_hits(alleles: AlleleWindows, model: ScoreModel, motifs: Sequence[Motif]) -> pd.DataFrame:
    """Return one row per hit over the variant that differs between the alleles.

    pos: of the variant, 0-based; the file has pos_1based (outputs/variants.py).
    change: `lost` (only the reference has it), `gained` (only the alternate), or `changed` (both,
    with another score). start, end: of the hit on the reference genome, 0-based half-open; for a
    gained hit the span of the reference's bases in it. A score and p-value that an allele lacks
    are NaN. Hits that do not touch the variant are the same in both and are left out.
    """
    rows = []
    for i, variant in enumerate(alleles.variants):
        begin = int(alleles.windows.start[alleles.ref_idx[i]])
        ref, alt = alleles.ref[alleles.ref_idx[i]], alleles.alt[i]
        columns = alleles.columns[i]
        ref_span, alt_span = allele_spans(alleles, i)
        before = _touching(scan_tokens(model, ref), *ref_span)
        after = _touching(scan_tokens(model, alt), *alt_span)
        after = _by_reference(after, columns)
        for key in sorted({*before, *after}):
            a, b = before.get(key), after.get(key)
            if a is not None and b is not None and a["score"] == b["score"]:
                continue
            change = "lost" if b is None else "gained" if a is None else "changed"
            start, end = (a["start"], a["end"]) if a is not None else _on_reference(b, columns)
            site = (variant.chrom, variant.pos, variant.ref, variant.alt, variant.id, change)
            motif = motifs[key[0]]
            scores = (_of(a, "score"), _of(b, "score"), _of(a, "p_value"), _of(b, "p_value"))
            place = (begin + int(start), begin + int(end))
            rows.append((*site, motif.name, motif.alt, key[1], *place, *scores))
    return pd.DataFrame(rows, columns=ALLELE_HIT_COLUMNS)


def allele_spans(alleles: AlleleWindows, i: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return where variant i stands in its reference and in its alternate window, [start, end)."""
    own = Edit.of(alleles.variants[i])
    low = own.pos - int(alleles.windows.start[alleles.ref_idx[i]])
    first = _alt_start(alleles.columns[i], low)
    return (low, low + own.n_ref), (first, first + len(own.alt))


def hits_in_words(hits: pd.DataFrame, n: int = 2) -> str:
    """Return the strongest changes among one variant's hits: "gains CTCF (p 2e-06)", joined."""
    best = hits[["p_ref", "p_alt"]].min(axis=1)
    rows = hits.assign(p=best).sort_values(["p", "motif"], kind="stable")
    rows = rows.drop_duplicates("change").head(n)
    words = {"gained": "gains", "lost": "loses", "changed": "changes"}
    found = []
    for row in rows.itertuples():
        p = f"p {row.p:.0e}"
        if row.change == "changed":
            p = f"p {row.p_ref:.0e} to {row.p_alt:.0e}"
        found.append(f"{words[row.change]} {row.name or row.motif} ({p})")
    return ", ".join(found)


def _touching(hits: np.ndarray, low: int, high: int) -> dict[tuple[int, str, int], np.void]:
    """Return (motif, strand, start) -> hit of those over [low, high), or across an empty span."""
    over = (hits["start"] < max(high, low + (low == high))) & (hits["end"] > low)
    if low == high:
        over &= hits["start"] < low
    return {(int(h["motif_idx"]), str(h["strand"]), int(h["start"])): h for h in hits[over]}


def _by_reference(hits: dict, columns: np.ndarray) -> dict[tuple[int, str, int], np.void]:
    """Return hits of the alternate allele keyed by where they start on the reference window.

    A hit that starts on an inserted base has no such place: it is keyed below 0.
    """
    found = {}
    for (motif, strand, start), hit in hits.items():
        at = int(columns[start])
        found[motif, strand, at if at >= 0 else -1 - start] = hit
    return found


def _alt_start(columns: np.ndarray, low: int) -> int:
    """Return where in the alternate window the allele begins: behind the reference base low - 1."""
    behind = np.flatnonzero((columns >= 0) & (columns < low))
    return int(behind[-1]) + 1 if len(behind) else 0


def _on_reference(hit: np.void, columns: np.ndarray) -> tuple[int, int]:
    inside = columns[hit["start"] : hit["end"]]
    known = inside[inside >= 0]
    if len(known):
        return int(known[0]), int(known[-1]) + 1
    at = _nearest(columns, int(hit["start"]))
    return at, at


def _nearest(columns: np.ndarray, start: int) -> int:
    behind = columns[:start][columns[:start] >= 0]
    return int(behind[-1]) + 1 if len(behind) else 0


def _of(hit: np.void | None, field: str) -> float:
    return float("nan") if hit is None else float(hit[field])
