"""Experiments with many motifs: marginal effects, hits in windows, spacing of pairs (no torch).

Each takes `predict`, a function of (windows, tokens (N, W) uint8) that gives (N, T), and returns a
table with the mean effect, its standard deviation and its 95 % confidence interval (Student's t).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.stats

from cisweep.contracts import Windows, seed_of
from cisweep.errors import MotifError
from cisweep.genome.fasta import tokens_of_text
from cisweep.genome.motifs import Motif
from cisweep.plan.contents.space import check_spacing
from cisweep.sequence.tokens import reverse_complement_tokens, shuffle_tokens

Predict = Callable[[Windows, np.ndarray], np.ndarray]

_AT_ONCE = 4096  # windows that are edited at once


@dataclass(frozen=True)
class Backgrounds:
    """Windows into which motifs are put: their places, tokens (B, W) uint8, predictions (B, T)."""

    windows: Windows
    tokens: np.ndarray
    before: np.ndarray

    @classmethod
    def of(cls, predict: Predict, windows: Windows, tokens: np.ndarray) -> "Backgrounds":
        """Return backgrounds, predicted once for all experiments."""
        return cls(windows, tokens, predict(windows, tokens).astype(np.float64))

    @classmethod
    def shuffled(
        cls, predict: Predict, windows: Windows, tokens: np.ndarray, n: int, seed: int
    ) -> "Backgrounds":
        """Return n dinucleotide shuffles of windows without N, each as often as another."""
        keys = windows.keys()
        rows = np.arange(n) % len(keys)
        seeds = [seed_of(seed, "background", keys[r], i // len(keys)) for i, r in enumerate(rows)]
        shuffled = shuffle_tokens(tokens[rows], np.array(seeds, np.uint64)[:, None])[:, 0]
        return cls.of(predict, windows.take(rows), shuffled)


def summarise(effects: np.ndarray) -> dict[str, np.ndarray]:
    """Return mean, sd, ci_low, ci_high of effects (n, …) over the first axis, and n."""
    n = len(effects)
    mean = effects.mean(axis=0)
    sd = effects.std(axis=0, ddof=1) if n > 1 else np.full(mean.shape, np.nan)
    half = scipy.stats.t.ppf(0.975, n - 1) * sd / np.sqrt(n) if n > 1 else sd
    return {
        "n": np.full(mean.shape, n),
        "effect": mean,
        "effect_sd": sd,
        "ci_low": mean - half,
        "ci_high": mean + half,
    }


def marginal_effects(
    predict: Predict, backgrounds: Backgrounds, motifs: Sequence[Motif], targets: Sequence[str]
) -> pd.DataFrame:
    """Return one row per motif and target: its effect when its consensus stands in the middle.

    Columns: motif, name, target, n, effect, effect_sd, ci_low, ci_high, mean_before, mean_after.
    Motifs wider than the window are an error.
    """
    width = backgrounds.tokens.shape[1]
    placed = [(width // 2 - m.width // 2, _consensus(m, "+", width)) for m in motifs]
    rows = []
    for motif, after in zip(motifs, _after(predict, backgrounds, [[p] for p in placed])):
        found = summarise(after - backgrounds.before)
        found |= {"mean_before": backgrounds.before.mean(0), "mean_after": after.mean(0)}
        rows.append(_rows({"motif": motif.name, "name": motif.alt}, targets, found))
    return pd.concat(rows, ignore_index=True)


def rank_motifs(table: pd.DataFrame, *, losses: bool = False, min_n: int = 2) -> pd.DataFrame:
    """Return a table of effects with `rank` within each target; missing where n < min_n.

    The order is that of the end of the interval that lies nearer to no effect: ci_low, falling, or,
    of losses, ci_high, rising. So an effect that few hits happen to show does not stand before one
    that many agree on. Ties: the first row.
    """
    near = table["ci_high"] if losses else -table["ci_low"]
    near = near.where(table["n"] >= min_n)
    rank = near.groupby(table["target"], sort=False).rank(method="first")
    return table.assign(rank=rank.astype("Int64"))


def spacing_effects(
    predict: Predict,
    backgrounds: Backgrounds,
    pairs: Sequence[tuple[Motif, Motif]],
    distances: Sequence[int],
    orientations: Sequence[str],
    targets: Sequence[str],
) -> pd.DataFrame:
    """Return one row per pair, orientation, distance and target.

    The pair is centred, motif_a on the left, `distance_bp` bases between the two; orientations are
    the strands of both, such as "+-". `effect` is that of the pair; `interaction` (with its own
    interval) is the pair's effect minus those of its motifs alone at the same places: above 0 the
    two do more together. Arrangements wider than the window are an error.
    """
    width = backgrounds.tokens.shape[1]
    check_spacing(pairs, distances, width)
    rows = []
    for a, b in pairs:
        for orientation in orientations:
            left, right = (_consensus(m, s, width) for m, s in zip((a, b), orientation))
            arrangements = []
            for distance in distances:
                total = len(left) + distance + len(right)
                start = width // 2 - total // 2
                first, second = (start, left), (start + len(left) + distance, right)
                arrangements += [[first, second], [first], [second]]
            found = list(_after(predict, backgrounds, arrangements))
            names = {"motif_a": a.name, "name_a": a.alt, "motif_b": b.name, "name_b": b.alt}
            for k, distance in enumerate(distances):
                pair, alone_a, alone_b = (y - backgrounds.before for y in found[3 * k : 3 * k + 3])
                joint = summarise(pair - alone_a - alone_b)
                numbers = summarise(pair) | {
                    "interaction": joint["effect"],
                    "interaction_ci_low": joint["ci_low"],
                    "interaction_ci_high": joint["ci_high"],
                }
                labels = names | {"orientation": orientation, "distance_bp": distance}
                rows.append(_rows(labels, targets, numbers))
    return pd.concat(rows, ignore_index=True)


def hits_in_windows(
    hits: pd.DataFrame, windows: Windows
) -> tuple[pd.DataFrame, Windows, np.ndarray]:
    """Return the hits that lie inside a window, the window of each, and their spans in it.

    hits: chrom, start, end; windows: of one width. Of several windows the one with the nearest
    centre is taken (ties: the left one, or the first of those with one place). spans: (H, 2) int64,
    0-based half-open.
    """
    chosen = np.full(len(hits), -1)
    middle = (hits["start"] + hits["end"]).to_numpy(np.int64)  # twice the centre
    width = int(windows.end[0] - windows.start[0]) if len(windows) else 0
    slack = width - (hits["end"] - hits["start"]).to_numpy(np.int64)
    for chrom in set(hits["chrom"]):
        mine = np.flatnonzero(windows.chrom == chrom)
        own = np.flatnonzero(hits["chrom"] == chrom)
        if not len(mine) or not len(own):
            continue
        centre = windows.start[mine] + windows.end[mine]
        order = np.argsort(centre, kind="stable")
        mine, centre = mine[order], centre[order]
        after = np.searchsorted(centre, middle[own]).clip(0, len(mine) - 1)
        # The first of those with one centre.
        before = np.searchsorted(centre, centre[np.maximum(after - 1, 0)])
        away = [np.abs(centre[k] - middle[own]) for k in (before, after)]
        nearest = np.where(away[0] <= away[1], before, after)
        # Windows are of one width: where the nearest centre's does not hold the hit, none does.
        inside = np.abs(centre[nearest] - middle[own]) <= slack[own]
        chosen[own[inside]] = mine[nearest[inside]]
    rows = np.flatnonzero(chosen >= 0)
    kept, own = hits.iloc[rows].reset_index(drop=True), windows.take(chosen[rows])
    spans = np.stack([kept["start"] - own.start, kept["end"] - own.start], axis=1)
    return kept, own, spans.astype(np.int64).reshape(-1, 2)


def _after(
    predict: Predict, backgrounds: Backgrounds, edits: Sequence[list[tuple[int, np.ndarray]]]
) -> Iterator[np.ndarray]:
    """Yield (B, T) predictions of the backgrounds with each list of (start, tokens) put in."""
    n = len(backgrounds.windows)
    per_block = max(1, _AT_ONCE // n)
    for begin in range(0, len(edits), per_block):
        block = edits[begin : begin + per_block]
        tokens = np.repeat(backgrounds.tokens[None], len(block), axis=0)
        for copy, edit in zip(tokens, block):
            for start, motif in edit:
                copy[:, start : start + len(motif)] = motif
        windows = Windows.concatenate([backgrounds.windows] * len(block))
        after = predict(windows, tokens.reshape(-1, tokens.shape[2]))
        yield from after.astype(np.float64).reshape(len(block), n, -1)


def _consensus(motif: Motif, strand: str, width: int) -> np.ndarray:
    if motif.width > width:
        raise MotifError(
            f"it has {motif.width} positions, and the window has {width} bp",
            where=f"motif {motif.name}",
            mend="leave the motif out",
        )
    tokens = tokens_of_text(motif.consensus)
    return tokens if strand == "+" else reverse_complement_tokens(tokens)


def _rows(labels: dict, targets: Sequence[str], numbers: dict[str, np.ndarray]) -> pd.DataFrame:
    n = len(targets)
    columns = {key: [value] * n for key, value in labels.items()}
    return pd.DataFrame({**columns, "target": list(targets), **numbers})
