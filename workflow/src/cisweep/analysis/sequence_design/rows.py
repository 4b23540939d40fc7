"""The table of designs: one row for each design (or baseline) and target, with its evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cisweep.analysis.motifs.fimo import scan_tokens
from cisweep.analysis.motifs.score_distribution import ScoreModel, prepare_motifs
from cisweep.analysis.sequence_design.chunk import Designed, DesignModels
from cisweep.analysis.sequence_design.goals import reached, wanted
from cisweep.bases import gc_share, text_of
from cisweep.contracts import Windows

KMER = 4


def design_rows(
    found: Sequence[Designed],
    models: DesignModels,
    windows: Windows,
    usual: np.ndarray,
    motifs: Mapping[str, np.ndarray] | None = None,
    threshold: float = 1e-4,
) -> list[dict[str, Any]]:
    """Return the rows of designs.parquet (columns: outputs/designs.py).

    `usual` are windows of usual composition, tokens (n, length): a design whose k-mers are farther
    from all of them than they are from each other, or whose GC share is beyond theirs, is marked
    off_distribution. `motifs` are scanned before and after (p < `threshold`).
    """
    scanner = prepare_motifs(motifs, threshold=threshold) if motifs else None
    composition = Composition.of(usual)
    rows = []
    for each in found:
        key = f"{windows.keys()[each.window]}|{each.goal_set}"
        shared = _place(windows, each.window) | {
            "design": key, "goal": each.goal_set, "fault": each.fault,
            "sequence_before": text_of(each.template),
        }  # fmt: skip
        kept = [int(n) for n in each.path.edits_kept]
        own = shared | _evidence(each.template, each.full, each.pruned, composition, scanner)
        own |= {"method": "ledidi", "reached": each.reached, "curve_edits": kept}
        rows += _targets(each, models, own, each.y["full"], each.y["pruned"])
        for rival in each.baselines:
            other = shared | _evidence(
                each.template, rival.tokens, rival.tokens, composition, scanner
            )
            good = all(reached(g, each.y["before"][g.output], rival.y[g.output])
                       for g in each.goals)  # fmt: skip
            other |= {"method": rival.name, "reached": good, "curve_edits": []}
            rows += _targets(each, models, other, rival.y, rival.y)
    return rows


def _place(windows: Windows, i: int) -> dict[str, Any]:
    return {
        "chrom": str(windows.chrom[i]), "start": int(windows.start[i]),
        "end": int(windows.end[i]), "strand": str(windows.strand[i]),
        "name": str(windows.name[i]),
    }  # fmt: skip


def _targets(
    each: Designed, models: DesignModels, shared: dict[str, Any], after: np.ndarray,
    pruned: np.ndarray,
) -> list[dict[str, Any]]:  # fmt: skip
    goals = {g.output: (i, g) for i, g in enumerate(each.goals)}
    rows = []
    for k, (model, target) in enumerate(models.columns):
        i, goal = goals.get(k, (-1, None))
        before = float(each.y["before"][k])
        curve = [] if goal is None or not shared["curve_edits"] else each.path.predictions[:, i]
        rows.append(shared | {
            "model": model, "target": target,
            "role": "judge" if k >= models.n_oracle else "goal" if goal else "other",
            "kind": goal.kind if goal else "",
            "wanted": wanted(goal, before) if goal else np.nan,
            "tolerance": goal.tolerance if goal else np.nan,
            "before": before, "after": float(after[k]), "after_pruned": float(pruned[k]),
            "curve_predictions": [float(v) for v in curve],
        })  # fmt: skip
    return rows


def _evidence(
    template: np.ndarray, full: np.ndarray, pruned: np.ndarray, composition: "Composition",
    scanner: ScoreModel | None,
) -> dict[str, Any]:  # fmt: skip
    known = template != 4
    at = np.flatnonzero((pruned != template) & known)
    distance = composition.distance(pruned)
    beyond = distance > composition.limit or composition.is_beyond(float(gc_share(pruned)))
    gained, lost = _hits(template, pruned, scanner)
    return {
        "n_edits": int(((full != template) & known).sum()), "n_edits_pruned": len(at),
        "sequence_after": text_of(full), "sequence_pruned": text_of(pruned),
        # 0-based positions in the window, + orientation
        "edits": ";".join(f"{p}{text_of(template[p:p+1])}>{text_of(pruned[p:p+1])}" for p in at),
        "gc_before": float(gc_share(template)), "gc_after": float(gc_share(pruned)),
        "kmer_distance": distance,
        "kmer_distance_before": composition.distance(template),
        "off_distribution": bool(beyond),
        "hits_gained": gained, "hits_lost": lost,
    }  # fmt: skip


def _hits(before: np.ndarray, after: np.ndarray, scanner: ScoreModel | None) -> tuple[str, str]:
    """Return the names of motifs with more, and with fewer hits after than before."""
    if scanner is None:
        return "", ""
    n = len(scanner.names)
    change = np.bincount(scan_tokens(scanner, after)["motif_idx"], minlength=n) - np.bincount(
        scan_tokens(scanner, before)["motif_idx"], minlength=n
    )
    names = np.array(scanner.names)
    return ";".join(names[change > 0]), ";".join(names[change < 0])


@dataclass(frozen=True)
class Composition:
    """The k-mers and GC shares of usual windows."""

    shares: np.ndarray
    """Share of each k-mer, (windows, 4^k)."""
    limit: float
    """Largest distance of a window to its nearest other one; inf for fewer than 3 windows."""
    gc: tuple[float, float]
    """Smallest and largest GC share."""

    @classmethod
    def of(cls, usual: np.ndarray) -> "Composition":
        """Return the composition of windows, tokens (n, length)."""
        if not len(usual):
            return cls(np.zeros((0, 4**KMER)), float("inf"), (0.0, 1.0))
        shares = np.stack([_kmers(w) for w in usual])
        gc = [float(gc_share(w)) for w in usual] if len(usual) > 2 else [0.0, 1.0]
        return cls(shares, _spread(shares), (min(gc), max(gc)))

    def distance(self, window: np.ndarray) -> float:
        """Return the Euclidean distance of a window's k-mer shares to the nearest ones."""
        if not len(self.shares):
            return float("nan")
        return float(np.linalg.norm(self.shares - _kmers(window), axis=1).min())

    def is_beyond(self, gc: float) -> bool:
        """Return whether a GC share is outside of the usual ones."""
        return not self.gc[0] <= gc <= self.gc[1]


def _kmers(tokens: np.ndarray) -> np.ndarray:
    n = len(tokens) - KMER + 1
    parts = np.stack([tokens[i : i + n] for i in range(KMER)]).astype(np.int64)
    known = (parts < 4).all(0)
    index = (parts[:, known] * (4 ** np.arange(KMER))[:, None]).sum(0)
    return np.bincount(index, minlength=4**KMER) / max(known.sum(), 1)


def _spread(shares: np.ndarray) -> float:
    """Return the largest distance of a window to its nearest other one; inf for fewer than 3."""
    if len(shares) < 3:
        return float("inf")
    distance = np.linalg.norm(shares[:, None] - shares[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    return float(distance.min(1).max())
