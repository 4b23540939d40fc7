"""Regions to windows against brute force; intervals; tiles; BED files."""

import dataclasses
import gzip
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisweep.errors import RegionError
from cisweep.genome import bed_columns, regions
from cisweep.genome.regions import (
    Regions,
    WindowPolicy,
    check_dropped,
    drop_n,
    merge_intervals,
    n_tiles,
    overlaps,
    read_bed,
    read_blacklist,
    tiles,
    to_windows,
)

LENGTHS = {"chr2": 90, "chr1": 140, "chr10": 20}

intervals = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 20)).map(lambda p: (p[0], p[0] + p[1])),
    max_size=12,
)
rows = st.lists(
    st.tuples(
        st.sampled_from(["chr1", "chr2", "chr10", "chrX"]),
        st.integers(0, 150),
        st.integers(1, 30),
        st.sampled_from("+-."),
    ),
    max_size=25,
)


def made(given_rows) -> Regions:
    chrom, start, width, strand = zip(*given_rows) if given_rows else ((), (), (), ())
    start = np.array(start, dtype=np.int64)
    end = start + np.array(width, dtype=np.int64)
    n = len(start)
    return Regions(
        np.array(chrom, dtype=object).reshape(n), start, end,
        np.array(strand, dtype=object).reshape(n),
        np.array([f"r{i}" for i in range(n)], dtype=object), (start + end) // 2,
        np.arange(1, n + 1),
    )  # fmt: skip


@given(rows, st.integers(1, 40), st.sampled_from(["drop", "pad"]), intervals)
@settings(max_examples=150, deadline=None)
def test_windows_and_reasons_are_those_of_a_loop(given_rows, width, edge, black):
    given_regions = made(given_rows)
    merged = merge_intervals(*(np.array(v, dtype=np.int64) for v in zip(*black))) if black else None
    blacklist = {} if merged is None else {"chr1": merged}
    policy = WindowPolicy(width, edge, "chr[0-9]+", blacklist=blacklist)
    windows, dropped = to_windows(given_regions, LENGTHS, policy)

    wanted, reasons, seen = [], [], set()
    order = []
    for i, (c, s, w, d) in enumerate(given_rows):
        centre = (s + s + w) // 2
        a, b = centre - width // 2, centre - width // 2 + width
        if c not in LENGTHS:
            reasons.append((i, "unknown_chromosome"))
        elif not re.fullmatch("chr[0-9]+", c):
            reasons.append((i, "excluded_chromosome"))
        elif not 0 <= centre < LENGTHS[c] or (edge == "drop" and (a < 0 or b > LENGTHS[c])):
            reasons.append((i, "off_chromosome_end"))
        elif c == "chr1" and any(a < y and x < b for x, y in black):
            reasons.append((i, "blacklisted"))
        elif (c, a, d) in seen:
            reasons.append((i, "duplicate"))
        else:
            seen.add((c, a, d))
            order.append((list(LENGTHS).index(c), a, "+-.".index(d), i))
    for _, a, _, i in sorted(order):
        wanted.append((given_rows[i][0], a, a + width, given_rows[i][3], f"r{i}"))
    got = list(zip(windows.chrom, windows.start, windows.end, windows.strand, windows.name))
    assert got == wanted
    assert list(zip(dropped["name"], dropped["reason"])) == [(f"r{i}", r) for i, r in reasons]
    lines = [f"line {i + 1}: " for i, _ in reasons]
    assert all(text.startswith(line) for line, text in zip(lines, dropped["detail"]))
    assert len(windows) + len(dropped) == len(given_rows)


@given(intervals)
@settings(deadline=None)
def test_merged_intervals_cover_the_same_bases(parts):
    start = np.array([a for a, _ in parts], dtype=np.int64)
    end = np.array([b for _, b in parts], dtype=np.int64)
    merged = merge_intervals(start, end)
    covered = {x for a, b in parts for x in range(a, b)}
    assert {x for a, b in merged.tolist() for x in range(a, b)} == covered
    assert (merged[1:, 0] > merged[:-1, 1]).all()


@given(intervals, intervals)
@settings(deadline=None)
def test_overlaps_is_that_of_a_loop(parts, queries):
    start = np.array([a for a, _ in parts], dtype=np.int64)
    end = np.array([b for _, b in parts], dtype=np.int64)
    merged = merge_intervals(start, end)
    a = np.array([q[0] for q in queries], dtype=np.int64)
    b = np.array([q[1] for q in queries], dtype=np.int64)
    wanted = [any(x < e and s < y for s, e in parts) for x, y in queries]
    assert overlaps(merged, a, b).tolist() == wanted


