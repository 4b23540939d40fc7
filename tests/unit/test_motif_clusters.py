"""Discovered motifs of several targets as one set, and where their seqlets lie.

Numbers are compared with loops, and with what was planted.
"""

from itertools import permutations

import h5py
import numpy as np
import pandas as pd
import pytest

from cisweep.analysis.motifs.clusters import (
    Found,
    best_alignment,
    cluster_patterns,
    cluster_table,
    member_table,
    target_table,
)
from cisweep.analysis.motifs.discover import Pattern, trim
from cisweep.analysis.motifs.instances import pattern_instances
from cisweep.contracts import Windows
from cisweep.plot.motif_clusters import leaf_order, save_cluster_map
from cisweep.products.discover import CLUSTER_TARGETS, CLUSTERS, INSTANCES, MEMBERS

GATA, ETS = "CTGATAAG", "ACCGGAAGT"
TURN = str.maketrans("ACGT", "TGCA")


def sharp(word: str) -> np.ndarray:
    matrix = np.full((4, len(word)), 0.04)
    matrix[["ACGT".index(base) for base in word], range(len(word))] = 0.88
    return matrix


def pattern(word: str, n: int, sign: str = "+", name: str = "pos_patterns.pattern_0") -> Pattern:
    matrix = sharp(word)
    return Pattern(name, sign, n, matrix, matrix - 0.25, matrix - 0.25)


# ---- places ------------------------------------------------------------------------------------


@pytest.fixture
def modisco(tmp_path):
    """A file in tf-modiscolite's layout with a motif of each sign, and what was read."""
    path = tmp_path / "m.h5"
    rng = np.random.default_rng(1)
    windows = Windows.build(["b", "a", "a"], [100, 1000, 1050], [200, 1100, 1150])
    with h5py.File(path, "w") as file:
        for group, seqlets in (
            ("pos_patterns", [(2, 10, 30, False), (0, 12, 32, True)]),
            ("neg_patterns", [(1, 5, 25, True)]),
        ):
            own = file.create_group(f"{group}/pattern_0/seqlets")
            for i, key in enumerate(("example_idx", "start", "end", "is_revcomp")):
                own[key] = np.array([s[i] for s in seqlets])
    flanked = np.zeros((4, 20))
    flanked[0, 6:12] = 1.0  # trimmed to columns 2 to 16
    patterns = [
        Pattern("pos_patterns.pattern_0", "+", 2, sharp("A" * 20), flanked, flanked),
        Pattern("neg_patterns.pattern_0", "-", 1, sharp("A" * 20), -flanked, -flanked),
    ]
    return path, patterns, windows, np.array([2, 0, 1]), rng.normal(size=(3, 60))


def test_places_are_those_of_the_trimmed_motif_on_the_strand_it_reads(modisco):
    path, patterns, windows, rows, projected = modisco
    assert trim(patterns[0]) == slice(2, 16)
    found = pattern_instances(path, patterns, windows, rows, projected, slice(10, 50))
    assert list(found.columns) == INSTANCES.names()
    # The central 60 of 100 bp were read: a window's reading begins 20 bp behind its start. On the
    # other strand a motif that ends at 32 lies at [32 - 16, 32 - 2).
    wanted = [
        ("pos_patterns.pattern_0", "b", 120 + 16, 120 + 30, "-", 100, 1, slice(16, 30)),
        ("neg_patterns.pattern_0", "a", 1020 + 9, 1020 + 23, "-", 1000, 2, slice(9, 23)),
        ("pos_patterns.pattern_0", "a", 1070 + 12, 1070 + 26, "+", 1050, 0, slice(12, 26)),
    ]
    for row, (name, chrom, start, end, strand, begin, read, columns) in zip(
        found.itertuples(), wanted, strict=True
    ):
        assert (row.pattern, row.chrom, row.start, row.end) == (name, chrom, start, end)
        assert (row.strand, row.window_start, row.window_end) == (strand, begin, begin + 100)
        assert row.attribution == pytest.approx(projected[read, columns].sum())
        around = [v for v in projected[read, 10:50] if (v > 0) == name.startswith("pos")]
        assert row.window_attribution == pytest.approx(sum(around))


def test_without_motifs_the_table_is_empty(modisco, tmp_path):
    _, _, windows, rows, projected = modisco
    with h5py.File(tmp_path / "none.h5", "w"):
        pass
    found = pattern_instances(tmp_path / "none.h5", [], windows, rows, projected, slice(0, 60))
    assert len(found) == 0 and list(found.columns) == INSTANCES.names()


# ---- clusters ----------------------------------------------------------------------------------


