"""How scores differ between groups: tests, effect sizes, and a plain sentence (SciPy only)."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
import scipy.stats

from cisweep.products.zero_shot import TESTS

COMPARISON_COLUMNS = TESTS.names()


def cohens_d(a: np.ndarray, b: np.ndarray) -> float:
    """Return (mean a - mean b) / pooled standard deviation; NaN where that is 0 or undefined."""
    n, m = len(a), len(b)
    if n + m < 3:
        return float("nan")
    pooled = ((n - 1) * a.var(ddof=1) if n > 1 else 0.0) + ((m - 1) * b.var(ddof=1) if m > 1 else 0)
    pooled = np.sqrt(pooled / (n + m - 2))
    return float((a.mean() - b.mean()) / pooled) if pooled > 0 else float("nan")


def compare_groups(
    values: np.ndarray,
    groups: Sequence[str],
    names: Sequence[str] | None = None,
    *,
    score: str = "score",
) -> pd.DataFrame:
    """Return one row per pair of groups (in order of appearance) with COMPARISON_COLUMNS.

    values: (N,), NaN left out; groups: N names; names: N names of the scored pairs.

    Welch's t-test and the Wilcoxon rank-sum test (Mann-Whitney U) compare the groups, two-sided.
    The signed-rank test is made only where the same names stand in both groups, over those pairs.
    rank_biserial is P(a > b) - P(a < b). A group of one has no Welch test.
    """
    values, groups = np.asarray(values, float), np.asarray(groups, dtype=object)
    ok = np.isfinite(values)
    rows = []
    for first, second in combinations(dict.fromkeys(groups[ok]), 2):
        a, b = values[ok & (groups == first)], values[ok & (groups == second)]
        row = {"score": score, "group_a": first, "group_b": second, "n_a": len(a), "n_b": len(b)}
        row |= {"mean_a": a.mean(), "mean_b": b.mean()}
        row |= {"median_a": np.median(a), "median_b": np.median(b)}
        if min(len(a), len(b)) > 1 and a.var() + b.var() > 0:
            welch = scipy.stats.ttest_ind(a, b, equal_var=False)
            row |= {"welch_t": welch.statistic, "welch_p": welch.pvalue}
        ranks = scipy.stats.mannwhitneyu(a, b, alternative="two-sided")
        row |= {"rank_sum_u": ranks.statistic, "rank_sum_p": ranks.pvalue}
        row["cohens_d"] = cohens_d(a, b)
        row["rank_biserial"] = 2 * ranks.statistic / (len(a) * len(b)) - 1
        row |= _signed_rank(values, groups, names, ok, (first, second))
        row["sentence"] = _sentence(row)
        rows.append(row)
    return pd.DataFrame(rows, columns=COMPARISON_COLUMNS)


def _signed_rank(values, groups, names, ok, pair: tuple[str, str]) -> dict[str, float]:
    if names is None:
        return {"n_pairs": 0}
    names = np.asarray(names, dtype=object)
    sides = []
    for group in pair:
        mine = ok & (groups == group)
        by_name = dict(zip(names[mine], values[mine]))
        # A name that stands twice in a group pairs with nothing.
        sides.append(by_name if len(by_name) == mine.sum() else {})
    shared = [n for n in sides[0] if n in sides[1]]
    difference = np.array([sides[0][n] - sides[1][n] for n in shared])
    if len(shared) < 2 or not difference.any():
        return {"n_pairs": len(shared)}
    test = scipy.stats.wilcoxon(difference)
    return {
        "n_pairs": len(shared),
        "signed_rank_w": test.statistic,
        "signed_rank_p": test.pvalue,
    }


def _sentence(row: dict) -> str:
    a, b = row["group_a"] or "(no group)", row["group_b"] or "(no group)"
    larger, smaller = (a, b) if row["rank_biserial"] >= 0 else (b, a)
    share = (1 + abs(row["rank_biserial"])) / 2
    counts = f"(n = {row['n_a']} and {row['n_b']})"
    if row["rank_sum_p"] >= 0.05:
        return (
            f"The {row['score']} does not differ detectably between {a} and {b} {counts}: rank-sum "
            f"p = {row['rank_sum_p']:.2g}."
        )
    return (
        f"The {row['score']} is larger in {larger} than in {smaller} {counts}: a member of "
        f"{larger} exceeds one of {smaller} in {share:.0%} of pairs, rank-sum "
        f"p = {row['rank_sum_p']:.2g}, Cohen's d = {abs(row['cohens_d']):.2g}."
    )


def principal_components(vectors: np.ndarray, n: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, n) coordinates on the first components of (N, D), and their shares of variance.

    Signs are fixed so that each component's largest loading is positive.
    """
    centred = np.asarray(vectors, np.float64) - np.mean(vectors, axis=0, dtype=np.float64)
    u, s, v = np.linalg.svd(centred, full_matrices=False)
    n_found = min(n, len(s))
    sign = np.sign(v[np.arange(n_found), np.abs(v[:n_found]).argmax(axis=1)])
    points = np.zeros((len(centred), n))
    points[:, :n_found] = u[:, :n_found] * s[:n_found] * sign
    share = np.zeros(n)
    share[:n_found] = s[:n_found] ** 2 / max((s**2).sum(), 1e-300)
    return points, share
