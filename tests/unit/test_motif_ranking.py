"""The one ranking: families and members by what they explain, evidence against shuffled copies."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control, kstest, norm

from cisweep.analysis.motifs.families import shuffled_columns
from cisweep.analysis.motifs.fimo import scan_tokens
from cisweep.analysis.motifs.hits import HitSums, hit_attributions
from cisweep.analysis.motifs.ranking import Ranking, TargetSums, rank_motifs
from cisweep.analysis.motifs.score_distribution import prepare_motifs
from cisweep.errors import MotifError
from cisweep.genome.motifs import Motif


def motif(name: str) -> Motif:
    return Motif(name, name.upper(), np.eye(4)[[0, 1, 2]].T)


def sums(count, total) -> HitSums:
    return HitSums(np.array(count, dtype=np.int64), np.array(total, dtype=np.float64))


def test_ranking_by_hand():
    motifs = [motif("a"), motif("b"), motif("c"), motif("rare")]
    found = rank_motifs(
        motifs,
        TargetSums(
            hits=sums([10, 100, 20, 2], [40, 100, 20, 18]),
            places=sums([4, 50, 9, 2], [16, 60, 50, 900]),
            null=sums([10, 5, 20, 20, 4, 5, 1, 0], [10, 35, 0, 10, 99, 5, 9, 0]),
        ),
        np.array([0, 1, 0, 2]),
        target="t",
    )
    table = found.motifs
    # The family of a and c explains 66, b 60; c explains more than a. The rare one is last.
    assert table["motif"].tolist() == ["c", "a", "b", "rare"]
    assert table["rank"].tolist() == [1, 2, 3, 4]
    assert table["family_rank"].tolist() == [1, 1, 2, 3]
    assert table["family"].tolist() == ["C", "C", "B", "RARE"]
    table = table.set_index("motif").loc[["a", "b", "c", "rare"]]
    assert table["name"].tolist() == ["A", "B", "C", "RARE"]
    assert table["mean"].tolist() == [4, 1, 1, 9] and table["sum"].tolist() == [40, 100, 20, 18]
    assert table["n_places"].tolist() == [4, 50, 9, 2]
    assert table["explained"].tolist() == [16, 60, 50, 900]
    np.testing.assert_allclose(table["null_mean"], [3, 0.25, 104 / 9, 9])
    # Five copies have five hits or more: 60 hits that sum to 60, so the null's mean is 1. Shrunken
    # by five hits of it the copies are 0, (35 - 5) / 10 = 3, -0.8, -0.4, 0; the motifs 2, 0, 0.
    p = np.array([2, 4, 4, np.nan]) / 6
    np.testing.assert_allclose(table["p_value"], p)
    np.testing.assert_allclose(table["q_value"], [2 / 3] * 3 + [np.nan])
    np.testing.assert_allclose(table["z"], norm.isf(p - 1 / 12))
    assert (table["target"] == "t").all()
    families = found.families
    assert families["family"].tolist() == ["C", "B", "RARE"] and (families["target"] == "t").all()
    assert families["motif"].tolist() == ["c", "b", "rare"]
    assert families["members"].tolist() == ["C;A", "B", "RARE"]
    assert families["rank"].tolist() == [1, 2, 3] and families["n_motifs"].tolist() == [2, 1, 1]
    assert families["n_places"].tolist() == [13, 50, 2]
    assert families["explained"].tolist() == [66, 60, 900]
    np.testing.assert_allclose(families["mean"], [66 / 13, 60 / 50, 450])
    np.testing.assert_allclose(families["q_value"], [2 / 3, 2 / 3, np.nan])
    assert not families["drives"].any()
    # Of the other side: as low as 2, 0, 0 are 4, 4, 4 of the five copies.
    np.testing.assert_allclose(table["lowers_p_value"], [5 / 6, 5 / 6, 5 / 6, np.nan])
    np.testing.assert_allclose(table["lowers_q_value"], [5 / 6] * 3 + [np.nan])
    # 13 places that sum to 66: (66 - 13) / 18 = 2.9, below one copy; 50 with 60: 10 / 55.
    np.testing.assert_allclose(families["places_p_value"], [2 / 6, 2 / 6, np.nan])


def test_a_family_drives_or_lowers_only_by_places_that_it_wins_itself():
    """Motif b matches inside the sites of a, which win; d lowers, and e only inside d's sites."""
    names = ["a", "b", "c", "d", "e"]
    hits = sums([20, 20, 20, 20, 20], [100, 80, 0, -100, -80])
    places = sums([20, 6, 20, 20, 6], [100, 0.6, 0, -100, -0.6])
    null = sums([20] * 500, np.linspace(-20, 20, 500))
    mine = TargetSums(hits, places, null)
    found = rank_motifs([motif(n) for n in names], mine, np.arange(5)).families.set_index("motif")
    assert (found.loc[["a", "b"], "q_value"] < 0.01).all()
    assert (found.loc[["d", "e"], "lowers_q_value"] < 0.01).all()
    assert found.index[found["drives"]].tolist() == ["a"]
    assert found.index[found["lowers"]].tolist() == ["d"]
    # (0.6 - 0) / (6 + 5) among (-20 ... 20) / (20 + 5).
    above = (np.linspace(-20, 20, 500) / 25 >= 0.6 / 11).sum()
    assert found.loc["b", "places_p_value"] == pytest.approx((above + 1) / 501)
    # Four places are fewer than are judged, whatever they explain.
    few = TargetSums(hits, sums([20, 4, 20, 20, 6], [100, 90, 0, -100, -0.6]), null)
    found = rank_motifs([motif(n) for n in names], few, np.arange(5)).families.set_index("motif")
    assert np.isnan(found.loc["b", "places_p_value"]) and not found.loc["b", "drives"]


