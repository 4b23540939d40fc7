"""bigWig tracks: at each base the nearest centre, by brute force, for any blocks of windows."""

import numpy as np
import pyBigWig
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cisweep.contracts import Windows
from cisweep.outputs.bigwig import write_bigwig

LENGTHS = {"chr2": 80, "chr1": 50}
quiet = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def blocked(draw, pad: bool = True):
    """Windows in genome order, their width, and where they are cut into blocks."""
    width = draw(st.integers(1, 13))
    places = draw(
        st.lists(
            st.tuples(st.sampled_from(["chr2", "chr1"]), st.integers(0, 79), st.sampled_from("+-")),
            min_size=1,
            max_size=25,
        )
    )
    rank = list(LENGTHS).index
    places = {(c, x, d) for c, x, d in places if x < LENGTHS[c]}
    places = sorted(places or {("chr2", 5, "+")}, key=lambda p: (rank(p[0]), p[1], p[2]))
    start = [x - width // 2 for _, x, _ in places]
    windows = Windows.build(
        [c for c, _, _ in places], start, [s + width for s in start], [d for _, _, d in places]
    )
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(places) - 1)), max_size=5)))
    return windows, width, [0, *[c for c in cuts if c < len(places)], len(places)]


def owner(windows: Windows, chrom: str, x: int, low: np.ndarray, high: np.ndarray) -> int | None:
    """Return the row that owns base x: the nearest centre of those whose span holds the base."""
    rows = [i for i in range(len(windows)) if windows.chrom[i] == chrom and low[i] <= x < high[i]]
    distance = {i: (abs(int(windows.centre[i]) - x), windows.centre[i], i) for i in rows}
    return min(rows, key=distance.get, default=None)


def read(path, chrom: str) -> np.ndarray:
    with pyBigWig.open(str(path)) as file:
        if file.header()["nBasesCovered"] == 0:
            return np.full(LENGTHS[chrom], np.nan)
        spans = file.intervals(chrom) or ()  # they may be longer than what values() shows
        assert all(0 <= start < end <= LENGTHS[chrom] for start, end, _ in spans)
        return np.array(file.values(chrom, 0, LENGTHS[chrom]), dtype=float)


@given(blocked())
@quiet
def test_tracks_of_bases(tmp_path, case):
    windows, width, cuts = case
    values = np.arange(1, len(windows) * width + 1, dtype=np.float32).reshape(-1, width)
    blocks = [(windows.take(slice(a, b)), values[a:b]) for a, b in zip(cuts, cuts[1:])]
    write_bigwig(tmp_path / "t.bw", LENGTHS, blocks)
    for chrom, length in LENGTHS.items():
        wanted = np.full(length, np.nan)
        for x in range(length):
            i = owner(windows, chrom, x, windows.start, windows.end)
            if i is not None:
                wanted[x] = values[i, x - windows.start[i]]
        np.testing.assert_array_equal(read(tmp_path / "t.bw", chrom), wanted)


@given(blocked(), st.integers(1, 20))
@quiet
def test_tracks_of_scalars(tmp_path, case, span):
    windows, _, cuts = case
    values = np.arange(1, len(windows) + 1, dtype=np.float32)
    blocks = [(windows.take(slice(a, b)), values[a:b]) for a, b in zip(cuts, cuts[1:])]
    write_bigwig(tmp_path / "t.bw", LENGTHS, blocks, width_bp=span)
    low = windows.centre - span // 2
    for chrom, length in LENGTHS.items():
        wanted = np.full(length, np.nan)
        for x in range(length):
            i = owner(windows, chrom, x, low, low + span)
            if i is not None:
                wanted[x] = values[i]
        np.testing.assert_array_equal(read(tmp_path / "t.bw", chrom), wanted)


def test_tiles_as_far_apart_as_their_span_leave_no_base_out(tmp_path):
    windows = Windows.build(["chr1"] * 3, [0, 10, 20], [20, 30, 40])
    write_bigwig(tmp_path / "t.bw", LENGTHS, [(windows, np.arange(3.0))], width_bp=10)
    wanted = [[5, 15, 0.0], [15, 25, 1.0], [25, 35, 2.0]]
    with pyBigWig.open(str(tmp_path / "t.bw")) as file:
        assert [list(row) for row in file.intervals("chr1")] == wanted


@pytest.mark.parametrize("cut", [0, 1, 2])
def test_the_first_of_twins_is_written(tmp_path, cut):
    windows = Windows.build(["chr1", "chr1"], [10, 10], [20, 20], ["+", "-"])
    values = np.array([1.0, 2.0], dtype=np.float32)
    blocks = [(windows.take(slice(a, b)), values[a:b]) for a, b in ((0, cut), (cut, 2))]
    write_bigwig(tmp_path / "t.bw", LENGTHS, blocks, width_bp=4)
    found = read(tmp_path / "t.bw", "chr1")
    assert np.flatnonzero(found == 1).tolist() == [13, 14, 15, 16]
    assert np.isnan(np.delete(found, [13, 14, 15, 16])).all()


def test_no_window_gives_a_valid_empty_track(tmp_path):
    write_bigwig(tmp_path / "t.bw", LENGTHS, [(Windows.build([], [], []), np.zeros(0))])
    with pyBigWig.open(str(tmp_path / "t.bw")) as file:
        assert file.chroms() == LENGTHS


def test_what_is_not_finite_is_left_out(tmp_path):
    windows = Windows.build(["chr1", "chr1"], [0, 20], [4, 24])
    write_bigwig(tmp_path / "t.bw", LENGTHS, [(windows, np.array([np.nan, 3.0]))], width_bp=4)
    assert np.flatnonzero(np.isfinite(read(tmp_path / "t.bw", "chr1"))).tolist() == [20, 21, 22, 23]


def test_a_row_with_a_base_that_is_not_finite_is_left_out(tmp_path):
    windows = Windows.build(["chr1", "chr1"], [0, 20], [4, 24])
    values = np.array([[1.0, np.nan, 1.0, 1.0], [3.0, 3.0, 3.0, 3.0]])
    write_bigwig(tmp_path / "t.bw", LENGTHS, [(windows, values)])
    with pyBigWig.open(str(tmp_path / "t.bw")) as file:
        assert file.header()["nBasesCovered"] == 4
        assert file.intervals("chr1", 0, 20) is None
    assert np.flatnonzero(read(tmp_path / "t.bw", "chr1") == 3).tolist() == [20, 21, 22, 23]