def test_the_best_alignment_is_that_of_all_offsets_and_strands():
    rng = np.random.default_rng(3)
    a, b = rng.dirichlet([0.3] * 4, 7).T, rng.dirichlet([0.3] * 4, 5).T

    def weighted(matrix):
        bits = 2 + (matrix * np.log2(np.maximum(matrix, 1e-300))).sum(axis=0)
        return (matrix - 0.25) * bits

    best = None
    for reverse in (False, True):
        other = weighted(b[::-1, ::-1] if reverse else b)
        for offset in range(-4, 7):
            padded = np.zeros((4, 7 + 8))
            padded[:, 4 + offset : 9 + offset] = other
            product = (padded[:, 4:11] * weighted(a)).sum()
            cosine = product / np.linalg.norm(weighted(a)) / np.linalg.norm(other)
            if best is None or cosine > best[0]:
                best = (cosine, offset, reverse)
    found = best_alignment(a, b)
    assert found[0] == pytest.approx(best[0]) and found[1:] == best[1:]


def test_shifted_and_turned_copies_are_one_cluster_and_their_mean_is_the_motif():
    turned = ("CC" + GATA).translate(TURN)[::-1]
    patterns = [pattern(ETS, 30), pattern(GATA, 100), pattern(turned, 50), pattern(ETS[1:], 20)]
    found = cluster_patterns(patterns, 0.7)
    assert found.cluster.tolist() == [1, 0, 0, 1] and found.centre.tolist() == [1, 0]
    # The copy begins two bases before the motif, on the other strand.
    assert found.reverse.tolist() == [False, False, True, False]
    assert found.offset.tolist() == [0, 0, -2, 1]
    np.testing.assert_allclose(found.probabilities[0], sharp(GATA))
    np.testing.assert_allclose(found.contributions[1], sharp(ETS) - 0.25)


def test_a_mean_weighs_motifs_by_their_seqlets():
    blunt = 0.5 * sharp(GATA) + 0.125
    parts = [pattern(GATA, 300), Pattern("pos_patterns.pattern_1", "+", 100, *[blunt] * 3)]
    (mean,) = cluster_patterns(parts, 0.5).probabilities
    np.testing.assert_allclose(mean, 0.75 * sharp(GATA) + 0.25 * blunt)


def test_no_motif_is_no_cluster(tmp_path):
    none = cluster_patterns([], 0.7)
    empty = found("m", "t", [], [], 10)
    assert not len(cluster_table([empty], none)) and not len(member_table([empty], none))
    table = target_table([empty, empty], none, 0)
    assert not len(table) and list(table.columns) == CLUSTER_TARGETS.names()
    save_cluster_map(np.zeros((0, 1)), np.zeros((0, 1)), [], [], ["t"], tmp_path / "m.svg")
    assert "no motifs were found" in (tmp_path / "m.svg").read_text()


# ---- targets -----------------------------------------------------------------------------------


def found(model, target, patterns, places, n_windows, names=None, sd=0.0) -> Found:
    """places: (pattern, window, attribution, attribution of the window) of each seqlet."""
    rows = [(p, "c", w * 100, w * 100 + 9, "+", a, w * 100, w * 100 + 90, around)
            for p, w, a, around in places]  # fmt: skip
    table = pd.DataFrame(rows, columns=INSTANCES.names())
    mean = {"+": 4.0, "-": -2.0}
    names = names or [None] * len(patterns)
    return Found(model, target, patterns, names, table, n_windows, mean, {"+": sd, "-": sd})


POS, NEG = "pos_patterns.pattern_0", "neg_patterns.pattern_0"


def two_targets():
    """Target a has GATA and (negative) ETS, b has ETS alone."""
    a = [pattern(GATA, 4), pattern(ETS, 1, "-", NEG)]
    b = [pattern(ETS, 2)]
    at_a = [(POS, 0, 1.0, 5.0), (POS, 0, 2.0, 5.0), (POS, 1, 3.0, 4.0), (POS, 2, 2.0, 3.0),
            (NEG, 3, -2.0, -3.0)]  # fmt: skip
    at_b = [(POS, 5, 1.0, 4.0), (POS, 6, 3.0, 4.0)]
    return [found("m", "a", a, at_a, 5, ["GATA1", None]), found("m", "b", b, at_b, 3, ["SPI1"])]


def test_tables_say_who_is_in_a_cluster():
    both = two_targets()
    clusters = cluster_patterns([p for f in both for p in f.patterns], 0.7)
    table, members = cluster_table(both, clusters), member_table(both, clusters)
    assert list(table.columns) == CLUSTERS.names() and list(members.columns) == MEMBERS.names()
    assert table["motif"].tolist() == ["GATA1", "SPI1"]
    assert table["n_seqlets"].tolist() == [4, 3] and table["n_targets"].tolist() == [1, 2]
    assert members["cluster"].tolist() == ["cluster_1", "cluster_2", "cluster_2"]
    assert members["target"].tolist() == ["a", "a", "b"]