def test_a_motif_with_just_enough_hits_is_judged():
    mine = TargetSums(sums([5, 4], [5, 40]), sums([5, 4], [5, 40]), sums([5] * 4, [0, 1, 0, 1]))
    found = rank_motifs([motif("a"), motif("b")], mine, np.arange(2), min_hits=5)
    assert found.motifs["motif"].tolist() == ["a", "b"]
    assert found.motifs["p_value"].isna().tolist() == [False, True]
    assert found.families["q_value"].isna().tolist() == [False, True]


def test_ties_do_not_depend_on_the_order_of_the_motif_file():
    rng = np.random.default_rng(0)
    names, families = [f"m{i:02}" for i in range(24)], np.repeat(np.arange(8), 3)
    count, total = rng.integers(3, 9, 24), rng.integers(0, 3, 24).astype(float)
    null = rng.integers(0, 9, (24, 5)), rng.normal(size=(24, 5))

    def ranked(order):
        mine = TargetSums(sums(count[order], total[order]), sums(count[order], total[order]),
                          sums(null[0][order].ravel(), null[1][order].ravel()))  # fmt: skip
        return rank_motifs([motif(names[i]) for i in order], mine, families[order])

    first, other = ranked(np.arange(24)), ranked(rng.permutation(24))
    pd.testing.assert_frame_equal(first.motifs, other.motifs)
    pd.testing.assert_frame_equal(first.families, other.families)