@given(st.integers(1, 300), st.integers(1, 60), st.integers(1, 40), st.integers(1, 120))
@settings(deadline=None)
def test_tiles_of_bins_are_the_tiles_of_the_chromosome(length, window, stride, bin_bp):
    wanted = [s for s in range(0, length + stride, stride) if s + window // 2 < length]
    found = [
        tiles("c", length, window, stride, low, min(low + bin_bp, length))
        for low in range(0, length, bin_bp)
    ]
    assert np.concatenate([t.start for t in found]).tolist() == wanted
    assert n_tiles(length, window, stride) == len(wanted)
    for low, t in zip(range(0, length, bin_bp), found):
        assert ((t.centre >= low) & (t.centre < low + bin_bp)).all()
        assert (t.end - t.start == window).all()


BED = "#c\ntrack name=x\nchr1\t10\t20\tn1\t5\t-\nchr2\t0\t1\n\nchr1\t7\t10\tn3\t0\t*\n"


@pytest.mark.parametrize("packed", [False, True])
def test_bed_rows(tmp_path, packed):
    path = tmp_path / ("r.bed.gz" if packed else "r.bed")
    path.write_bytes(gzip.compress(BED.encode()) if packed else BED.encode())
    got = read_bed(path)
    assert got.chrom.tolist() == ["chr1", "chr2", "chr1"]
    assert got.start.tolist() == [10, 0, 7] and got.end.tolist() == [20, 1, 10]
    assert got.strand.tolist() == ["-", ".", "."]
    assert got.name.tolist() == ["n1", "", "n3"]
    assert got.centre.tolist() == [15, 0, 8] and got.line.tolist() == [3, 4, 6]


def test_a_narrowpeak_is_centred_on_its_summit(tmp_path):
    row = "chr1\t100\t200\tp\t0\t.\t1\t2\t3\t{}\n"
    path = tmp_path / "p.narrowPeak.gz"
    path.write_bytes(gzip.compress((row.format(7) + row.format(-1) + row.format(0)).encode()))
    assert read_bed(path).centre.tolist() == [107, 150, 100]
    (tmp_path / "q.narrowPeak").write_text("chr1\t100\t200\n")
    with pytest.raises(RegionError, match=r"q.narrowPeak, line 1: a narrowPeak row has 10 columns"):
        read_bed(tmp_path / "q.narrowPeak")


@pytest.mark.parametrize("summit", [-2, 100, 199, 10**9])
def test_a_summit_outside_its_peak_is_refused(tmp_path, summit):
    row = "chr1\t100\t200\tp\t0\t.\t1\t2\t3\t{}\n"
    path = tmp_path / "p.narrowPeak"
    path.write_text(row.format(99) + row.format(summit) + row.format(summit))
    with pytest.raises(RegionError) as caught:
        read_bed(path)
    assert str(caught.value) == (
        f"{path}, line 2: summit {summit} (column 10) is not in its peak 100 to 200, which has 100 "
        "bp (2 such rows). Mend: give its distance from the start, 0 to 99, or -1 for none"
    )


CHROMS = ["chr1", "chr2", "c", "trac", "brow", "chromosome_10_random", "b"]
COMMENTS = ["#c", "track name=x", "browser", "tracks\t1\t2"]
plain_rows = st.tuples(
    st.sampled_from(CHROMS),
    st.integers(0, 10**9).map(str),
    st.sampled_from(["1000000001", "2000000000", "123456789012345"]),
    st.text(st.sampled_from('ab_ 1#."'), max_size=9),
    st.sampled_from(["0", ".", "-3.5"]),
    st.sampled_from(["+", "-", ".", "*"]),
    *[st.just("1")] * 3,
    st.sampled_from(["0", "17"]),
)
odd_lines = st.sampled_from(
    [
        "",
        "  ",
        "chr1 3 9",
        "chr1\t3",
        "chr1\t9\t7",
        "chr1\t1e3\t2000",
        "chr1\t-4\t7",
        "c\t1\t2\t\té",
    ]
    + [
        "c\t1\t2\tn\t0\tx",
        "c\t1\t2\tn\t0\t+-",
        "c\t\t2",
        " c\t1\t2",
        "é\t1\t2",
        "c\t1\t2\ta\rb",
        "c\t1\t2\r",
    ]
)


@st.composite
def bed_lines(draw):
    """Lines of a BED and whether columns can be read from them: most often they can."""
    n = draw(st.sampled_from([3, 4, 5, 6, 10]))
    lines = ["\t".join(row[:n]) for row in draw(st.lists(plain_rows, max_size=12))]
    for more in (COMMENTS, *([odd_lines] if draw(st.integers(0, 3)) == 0 else [])):
        more = st.sampled_from(more) if more is COMMENTS else more
        for line in draw(st.lists(more, max_size=2)):
            lines.insert(draw(st.integers(0, len(lines))), line)
    return lines


@given(bed_lines(), st.booleans(), st.integers(1, 200), st.booleans())
@settings(deadline=None, max_examples=300)
def test_a_bed_read_by_columns_is_that_read_by_lines(tmp_path_factory, lines, end, size, summits):
    """Whatever the blocks; a file that lines refuse is refused with their words."""
    path = tmp_path_factory.mktemp("bed") / "r.bed"
    path.write_text("\n".join(lines) + "\n" * end)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bed_columns, "BLOCK_BYTES", size)
        found = _outcome(lambda: read_bed(path, summits))
        patch.setattr(regions, "plain_columns", lambda *_: None)
        assert found == _outcome(lambda: read_bed(path, summits))


