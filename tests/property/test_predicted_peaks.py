"""Predicted peaks: streamed blocks give what the whole gives, and that is what a loop gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisweep.analysis.prediction.peak_null import PeakNull
from cisweep.analysis.prediction.peak_selection import PeakRules, predicted_peaks
from cisweep.analysis.prediction.peaks import local_maxima, streamed_maxima
from cisweep.contracts import Windows
from cisweep.products.select import PEAKS

ORDER = ["chr2", "chr1"]


@st.composite
def swept(draw):
    """Windows in genome order, their values (few, so that ties happen), and cuts into blocks."""
    places = draw(
        st.lists(st.tuples(st.sampled_from(ORDER), st.integers(0, 60)), max_size=25, unique=True)
    )
    places = sorted(places, key=lambda p: (ORDER.index(p[0]), p[1]))
    n = len(places)
    values = draw(st.lists(st.sampled_from([0.0, 1.0, 2.0, 2.5, np.nan]), min_size=n, max_size=n))
    start = [x for _, x in places]
    windows = Windows.build([c for c, _ in places], start, [s + 9 for s in start])
    cuts = sorted(draw(st.sets(st.integers(0, n), max_size=6)))
    return windows, np.array(values, dtype=np.float32), [0, *cuts, n]


def blocks(windows, values, cuts):
    return [(windows.take(slice(a, b)), values[a:b]) for a, b in zip(cuts, cuts[1:])]


def by_loop(windows, values, distance) -> list[bool]:
    found = []
    for i in range(len(windows)):
        near = [
            j
            for j in range(len(windows))
            if j != i
            and windows.chrom[j] == windows.chrom[i]
            and abs(windows.centre[j] - windows.centre[i]) < distance
        ]
        beaten = any(values[j] > values[i] or (values[j] == values[i] and j < i) for j in near)
        found.append(bool(np.isfinite(values[i])) and not beaten)
    return found


@given(swept(), st.integers(1, 30))
@settings(max_examples=200, deadline=None)
def test_streamed_is_whole_is_loop(case, distance):
    windows, values, cuts = case
    wanted = by_loop(windows, values, distance)
    assert local_maxima(windows, values, distance).tolist() == wanted
    other = by_loop(windows, -values, distance)
    both = np.stack([values, -values, values], axis=1)
    parts = list(streamed_maxima(blocks(windows, both, cuts), distance, [0, 1]))
    keys = [key for w, _, _ in parts for key in w.keys()]  # noqa: SIM118
    rows = np.array(wanted, dtype=bool) | np.array(other, dtype=bool)
    assert keys == windows.take(rows).keys()
    got = np.concatenate([np.zeros((0, 3)), *(v for _, v, _ in parts)])
    np.testing.assert_array_equal(got, both[rows])
    peak = np.concatenate([np.zeros((0, 2), bool), *(p for _, _, p in parts)])
    np.testing.assert_array_equal(peak, np.array([wanted, other]).T.reshape(-1, 2)[rows])


@given(swept(), st.integers(1, 30), st.sampled_from([None, 1, 3]), st.sampled_from([None, 1.0]))
@settings(max_examples=100, deadline=None)
def test_peaks_are_the_best_of_each_target(case, distance, top_n, threshold):
    windows, values, cuts = case
    tables = {"a": values, "b": -values}
    both = np.stack([*tables.values()], axis=1)
    rules = PeakRules(distance, top_n=top_n, threshold=threshold)
    found = predicted_peaks(lambda: blocks(windows, both, cuts), ["a", "b"], rules).peaks
    wanted: dict[str, list[tuple[str, float]]] = {}
    for target, of in tables.items():
        rows = [i for i, peak in enumerate(by_loop(windows, of, distance)) if peak]
        rows = [i for i in rows if threshold is None or of[i] >= threshold]
        rows = sorted(rows, key=lambda i: (-of[i], i))[:top_n]
        for i in rows:
            wanted.setdefault(windows.keys()[i], []).append((target, float(of[i])))
    rows = [
        (f"{r.chrom}:{r.start}-{r.end}({r.strand})", r.target, r.prediction)
        for r in found.itertuples()
    ]
    in_order = [k for k in windows.keys() if k in wanted]  # noqa: SIM118
    assert rows == [(k, *each) for k in in_order for each in wanted[k]]


@given(swept(), st.integers(1, 30), st.lists(st.sampled_from([0.0, 1, 1.5, 2]), max_size=9))
@settings(max_examples=100, deadline=None)
def test_rates_do_not_depend_on_blocks_and_follow_the_null(case, distance, null):
    windows, values, cuts = case
    nulls = {"a": PeakNull(np.sort(np.array(null, dtype=float)), 50)}

    def found(parts):
        rules = PeakRules(distance, fdr=0.999)
        return predicted_peaks(lambda: parts, ["a"], rules, nulls=nulls)

    column = values[:, None]
    whole, parts = found([(windows, column)]), found(blocks(windows, column, cuts))
    for name in ("peaks", "summary"):
        assert getattr(whole, name).equals(getattr(parts, name))
    maxima = values[np.array(by_loop(windows, values, distance), dtype=bool)]
    assert whole.summary["n_maxima"][0] == len(maxima)
    p = [(1 + sum(x >= v for x in null)) / (1 + len(null)) for v in maxima]
    q = [min(1, *(b * len(p) / sum(c <= b for c in p) for b in p if b >= a)) for a in p]
    assert whole.summary["n_selected"][0] == sum(x <= 0.999 for x in q)
    np.testing.assert_allclose(whole.peaks["q_value"].astype(float), [x for x in q if x <= 0.999])


@pytest.mark.parametrize("cuts", [[0, 0], [0, 0, 0]])
def test_no_windows_give_no_peaks(cuts):
    none = Windows.build([], [], [])
    given_blocks = blocks(none, np.zeros((0, 1)), cuts)
    for nulls in (None, {"a": PeakNull(np.ones(3), 9)}):
        found = predicted_peaks(lambda: given_blocks, ["a"], PeakRules(5, top_n=3), nulls=nulls)
        assert list(found.peaks.columns) == PEAKS.names() and not len(found.peaks)
        assert found.summary["n_selected"].tolist() == [0]