def test_families_against_loops():
    """Sums, order and members by loops; q of motifs by SciPy."""
    rng = np.random.default_rng(1)
    n, families = 60, np.sort(rng.integers(0, 20, 60))
    places = sums(rng.integers(0, 30, n), 20 * rng.normal(size=n))
    null = sums(rng.integers(0, 30, n * 10), rng.normal(size=n * 10))
    mine = TargetSums(sums(rng.integers(0, 30, n), rng.normal(size=n) + 5), places, null)
    found = rank_motifs([motif(f"m{i}") for i in range(n)], mine, families)
    p = found.motifs.set_index("motif")["p_value"].dropna()
    q = dict(zip(p.index, false_discovery_control(p)))
    least, explained, members = {}, {}, {}
    for f in set(families.tolist()):
        all_of_it = [i for i in range(n) if families[i] == f]
        least[f] = min(q.get(f"m{i}", np.inf) for i in all_of_it)
        explained[f] = sum(places.total[i] for i in all_of_it)
        judged = [i for i in all_of_it if mine.hits.count[i] >= 5] or all_of_it
        members[f] = sorted(judged, key=lambda i: -places.total[i])
    order = sorted(explained, key=lambda f: (least[f] == np.inf, -explained[f]))
    least = {f: np.nan if x == np.inf else x for f, x in least.items()}
    assert found.families["motif"].tolist() == [f"m{members[f][0]}" for f in order]
    assert found.families["members"].tolist() == [
        ";".join(f"M{i}" for i in members[f]) for f in order
    ]
    np.testing.assert_allclose(found.families["explained"], [explained[f] for f in order])
    np.testing.assert_allclose(found.families["q_value"], [least[f] for f in order])
    own = found.families["places_p_value"] <= 0.05
    drives = [least[f] <= 0.05 and explained[f] > 0 and own[i] for i, f in enumerate(order)]
    assert found.families["drives"].tolist() == drives and any(drives) and not all(drives)


def test_p_values_are_uniform_where_words_say_nothing_and_small_where_one_does():
    """Motifs and their copies in random sequence, against attributions made without the bases."""
    rng = np.random.default_rng(5)
    motifs = [Motif(f"m{i}", "", rng.dirichlet([0.15] * 4, 9).T) for i in range(150)]
    copies = [c for m in motifs for c in shuffled_columns(m, 10, 0)]
    tokens = rng.integers(0, 4, 60_000).astype(np.uint8)
    models = [prepare_motifs(m, threshold=2e-4) for m in (motifs, copies)]
    hits, others = (scan_tokens(model, tokens) for model in models)
    found = []
    for planted in [False] * 6 + [True]:
        # Few and strong sites, as attributions are: their means have heavy tails.
        track = rng.laplace(0, 0.1, 60_000)
        for site in rng.integers(20, 59_000, 120):
            track[site : site + 9] += 1
        if planted:
            for start in hits["start"][hits["motif_idx"] == 7]:
                track[start : start + 9] += 1
        mine, null = HitSums.zeros(150), HitSums.zeros(1500)
        mine.add(hits["motif_idx"], hit_attributions(hits, track))
        null.add(others["motif_idx"], hit_attributions(others, track))
        found.append(rank_motifs(motifs, TargetSums(mine, mine, null), np.arange(150)).motifs)
    without = pd.concat(found[:6])
    p = without["p_value"].dropna()
    assert len(p) > 600 and kstest(p, "uniform").pvalue > 0.01
    # 2.6 standard deviations of as many p-values.
    assert (p < 0.01).mean() < 0.01 + 2.6 * np.sqrt(0.01 * 0.99 / len(p))
    assert (without["q_value"] < 0.05).sum() == 0
    best = found[6].iloc[0]
    # The lowest p-value that 1,500 copies allow, and the q-value that it has among 150 motifs.
    assert best["motif"] == "m7" and best["p_value"] == pytest.approx(1 / 1501)
    assert best["q_value"] == pytest.approx(150 / 1501)


def test_ranking_without_hits_without_targets_and_with_wrong_lengths():
    none, one = HitSums.zeros(1), np.zeros(1, int)
    found = rank_motifs([motif("a")], TargetSums(none, none, HitSums.zeros(3)), one)
    assert found.motifs["n_hits"].tolist() == [0]
    assert found.motifs[["z", "p_value", "q_value"]].isna().all(None)
    assert found.families["mean"].isna().all() and not found.families["drives"].any()
    empty = Ranking.joined([])
    assert list(empty.motifs) == list(empty.families) == ["target"] and not len(empty.motifs)
    with pytest.raises(MotifError, match="1 motifs, sums of 2 and 1"):
        rank_motifs([motif("a")], TargetSums(HitSums.zeros(2), none, HitSums.zeros(3)), one)
    with pytest.raises(MotifError, match="1 shuffled copies.*steps.hits.null_copies"):
        rank_motifs([motif("a")], TargetSums(none, none, none), one)
