"""Comparisons of groups against SciPy called by hand, loops and written-out numbers."""

import numpy as np
import pytest
import scipy.stats

from cisweep.analysis.language_model.group_tests import (
    cohens_d,
    compare_groups,
    principal_components,
)


def test_tests_and_effect_sizes():
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(1, 1, 30), rng.normal(0, 2, 20), rng.normal(0, 1, 10)
    values = np.r_[a, np.nan, b, c]
    groups = ["exon"] * 31 + ["intron"] * 20 + ["utr"] * 10
    table = compare_groups(values, groups, score="l2")
    assert table[["group_a", "group_b"]].to_numpy().tolist() == [
        ["exon", "intron"],
        ["exon", "utr"],
        ["intron", "utr"],
    ]
    row = table.iloc[0]
    welch = scipy.stats.ttest_ind(a, b, equal_var=False)
    assert (row["welch_t"], row["welch_p"]) == pytest.approx((welch.statistic, welch.pvalue))
    assert row["rank_sum_p"] == pytest.approx(scipy.stats.mannwhitneyu(a, b).pvalue)
    wins = np.mean([[np.sign(x - y) for y in b] for x in a])
    assert row["rank_biserial"] == pytest.approx(wins)
    pooled = np.sqrt((29 * a.var(ddof=1) + 19 * b.var(ddof=1)) / 48)
    assert row["cohens_d"] == pytest.approx((a.mean() - b.mean()) / pooled)
    assert (row["n_a"], row["n_b"], row["n_pairs"]) == (30, 20, 0)
    assert np.isnan(row["signed_rank_p"])


def test_signed_ranks_only_where_pairs_exist():
    rng = np.random.default_rng(1)
    a = rng.normal(size=12)
    b = a + rng.normal(0.5, 0.3, 12)
    names = [f"s{i}" for i in range(12)]
    groups = ["x"] * 12 + ["y"] * 12
    row = compare_groups(np.r_[a, b[::-1]], groups, names + names[::-1]).iloc[0]
    expected = scipy.stats.wilcoxon(a - b)
    assert (row["n_pairs"], row["signed_rank_p"]) == (12, pytest.approx(expected.pvalue))
    other = compare_groups(np.r_[a, b], groups, names + [n + "b" for n in names]).iloc[0]
    assert other["n_pairs"] == 0 and np.isnan(other["signed_rank_p"])
    # A name that stands twice in a group is no pair.
    twice = compare_groups(np.r_[a, b], groups, ["s"] * 12 + names).iloc[0]
    assert twice["n_pairs"] == 0


def test_sentences_say_the_result():
    low, high = np.arange(20.0), np.arange(20.0) + 15
    table = compare_groups(np.r_[low, high], ["low"] * 20 + ["high"] * 20, score="distance")
    sentence = table["sentence"][0]
    assert sentence.startswith("The distance is larger in high than in low (n = 20 and 20)")
    assert "Cohen's d = 2.5" in sentence
    same = compare_groups(np.r_[low, low], ["a"] * 20 + ["b"] * 20)["sentence"][0]
    assert "does not differ detectably between a and b" in same


def test_small_and_constant_groups():
    assert np.isnan(cohens_d(np.array([1.0]), np.array([2.0])))
    assert np.isnan(cohens_d(np.ones(3), np.ones(3)))
    assert cohens_d(np.array([1.0, 3.0]), np.array([0.0, 2.0])) == pytest.approx(1 / np.sqrt(2))
    row = compare_groups(np.array([1.0, 2.0, 3.0]), ["a", "b", "b"]).iloc[0]
    assert np.isnan(row["welch_p"]) and row["rank_sum_p"] > 0.05
    assert len(compare_groups(np.array([1.0, 2.0]), ["a", "a"])) == 0


def test_principal_components():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(40, 5)) * [5, 2, 1, 0.5, 0.1]
    points, share = principal_components(x)
    cov = np.cov(x.T)
    values = np.linalg.eigvalsh(cov)[::-1]
    assert share == pytest.approx(values[:2] / values.sum())
    assert points.var(axis=0, ddof=1) == pytest.approx(values[:2])
    # The first component follows the first axis, with a positive sign. (The other sign gives less
    # than 0, another component about 0.)
    assert np.corrcoef(points[:, 0], x[:, 0])[0, 1] > 0.9
    assert (principal_components(np.ones((1, 4)))[0] == 0).all()
