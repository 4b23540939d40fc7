"""The matrix of families of motifs and targets, against sums over single bases."""

import numpy as np
import pandas as pd
import pytest

from cisweep.analysis.motifs.family_targets import (
    ExplainedTarget,
    Won,
    family_target_table,
    owned_sums,
)
from cisweep.analysis.seqlets.places import Owned
from cisweep.contracts import Windows
from cisweep.genome.motifs import Motif
from cisweep.products.hits import MOTIF_TARGETS

WIDTH = 20


@pytest.fixture
def case():
    """Overlapping windows of two chromosomes, their attributions, and matches in them."""
    rng = np.random.default_rng(4)
    chrom, start = ["b"] * 9 + ["a"] * 6, []
    for n in (9, 6):
        start += np.sort(rng.choice(np.arange(0, 160, 5), n, replace=False)).tolist()
    start = np.array(start)
    windows = Windows.build(chrom, start, start + WIDTH)
    values = rng.normal(0, 1, (len(start), WIDTH)).astype(np.float32)
    matches = []
    for row in range(len(start)):
        for _ in range(3):
            at, width = int(rng.integers(0, WIDTH - 6)), int(rng.integers(4, 7))
            first = int(start[row]) + at
            matches.append((chrom[row], first, first + width, int(rng.integers(0, 4)),
                            float(rng.normal())))  # fmt: skip
    return windows, values, matches


def owner(windows: Windows, chrom: str, twice_centre: int) -> int | None:
    """Return the window of the nearest centre; of two as near the left one."""
    rows = [i for i, c in enumerate(windows.chrom) if c == chrom]
    if not rows:
        return None
    return min(
        rows, key=lambda i: (abs(2 * windows.start[i] + WIDTH - twice_centre), windows.start[i])
    )


def won(matches) -> Won:
    found = Won()
    for part in (matches[:7], matches[7:7], matches[7:]):
        columns = list(zip(*part)) or [()] * 5
        chrom, start, end, motif, value = (np.array(c) for c in columns)
        found.add(chrom.astype(object), start.astype(np.int64), end.astype(np.int64),
                  motif.astype(np.int64), value.astype(float))  # fmt: skip
    return found


def test_each_base_counts_in_one_window(case):
    windows, values, _ = case
    expected = np.zeros((len(windows), 2))
    for chrom in set(windows.chrom):
        for base in range(200):
            row = owner(windows, chrom, 2 * base + 1)
            at = base - windows.start[row]
            if 0 <= at < WIDTH:
                value = float(values[row, at])
                expected[row, 0 if value > 0 else 1] += value
    np.testing.assert_allclose(owned_sums(windows, Owned.of(windows), values), expected, atol=1e-6)


def test_shares_and_their_errors_are_those_of_a_loop(case):
    windows, values, matches = case
    family = np.array([0, 1, 0, 1])
    owned = Owned.of(windows)
    sums = owned_sums(windows, owned, values)
    units = won([*matches, ("c", 5, 9, 0, 3.0), ("a", 5, 9, 0, np.nan)]).units(
        windows, owned, sums, family
    )
    motifs = [Motif(f"M{i}", f"N{i}", np.eye(4)) for i in range(4)]
    explained = np.array([5.0, 1.0, 2.0, 0.5])
    table = family_target_table(
        motifs,
        family,
        explained,
        np.array([0]),
        [(ExplainedTarget.of("m", "t", sums), units)],
        seed=0,
    )
    assert table.columns.tolist() == MOTIF_TARGETS.names()
    assert table["family"].tolist() == ["N0", "N0", "N1", "N1"]
    assert table["sign"].tolist() == ["+", "-", "+", "-"]
    for row in table.itertuples():
        kind, positive = int(row.family[1]), row.sign == "+"
        mine = [m for m in matches if family[m[3]] == kind and (m[4] > 0) == positive]
        assert row.n_places == len(mine) > 3
        value = np.array([m[4] for m in mine])
        assert row.mean_attribution == pytest.approx(value.mean())
        assert row.mean_attribution_se == pytest.approx(value.std(ddof=1) / np.sqrt(len(value)))
        whole = sums[:, 0 if positive else 1]
        own = np.zeros(len(windows))
        for chrom, start, end, _, v in mine:
            own[owner(windows, chrom, start + end)] += v
        share = own.sum() / whole.sum()
        assert row.share == pytest.approx(share)
        residual, n = own - share * whole, len(windows)
        error = np.sqrt(n / (n - 1) * (residual**2).sum()) / abs(whole.sum())
        assert row.share_se == pytest.approx(error)
    assert table[["expected", "z", "p_value", "q_value"]].isna().all(axis=None)


def test_a_family_of_one_target_stands_above_the_deals_of_windows(case):
    windows, values, matches = case
    owned = Owned.of(windows)
    sums = owned_sums(windows, owned, values)
    family = np.array([0, 1, 0, 1])
    places = {
        "t": [(*m[:3], 0, 1.0) for m in matches],
        "u": [(*m[:3], 1, 1.0) for m in matches],
    }
    given = [
        (ExplainedTarget.of("m", t, sums), won(mine).units(windows, owned, sums, family))
        for t, mine in places.items()
    ]
    motifs = [Motif(f"M{i}", "", np.eye(4)) for i in range(4)]
    both = np.array([0, 1])
    table = family_target_table(motifs, family, np.ones(4), both, given, seed=1)
    assert table[["family", "target"]].to_numpy().tolist() == [["M0", "t"], ["M1", "u"]]
    assert (table["expected"] == len(matches) / 2).all() and (table["n_places"] == 45).all()
    assert (table["p_value"] < 0.01).all() and (table["q_value"] < 0.01).all()
    again = family_target_table(motifs, family, np.ones(4), both, given, seed=1)
    pd.testing.assert_frame_equal(table, again)
    one = family_target_table(motifs, family, np.ones(4), both[1:], given, seed=1)
    assert np.isnan(one["q_value"][0]) and one["q_value"][1] == table["p_value"][1]


def test_targets_without_windows_or_places_give_no_rows(case):
    windows, values, _ = case
    none = windows.take(np.empty(0, np.int64))
    owned = Owned.of(none)
    family = np.array([0, 0, 0, 0])
    sums = owned_sums(none, owned, values[:0])
    nothing = (ExplainedTarget.of("m", "t", sums), Won().units(none, owned, sums, family))
    motifs = [Motif(f"M{i}", "", np.eye(4)) for i in range(4)]
    for given in ([], [nothing], [nothing, nothing]):
        table = family_target_table(motifs, family, np.zeros(4), family[:1], given, seed=0)
        assert len(table) == 0 and table.columns.tolist() == MOTIF_TARGETS.names()