def test_means_and_shares_with_their_errors_are_those_of_the_windows():
    both = two_targets()
    clusters = cluster_patterns([p for f in both for p in f.patterns], 0.7)
    row = target_table(both, clusters, 0).set_index(["cluster", "target"]).loc[("cluster_1", "a")]
    values = [1.0, 2.0, 3.0, 2.0]
    assert row["n_seqlets"] == 4 and row["mean_attribution"] == np.mean(values)
    assert row["mean_attribution_se"] == pytest.approx(np.std(values, ddof=1) / 2)
    # Five windows whose attributions have the mean 4 and the standard deviation 0.0 as told: the
    # sum of squares of the denominators is then 5 * 16.
    own = np.array([3.0, 3.0, 2.0, 0, 0])
    around = np.array([5.0, 4.0, 3.0, 4, 4])
    share = own.sum() / (5 * 4.0)
    assert row["share"] == pytest.approx(share)
    square = (own**2).sum() - 2 * share * (own * around).sum() + share**2 * 5 * 16
    assert row["share_se"] == pytest.approx(np.sqrt(square * 5 / 4) / 20)


def test_the_error_of_a_share_is_that_of_a_bootstrap():
    rng = np.random.default_rng(0)
    n = 400
    around = rng.gamma(3, 1, n)
    own = np.where(rng.random(n) < 0.4, around * rng.uniform(0.2, 0.8, n), 0)
    places = [(POS, w, own[w], around[w]) for w in range(n) if own[w]]
    f = found("m", "t", [pattern(GATA, len(places))], places, n)
    f = Found(**{**vars(f), "attribution": {"+": around.mean(), "-": 0.0},
                 "attribution_sd": {"+": around.std(), "-": 0.0}})  # fmt: skip
    row = target_table([f], cluster_patterns(f.patterns, 0.7), 0).iloc[0]
    draws = rng.integers(0, n, (2000, n))
    shares = own[draws].sum(axis=1) / around[draws].sum(axis=1)
    # The standard deviation of 2,000 draws is known to 1.6 %; five of these.
    assert row["share_se"] == pytest.approx(shares.std(), rel=0.08)
    assert np.isnan(row["p_value"])  # there is no other target


def test_chance_is_that_of_all_deals_of_windows_to_targets():
    both = two_targets()
    clusters = cluster_patterns([p for f in both for p in f.patterns], 0.7)
    table = target_table(both, clusters, 0).set_index(["cluster", "target", "sign"])
    row = table.loc[("cluster_1", "a", "+")]
    counts = np.array([2, 1, 1, 0, 0, 0, 0, 0])  # of GATA in the eight searched windows
    deals = [sum(deal[:5]) for deal in permutations(counts.tolist())]
    assert row["expected"] == pytest.approx(np.mean(deals))
    assert row["z"] == pytest.approx((4 - np.mean(deals)) / np.std(deals))
    exact = np.mean(np.array(deals) >= 4)
    # Of 1,999 deals; five standard errors.
    assert abs(row["p_value"] - exact) < 5 * np.sqrt(exact * (1 - exact) / 1999)
    assert table["q_value"].ge(table["p_value"]).all()


def test_the_same_seed_gives_the_same_table_and_models_are_apart():
    both = two_targets()
    other = [Found(**{**vars(f), "model": "n"}) for f in both]
    patterns = [p for f in both + other for p in f.patterns]
    table = target_table(both + other, cluster_patterns(patterns, 0.7), 3)
    again = target_table(both + other, cluster_patterns(patterns, 0.7), 3)
    pd.testing.assert_frame_equal(table, again)
    one, two = (
        table[table["model"] == m].drop(columns=["model", "p_value", "q_value"]) for m in "mn"
    )
    pd.testing.assert_frame_equal(one.reset_index(drop=True), two.reset_index(drop=True))


def test_exchangeable_targets_have_uniform_p_values():
    rng = np.random.default_rng(5)
    seen = []
    for seed in range(40):
        fs = []
        for t in "abcd":
            counts = rng.poisson(0.7, 60)
            places = [(POS, w, 1.0, 2.0) for w in range(60) for _ in range(counts[w])]
            fs.append(found("m", t, [pattern(GATA, len(places))], places, 60))
        clusters = cluster_patterns([p for f in fs for p in f.patterns], 0.7)
        seen += target_table(fs, clusters, seed, 199)["p_value"].tolist()
    # 160 p-values, 40 sets of four that are nearly independent: 5 % are below 0.05, 8 of 160; six
    # standard deviations of a binomial of 160 above is 24.
    assert 1 <= np.sum(np.array(seen) <= 0.05) <= 24


def test_alike_rows_are_neighbours():
    values = np.array([[1.0, 0], [0, 1.0], [0.9, 0], [0, 0.9]])
    order = leaf_order(values).tolist()
    assert abs(order.index(0) - order.index(2)) == 1 == abs(order.index(1) - order.index(3))
    assert leaf_order(values[:2]).tolist() == [0, 1]
