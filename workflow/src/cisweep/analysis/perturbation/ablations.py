"""What hits are worth: each shuffled out of its window, beside random spans of the same window.

Windows are chosen by their predictions, so whatever is shuffled in them costs something. A hit is
therefore compared with spans of its own length at random places of its own window, shuffled in the
same way. Under the null hypothesis the hit is one of them. No torch.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cisweep.contracts import TOKEN_N, Windows, seed_of
from cisweep.sequence.tokens import mono_shuffle_tokens

Predict = Callable[[Windows, np.ndarray], np.ndarray]
"""(windows, tokens (N, W) uint8 in + orientation) -> (N, T) predictions."""

_AT_ONCE = 4096  # windows that are edited at once


@dataclass(frozen=True)
class Ablations:
    """Changes of the prediction, float64, of H hits and T targets.

    effect: (H, T), mean over all shuffles of the hit; judged: (H, T), mean over as many as a random
    span has; control: (H, K, T) of the random spans, NaN where a window has no room for one.
    """

    effect: np.ndarray
    judged: np.ndarray
    control: np.ndarray


def control_shuffles(n_shuffles: int, n_controls: int) -> int:
    """Return how often a random span is shuffled, so that all of them cost as much as the hit."""
    return max(1, n_shuffles // n_controls)


def control_spans(
    windows: Windows, tokens: np.ndarray, spans: np.ndarray, n: int, seed: int
) -> np.ndarray:
    """Return (H, n, 2) int64 random spans, each as long as its hit, in the hit's window.

    They do not overlap the hit and have no N, all such places are equally likely, and they may
    overlap each other; -1 where there is no such place. They depend on the window and the hit's
    place alone. windows, tokens (H, W): the window of each hit; spans: (H, 2) in the window.
    """
    found = np.full((len(spans), n, 2), -1, np.int64)
    for i, (key, (start, end)) in enumerate(zip(windows.keys(), spans.tolist())):
        width = end - start
        unknown = np.concatenate([[0], np.cumsum(tokens[i] == TOKEN_N)])
        starts = np.arange(len(tokens[i]) - width + 1)
        apart = (starts + width <= start) | (starts >= end)
        starts = starts[apart & (unknown[starts + width] == unknown[starts])]
        if len(starts):
            rng = np.random.default_rng(seed_of(seed, "ablate control", f"{key}:{start}-{end}"))
            found[i, :, 0] = starts[rng.integers(0, len(starts), n)]
            found[i, :, 1] = found[i, :, 0] + width
    return found


def hit_ablations(
    predict: Predict,
    windows: Windows,
    tokens: np.ndarray,
    spans: np.ndarray,
    *,
    n_shuffles: int,
    n_controls: int,
    seed: int,
) -> Ablations:
    """Return what shuffling each span changes, and what shuffling random spans of its window does.

    windows, tokens (H, W): the window of each span; spans: (H, 2) in the window, 0-based half-open.
    Shuffle k of a span depends on its window, its place and k alone; spans that several hits share
    are predicted once. A negative effect says that the span made the prediction larger.
    """
    places = [f"{k}:{a}-{b}" for k, (a, b) in zip(windows.keys(), spans.tolist())]
    _, first, which = np.unique(places, return_index=True, return_inverse=True)
    windows, tokens, spans = windows.take(first), tokens[first], spans[first]
    few = control_shuffles(n_shuffles, n_controls)
    controls = control_spans(windows, tokens, spans, n_controls, seed)
    rows = np.repeat(np.arange(len(first)), n_controls)
    placed = controls.reshape(-1, 2)
    room = placed[:, 0] >= 0
    before = _before(predict, windows, tokens)
    own = list(_changes(predict, windows, tokens, spans, np.arange(len(first)), n_shuffles, seed))
    other = list(_changes(predict, windows, tokens, placed[room], rows[room], few, seed))
    changes = np.concatenate(own) - before[:, None]
    control = np.full((len(rows), before.shape[1]), np.nan)
    if other:
        control[room] = (np.concatenate(other) - before[rows[room], None]).mean(axis=1)
    return Ablations(
        changes.mean(axis=1)[which],
        changes[:, :few].mean(axis=1)[which],
        control.reshape(len(first), n_controls, -1)[which],
    )


def shuffled_span(
    tokens: np.ndarray, key: str, start: int, end: int, n: int, seed: int
) -> np.ndarray:
    """Return (n, end - start) uint8 shuffles of a span of one window.

    tokens: (W,) of the window; key: of its place (`Windows.keys`). Shuffle k depends on the key,
    the span, k and the seed alone. All permutations are equally likely, N stays.
    """
    seeds = [seed_of(seed, "ablate", f"{key}:{start}-{end}", k) for k in range(n)]
    span = np.ascontiguousarray(tokens[None, start:end])
    return mono_shuffle_tokens(span, np.array([seeds], np.uint64))[0]


def _before(predict: Predict, windows: Windows, tokens: np.ndarray) -> np.ndarray:
    parts = [predict(windows.take(rows), tokens[rows]) for rows in windows.blocks(_AT_ONCE)]
    return np.concatenate(parts).astype(np.float64)


def _changes(
    predict: Predict,
    windows: Windows,
    tokens: np.ndarray,
    spans: np.ndarray,
    rows: np.ndarray,
    n_shuffles: int,
    seed: int,
) -> Iterator[np.ndarray]:
    """Yield (block, n_shuffles, T) float64 predictions after shuffling spans (S, 2) of windows
    `rows` (S,)."""
    per_block = max(1, _AT_ONCE // n_shuffles)
    for begin in range(0, len(spans), per_block):
        own = rows[begin : begin + per_block]
        edited = np.repeat(tokens[own][:, None], n_shuffles, axis=1)
        block = windows.take(own)
        for i, (key, (start, end)) in enumerate(
            zip(block.keys(), spans[begin : begin + per_block].tolist())
        ):
            edited[i, :, start:end] = shuffled_span(
                tokens[own[i]], key, start, end, n_shuffles, seed
            )
        repeated = windows.take(np.repeat(own, n_shuffles))
        after = predict(repeated, edited.reshape(-1, tokens.shape[1]))
        yield after.astype(np.float64).reshape(len(own), n_shuffles, -1)


def effects_of_hits(
    hits: pd.DataFrame, found: Ablations | None, targets: Sequence[str], n_controls: int
) -> pd.DataFrame:
    """Return one row per hit and target: the columns of `hits` (H rows), target, effect, judged and
    control_0, control_1, … of each random span. found: None if there are no hits."""
    rows = hits.loc[hits.index.repeat(len(targets))].reset_index(drop=True)
    none = np.zeros(0)
    rows = rows.assign(
        target=list(targets) * len(hits),
        effect=none if found is None else found.effect.ravel(),
        judged=none if found is None else found.judged.ravel(),
    )
    controls = {
        f"control_{k}": none if found is None else found.control[:, k].ravel()
        for k in range(n_controls)
    }
    return rows.assign(**controls)


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
