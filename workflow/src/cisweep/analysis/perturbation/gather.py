"""What the merges of marginalize and ablate judge: means, intervals, p, q and ranks of motifs.

A mean effect has its standard deviation and its 95 % confidence interval (Student's t). No torch.
"""

import numpy as np
import pandas as pd

from cisweep.analysis.motifs.qvalues import bh_qvalues

_GRID = 4096  # steps of the sums over hits whose distribution is written out
_KEYS = ["motif", "name", "target"]


def summarise(effects: np.ndarray) -> dict[str, np.ndarray]:
    """Return mean, sd, ci_low, ci_high of effects (n, …) over the first axis, and n."""
    # The quantile of Student's t without scipy.stats, whose import takes long.
    from scipy.special import stdtrit

    n = len(effects)
    mean = effects.mean(axis=0)
    sd = effects.std(axis=0, ddof=1) if n > 1 else np.full(mean.shape, np.nan)
    half = stdtrit(n - 1, 0.975) * sd / np.sqrt(n) if n > 1 else sd
    return {
        "n": np.full(mean.shape, n),
        "effect": mean,
        "effect_sd": sd,
        "ci_low": mean - half,
        "ci_high": mean + half,
    }


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