def _outcome(read):
    try:
        got = read()
    except RegionError as error:
        return str(error)
    return [getattr(got, f.name).tolist() for f in dataclasses.fields(got)]


def test_a_plain_bed_is_read_by_columns(tmp_path):
    """The lines' way is the slow one: this is not to fall into it unseen."""
    path = tmp_path / "r.narrowPeak.gz"
    rows = "".join(f"chr{i % 3}\t{i}\t{i + 9}\tp{i}\t0\t+\t1\t2\t3\t4\n" for i in range(5))
    path.write_bytes(gzip.compress(f"track x\n#y\n{rows}".encode()))
    found = bed_columns.plain_columns(path, summits=True)
    assert found is not None and found.line.tolist() == [3, 4, 5, 6, 7]
    assert found.name[1:3].tolist() == ["p1", "p2"] and found.name[4] == "p4"
    assert found.chrom.tolist() == ["chr0", "chr1", "chr2", "chr0", "chr1"]
    assert found.summit.tolist() == [4] * 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        ("#only\n", "has no rows"),
        ("chr1\t5\n", r"line 1: a BED row needs chrom, start, end; got 2"),
        ("chr1\t5\t9\nchr1\tx\t9\n", r"line 2: start 'x' is not a whole number"),
        ("chr1\t5\t9.5\n", r"line 1: end '9.5' is not a whole number"),
        ("chr1\t9\t9\n", r"line 1: start 9 and end 9 of chr1 are not 0 <= start < end"),
        ("chr1\t-1\t9\nchr1\t8\t2\n", r"line 1: start -1 .*2 such rows"),
    ],
)
def test_bed_rows_that_cannot_be_read(tmp_path, text, message):
    (tmp_path / "r.bed").write_text(text)
    with pytest.raises(RegionError, match=message):
        read_bed(tmp_path / "r.bed")


@pytest.mark.parametrize("score", ["-3.5", "1e-7", "nan", ".", "1200"])
def test_scores_may_be_any_number(tmp_path, score):
    """BED says 0 to 1000; callers of peaks write what they have."""
    path = tmp_path / "r.bed"
    path.write_text(f"chr1\t10\t20\ta\t{score}\t-\n")
    read = read_bed(path)
    assert (read.name[0], read.strand[0], read.centre[0]) == ("a", "-", 15)


def test_broken_gzip_and_missing_file(tmp_path):
    (tmp_path / "r.bed.gz").write_bytes(b"no gzip")
    with pytest.raises(RegionError, match="cannot be read"):
        read_bed(tmp_path / "r.bed.gz")
    with pytest.raises(RegionError, match="no such BED file"):
        read_bed(tmp_path / "none.bed")


def test_blacklists_are_joined(tmp_path):
    (tmp_path / "a.bed").write_text("chr1\t5\t9\nchr2\t1\t2\n")
    (tmp_path / "b.bed").write_text("chr1\t9\t12\nchr1\t1\t3\n")
    found = read_blacklist([tmp_path / "a.bed", tmp_path / "b.bed"])
    assert {k: v.tolist() for k, v in found.items()} == {
        "chr1": [[1, 3], [5, 12]],
        "chr2": [[1, 2]],
    }
    assert read_blacklist([]) == {}


def test_windows_with_too_many_n_have_a_row():
    given_regions = made([("chr1", 50, 10, "+"), ("chr1", 70, 10, ".")])
    windows, _ = to_windows(given_regions, LENGTHS, WindowPolicy(10))
    tokens = np.zeros((2, 10), dtype=np.uint8)
    tokens[1, :3] = 4
    kept, left, dropped = drop_n(windows, tokens, 0.2)
    assert kept.name.tolist() == ["r0"] and left.shape == (1, 10)
    assert dropped[["name", "reason"]].to_numpy().tolist() == [["r1", "too_many_n"]]
    assert dropped["detail"][0] == "0.300 of the window is N, more than 0.2"
    assert len(drop_n(windows, tokens, 0.3)[0]) == 2


def test_too_many_dropped_is_an_error():
    given_regions = made([("chrX", 5, 10, "."), ("chrX", 6, 10, "."), ("chr1", 50, 10, ".")])
    _, dropped = to_windows(given_regions, LENGTHS, WindowPolicy(10))
    check_dropped(3, dropped, 0.7, "x.bed")
    said = r"2 of 3 regions are dropped \(unknown_chromosome 2, the first: .*not in the genome's"
    with pytest.raises(RegionError, match=said):
        check_dropped(3, dropped, 0.5, "x.bed")
    with pytest.raises(RegionError, match="no region lies on a chromosome of the genome.*'chrX'"):
        check_dropped(2, dropped, 1.0, "x.bed")
