"""What hits are worth: each shuffled out of its window, beside random spans of the same window.

Windows are chosen by their predictions, so whatever is shuffled in them costs something. A hit is
therefore compared with spans of its own length at random places of its own window, shuffled in the
same way. Under the null hypothesis the hit is one of them. No torch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cisweep.analysis.motifs.qvalues import bh_qvalues
from cisweep.analysis.perturbation.experiments import Predict, rank_motifs, summarise
from cisweep.contracts import TOKEN_N, Windows, seed_of
from cisweep.sequence.tokens import mono_shuffle_tokens

_AT_ONCE = 4096  # windows that are edited at once
_GRID = 4096  # steps of the sums over hits whose distribution is written out
_KEYS = ["motif", "name", "target"]


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
            where = f"{key}:{start}-{end}"
            seeds = [seed_of(seed, "ablate", where, k) for k in range(n_shuffles)]
            span = np.ascontiguousarray(tokens[own[i] : own[i] + 1, start:end])
            edited[i, :, start:end] = mono_shuffle_tokens(span, np.array([seeds], np.uint64))[0]
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


def judged_hits(effects: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `effects_of_hits` with control, effect_p_value and effect_q_value in place
    of the spans.

    control: mean of the hit's random spans. effect_p_value: two-sided, 2 (r + 1) / (N + 1), where r
    of the N random spans of all hits of the motif change the target as much in that direction.
    effect_q_value: of Benjamini & Hochberg over the hits of the motif. NaN without random spans.
    (p_value is the match's, as in hits.parquet.)
    """
    controls = _controls(effects)
    p_value, q_value = (np.full(len(effects), np.nan) for _ in range(2))
    for rows in effects.groupby(_KEYS, sort=False).indices.values():
        rows = rows[np.isfinite(controls[rows, 0])]
        null = np.sort(controls[rows].ravel())
        judged = effects["judged"].to_numpy()[rows]
        below = np.searchsorted(null, judged, side="right")
        above = len(null) - np.searchsorted(null, judged, side="left")
        p = np.minimum(2 * (np.minimum(below, above) + 1) / (len(null) + 1), 1)
        p_value[rows], q_value[rows] = p, bh_qvalues(p, len(p))
    names = [c for c in effects if str(c).startswith("control_")]
    return effects.drop(columns=["judged", *names]).assign(
        control=controls.mean(axis=1), effect_p_value=p_value, effect_q_value=q_value
    )


def ablation_table(effects: pd.DataFrame, min_hits: int = 2) -> pd.DataFrame:
    """Return one row per motif and target: what ablating its hits changes, beside random spans.

    effects: rows of `effects_of_hits`. Columns: motif, name, target; n, effect, effect_sd, ci_low,
    ci_high over hits; control, mean effect of the random spans; difference = effect - control, with
    difference_ci_low and difference_ci_high over hits (Student's t); p_value, q_value; rank.

    p_value is two-sided and exact: where hits are random spans, each is any of its window's with
    equal chance, so the sum over the hits has a distribution that can be written out (Pitman's
    permutation test). q_value: Benjamini & Hochberg over the motifs with at least `min_hits` hits,
    which are ranked by the end of the difference's interval that is nearer to no loss.
    """
    controls = _controls(effects)
    groups = effects.groupby(_KEYS, sort=False).indices
    targets = list(dict.fromkeys(effects["target"]))
    rows = []
    for key in sorted(groups, key=lambda k: (*k[:2], targets.index(k[2]))):
        index = groups[key]
        own, control = effects["effect"].to_numpy()[index], controls[index]
        judged = effects["judged"].to_numpy()[index]
        known = np.isfinite(control[:, 0])
        against = _against(own[known] - control[known].mean(axis=1))
        test = np.column_stack([judged, control])[known]
        rows.append(
            dict(zip(_KEYS, key))
            | {k: v.item() for k, v in summarise(own[:, None]).items()}
            | {"control": control[known].mean() if known.any() else np.nan}
            | against
            | {"p_value": permutation_p(test) if known.any() else np.nan}
        )
    columns = [*_KEYS, *summarise(np.zeros((2, 1))), "control", *_against(np.zeros(2)), "p_value"]
    table = pd.DataFrame(rows, columns=columns)
    return _ranked(table, min_hits)


def _controls(effects: pd.DataFrame) -> np.ndarray:
    names = [c for c in effects if str(c).startswith("control_")]
    return effects[names].to_numpy(np.float64)


def _against(differences: np.ndarray) -> dict[str, float]:
    """Return the mean difference of hits from their random spans, and its interval."""
    if not len(differences):
        return dict.fromkeys(("difference", "difference_ci_low", "difference_ci_high"), np.nan)
    found = summarise(differences[:, None])
    return {
        "difference": found["effect"].item(),
        "difference_ci_low": found["ci_low"].item(),
        "difference_ci_high": found["ci_high"].item(),
    }


def permutation_p(values: np.ndarray) -> float:
    """Return the two-sided p-value of the sum of the first column of (n, K + 1) values.

    Under the null hypothesis each row's first entry is any of its entries with equal chance,
    independently of other rows. Values are rounded to a grid of 4096 steps over the range of the
    sum, hits and spans alike, and on that grid the distribution is exact.
    """
    shifted = values - values.min(axis=1, keepdims=True)
    reach = shifted.max(axis=1).sum()
    if not reach > 0:
        return 1.0
    steps = np.rint(shifted * (_GRID / reach)).astype(np.int64)
    chance = np.ones(1)
    for row in steps:
        size = len(chance)
        spread = np.zeros(size + row.max())
        for step in row.tolist():
            spread[step : step + size] += chance
        chance = spread / len(row)
    observed = int(steps[:, 0].sum())
    return float(min(1.0, 2 * min(chance[: observed + 1].sum(), chance[observed:].sum())))


def _ranked(table: pd.DataFrame, min_hits: int) -> pd.DataFrame:
    judged = (table["n"] >= min_hits) & table["p_value"].notna()
    q_value = np.full(len(table), np.nan)
    for rows in table[judged].groupby("target", sort=False).indices.values():
        rows = np.flatnonzero(judged)[rows]
        q_value[rows] = bh_qvalues(table["p_value"].to_numpy()[rows], len(rows))
    names = {"difference_ci_low": "ci_low", "difference_ci_high": "ci_high"}
    ends = table[["n", "target", *names]].rename(columns=names)
    rank = rank_motifs(ends, losses=True, min_n=min_hits)["rank"]
    return table.assign(q_value=q_value, rank=rank)
