"""Attributions of hits, ranking of motifs, overlaps."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest, norm

from cisweep.analysis.motifs.families import shuffled_columns
from cisweep.analysis.motifs.fimo import HIT, scan_tokens
from cisweep.analysis.motifs.hits import (
    HitSums,
    hit_attributions,
    hit_cosines,
    rank_motifs,
    resolve_overlaps,
)
from cisweep.analysis.motifs.score_distribution import prepare_motifs
from cisweep.errors import MotifError
from cisweep.genome.motifs import Motif


def make_hits(rows) -> np.ndarray:
    """rows: (motif_idx, strand, start, end, p_value)."""
    hits = np.zeros(len(rows), dtype=HIT)
    for column, values in zip(("motif_idx", "strand", "start", "end", "p_value"), zip(*rows)):
        hits[column] = values
    return hits


def motif(name: str, word: str = "ACG") -> Motif:
    return Motif(name, name.upper(), np.eye(4)[["ACGT".index(c) for c in word]].T)


def test_hit_attributions_are_sums_over_spans():
    hits = make_hits(
        [
            (0, "+", 100, 103, 1),
            (1, "-", 102, 104, 1),
            (0, "+", 98, 101, 1),
            (1, "+", 103, 106, 1),
            (0, "+", 101, 104, 1),
        ]
    )
    track = np.array([[1.0, 2, 4, 8, 16], [0, 0, 1, np.nan, 0]])
    got = hit_attributions(hits, track, offset=100)
    np.testing.assert_array_equal(
        got, [[7, 12, np.nan, np.nan, 14], [1, np.nan, np.nan, np.nan, np.nan]]
    )
    np.testing.assert_array_equal(hit_attributions(hits, track[0], 100), got[0])
    assert hit_attributions(hits[:0], track).shape == (2, 0)


def test_hit_attribution_does_not_depend_on_where_the_track_begins():
    rng = np.random.default_rng(0)
    track = rng.normal(size=500).astype(np.float32) * 1e3
    starts = rng.integers(100, 470, 50)
    hits = make_hits([(0, "+", s, s + 19, 1) for s in starts])
    whole = hit_attributions(hits, track)
    np.testing.assert_array_equal(whole, hit_attributions(hits, track[77:], 77))


def test_sums_are_the_same_bytes_for_any_blocks():
    rng = np.random.default_rng(1)
    motif_idx, values = rng.integers(0, 5, 1000), rng.normal(size=1000)
    values[::50] = np.nan
    whole, parts = HitSums.zeros(5), HitSums.zeros(5)
    whole.add(motif_idx, values)
    for a, b in ((0, 3), (3, 400), (400, 400), (400, 1000)):
        parts.add(motif_idx[a:b], values[a:b])
    np.testing.assert_array_equal(whole.total, parts.total)
    np.testing.assert_array_equal(whole.count, parts.count)
    assert whole.mean[2] == pytest.approx(np.nanmean(values[motif_idx == 2]))


def test_ranking_by_hand():
    motifs = [motif("a"), motif("b"), motif("c"), motif("rare")]
    sums = HitSums(np.array([10, 100, 20, 2]), np.array([40.0, 100.0, 20.0, 18.0]))
    null = HitSums(np.array([10, 5, 20, 20, 4, 5, 1, 0]), np.array([10.0, 35, 0, 10, 99, 5, 9, 0]))
    table = rank_motifs(motifs, sums, null, np.array([0, 1, 0, 2]), target="t")
    assert table["motif"].tolist() == ["a", "b", "c", "rare"]  # the rare one last
    assert table["name"].tolist() == ["A", "B", "C", "RARE"]
    assert table["mean"].tolist() == [4, 1, 1, 9] and table["sum"].tolist() == [40, 100, 20, 18]
    np.testing.assert_allclose(table["null_mean"], [3, 0.25, 104 / 9, 9])
    # Five copies have five hits or more: 60 hits that sum to 60, so the null's mean is 1. Shrunken
    # by five hits of it the copies are 0, (35 - 5) / 10 = 3, -0.8, -0.4, 0; the motifs 2, 0, 0.
    p = np.array([2, 4, 4, np.nan]) / 6
    np.testing.assert_allclose(table["p_value"], p)
    np.testing.assert_allclose(table["q_value"], [2 / 3] * 3 + [np.nan])
    np.testing.assert_allclose(table["z"], norm.isf(p - 1 / 12))
    assert table["rank_mean"].tolist()[:3] == [1, 2, 2] and table["rank_mean"].isna()[3]
    assert table["rank_sum"].tolist()[:3] == [2, 1, 3]
    assert table["rank_z"].tolist()[:3] == [1, 2, 2]
    assert table["family"].tolist() == ["A", "B", "A", "RARE"]
    assert (table["target"] == "t").all()


def test_a_motif_with_just_enough_hits_has_a_rank():
    sums = HitSums(np.array([5, 4]), np.array([5.0, 40.0]))
    null = HitSums(np.array([2, 2, 2, 2]), np.array([0.0, 1, 0, 1]))
    table = rank_motifs([motif("a"), motif("b")], sums, null, np.arange(2), min_hits=5)
    assert table["motif"].tolist() == ["a", "b"]
    assert table["rank_mean"].isna().tolist() == [False, True]


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
        sums, null = HitSums.zeros(150), HitSums.zeros(1500)
        sums.add(hits["motif_idx"], hit_attributions(hits, track))
        null.add(others["motif_idx"], hit_attributions(others, track))
        found.append(rank_motifs(motifs, sums, null, np.arange(150)))
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


def test_ranking_without_hits_and_with_wrong_lengths():
    table = rank_motifs([motif("a")], HitSums.zeros(1), HitSums.zeros(3), np.zeros(1, int))
    assert table["n_hits"].tolist() == [0] and table[["z", "p_value", "q_value"]].isna().all(None)
    with pytest.raises(MotifError, match="1 motifs, sums of 2"):
        rank_motifs([motif("a")], HitSums.zeros(2), HitSums.zeros(3), np.zeros(1, int))
    with pytest.raises(MotifError, match="1 shuffled copies.*steps.hits.null_copies"):
        rank_motifs([motif("a")], HitSums.zeros(1), HitSums.zeros(1), np.zeros(1, int))


def test_cosine_is_one_for_the_motif_itself_on_both_strands():
    m = motif("a", "ACCGT")
    centred = (m.pwm - 0.25) * 2
    track = np.zeros((4, 30))
    track[:, 5:10] = centred * 3 + 7  # any scale and offset
    track[:, 15:20] = centred[::-1, ::-1]
    track[:, 22:27] = -centred
    hits = make_hits(
        [
            (0, "+", 105, 110, 1),
            (0, "-", 115, 120, 1),
            (0, "+", 122, 127, 1),
            (0, "+", 111, 116, 1),
            (0, "-", 127, 132, 1),
            (0, "+", 110, 115, 1),
        ]
    )
    got = hit_cosines(hits, track, [m], offset=100)
    np.testing.assert_allclose(got[:3], [1, 1, -1])
    assert abs(got[3]) < 1 and np.isnan(got[4:]).all()


def test_numbers_of_a_hit_are_the_same_bits_among_any_others():
    rng = np.random.default_rng(3)
    motifs = [Motif("a", "", rng.dirichlet([1.0] * 4, size=w).T) for w in (7, 19)]
    rows = [
        (m, s, a, a + (7, 19)[m], 1)
        for m, s, a in zip(
            rng.integers(0, 2, 300), rng.choice(["+", "-"], 300), rng.integers(0, 900, 300)
        )
    ]
    hits = make_hits(rows)
    hypothetical = rng.normal(size=(4, 1000)).astype(np.float32)
    cosine = hit_cosines(hits, hypothetical, motifs)
    total = hit_attributions(hits, hypothetical[:2])
    for i in range(0, 300, 7):
        np.testing.assert_array_equal(hit_cosines(hits[i : i + 1], hypothetical, motifs), cosine[i])
        one = hit_attributions(hits[i : i + 1], hypothetical[:2])
        np.testing.assert_array_equal(one[:, 0], total[:, i])
        near = slice(hits["start"][i] - 3 if hits["start"][i] > 3 else 0, None)
        cut = hit_cosines(hits[i : i + 2], hypothetical[:, near], motifs, near.start)
        assert cut[0] == cosine[i]


def test_best_cosine_takes_the_span_strand_blind():
    hits = make_hits(
        [
            (0, "+", 0, 10, 1e-5),
            (1, "-", 5, 15, 1e-7),
            (0, "+", 14, 20, 1e-5),
            (0, "+", 15, 21, 1e-5),
        ]
    )
    keep = resolve_overlaps(hits, np.array([0.5, 0.9, 0.8, 0.7]), ["a", "b"])
    assert keep.tolist() == [False, True, False, True]
    two = resolve_overlaps(hits, np.array([0.5, 0.9, 0.8, 0.7]), ["a", "b"], np.array([0, 1, 2, 2]))
    assert two.tolist() == [True, True, True, False]
    assert resolve_overlaps(hits[:0], np.empty(0), ["a"]).shape == (0,)


def test_ties_go_to_p_then_name_and_unknown_cosines_come_last():
    hits = make_hits([(0, "+", 0, 10, 1e-5), (1, "+", 0, 10, 1e-6), (2, "-", 0, 10, 1e-6)])
    assert resolve_overlaps(hits, np.full(3, 0.5), ["z", "y", "x"]).tolist() == [False, False, True]
    assert resolve_overlaps(hits, np.full(3, np.nan), ["z", "y", "x"])[2]
    assert resolve_overlaps(hits, np.array([-0.9, np.nan, np.nan]), ["z", "y", "x"])[0]


def test_of_two_strands_that_are_alike_the_plus_one_is_kept():
    hits = make_hits([(0, "-", 4, 14, 1e-5), (0, "+", 4, 14, 1e-5), (0, "+", 3, 13, 1e-5)])
    assert resolve_overlaps(hits[:2], np.full(2, 0.5), ["a"]).tolist() == [False, True]
    assert resolve_overlaps(hits, np.full(3, 0.5), ["a"]).tolist() == [False, False, True]


def test_resolution_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(2)
    starts = rng.integers(0, 300, 200)
    hits = make_hits(
        [
            (m, s, a, a + 8, p)
            for m, s, a, p in zip(
                rng.integers(0, 3, 200), rng.choice(["+", "-"], 200), starts, rng.random(200)
            )
        ]
    )
    cosine = np.round(rng.random(200), 1)
    keep = resolve_overlaps(hits, cosine, ["a", "b", "c"])
    order = rng.permutation(200)
    np.testing.assert_array_equal(
        keep[order], resolve_overlaps(hits[order], cosine[order], ["a", "b", "c"])
    )
    kept = np.sort(hits[keep]["start"])
    assert (np.diff(kept) >= 8).all()  # no overlap is left
    for row in np.flatnonzero(~keep):  # and each dropped hit meets a better one that was kept
        meets = keep & (np.abs(hits["start"] - hits["start"][row]) < 8)
        assert cosine[meets].max() >= cosine[row]
