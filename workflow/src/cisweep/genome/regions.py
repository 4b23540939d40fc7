"""From the user's regions (BED3-BED12, narrowPeak, whole sequences) or tiles to windows.

Every region that gets no window has a row and a reason; what cannot be parsed is an error.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from cisweep.contracts import Windows
from cisweep.errors import CisweepError, RegionError
from cisweep.genome.bed_columns import Texts, plain_columns
from cisweep.genome.naming import renaming
from cisweep.products.base import DROPPED
from cisweep.textfile import control_letter, read_lines, whole_number

NO_INTERVALS = np.empty((0, 2), dtype=np.int64)
_ROWS_AT_ONCE = 1 << 16
DROPPED_COLUMNS = [f.name for f in DROPPED if f.name not in ("step", "model")]


@dataclass(frozen=True)
class Regions:
    """Regions as given: parallel arrays, one row per region, 0-based half-open.

    centre: (N,) int64, (start + end) // 2, or start + column 10 for narrowPeak; line: (N,) line
    numbers (1-based, for messages).
    """

    chrom: np.ndarray
    start: np.ndarray
    end: np.ndarray
    strand: np.ndarray
    name: np.ndarray | Texts
    centre: np.ndarray
    line: np.ndarray

    def __len__(self) -> int:
        return len(self.start)


@dataclass(frozen=True)
class WindowPolicy:
    """How regions become windows.

    window_bp: length the model reads; edge: `drop` a window that leaves its chromosome, or `pad`
    it with N; chroms: regular expression that a chromosome's whole name must match; max_n: largest
    share of N in a window; blacklist: chrom -> (K, 2) sorted merged intervals.
    """

    window_bp: int
    edge: str = "drop"
    chroms: str = ".*"
    max_n: float = 0.1
    blacklist: dict[str, np.ndarray] | None = None


def read_bed(path: Path, summits: bool | None = None, key: str = "regions.bed") -> Regions:
    """Return the rows of a BED3-BED12 or narrowPeak file (plain or gzip), in file order.

    summits: is column 10 the summit? None: the file's name says so (.narrowPeak). key: of the
    config, that names the file.

    Raises RegionError with file and line for a row that is not chrom, start, end with
    0 <= start < end, a name with a control letter, and for a file without rows.
    """
    if not path.is_file():
        raise RegionError("no such BED file", where=str(path), mend=f"correct {key}")
    summits = ".narrowPeak" in path.name if summits is None else summits
    found = plain_columns(path, summits)
    if found is None:
        return _read_lines(path, summits, key)
    centre = (found.start + found.end) // 2
    if found.summit is not None:
        centre = _centres_of(found.summit, found.start, found.end, found.line, path)
    return Regions(
        found.chrom, found.start, found.end, found.strand, found.name, centre, found.line
    )


def _read_lines(path: Path, summits: bool, key: str) -> Regions:
    """Read a BED line by line: any that is right, and the fault of one that is not."""
    kept = [
        (number, line)
        for number, line in enumerate(read_lines(path, RegionError), 1)
        if line.strip() and not line.startswith(("#", "track", "browser"))
    ]
    if not kept:
        raise RegionError(
            "the BED file has no rows",
            where=str(path),
            mend=f"give at least one region, or leave {key} out",
        )
    fields = [line.split("\t") if "\t" in line else line.split() for _, line in kept]
    number = np.array([n for n, _ in kept], dtype=np.int64)
    for n, row in zip(number, fields):
        if len(row) < 3:
            raise RegionError(
                f"a BED row needs chrom, start, end; got {len(row)} column(s)",
                where=f"{path}, line {n}",
                mend="separate the columns with tabs",
            )
    _check_names(fields, number, path)
    start = _integers([r[1] for r in fields], number, "start", path)
    end = _integers([r[2] for r in fields], number, "end", path)
    wrong = np.flatnonzero((start < 0) | (end <= start))
    if len(wrong):
        i = wrong[0]
        raise RegionError(
            f"start {start[i]} and end {end[i]} of {fields[i][0]} are not 0 <= start < end"
            + (f" ({len(wrong)} such rows)" if len(wrong) > 1 else ""),
            where=f"{path}, line {number[i]}",
            mend="BED is 0-based half-open: the end must be larger than the start",
        )
    return Regions(
        chrom=np.array([r[0] for r in fields], dtype=object),
        start=start,
        end=end,
        strand=_strands(fields, number, path),
        name=np.array([r[3] if len(r) > 3 else "" for r in fields], dtype=object),
        centre=_centres(path, fields, number, start, end, summits),
        line=number,
    )


def readable_bed(path: Path | None) -> Regions | None:
    """Return the rows of a BED; None where none is given, or checks say what is wrong with it."""
    try:
        return None if path is None else read_bed(path)
    except CisweepError:
        return None


def _check_names(fields: list[list[str]], number: np.ndarray, path: Path) -> None:
    names = ["".join((row[0], *row[3:4])) for row in fields]
    # One search through all of them.
    if control_letter("".join(names)) is None:
        return
    at = next(i for i, name in enumerate(names) if control_letter(name))
    raise RegionError(
        f"chrom or name has the letter {control_letter(names[at])}",
        where=f"{path}, line {number[at]}",
        mend="take it out",
    )


def _integers(values: list[str], number: np.ndarray, what: str, path: Path) -> np.ndarray:
    joined = "".join(values)
    # Two calls for a whole column of plain digits; numpy would take 5_00 and other scripts' too.
    if joined.isascii() and joined.isdigit() and all(0 < len(v) <= 15 for v in values):
        return np.array(values, dtype=np.int64)
    found = [whole_number(value) for value in values]
    if None in found:
        at = found.index(None)
        raise RegionError(
            f"{what} {values[at]!r} is not a whole number",
            where=f"{path}, line {number[at]}",
            mend="write the digits 0 to 9 alone",
        )
    return np.array(found, dtype=np.int64)


def _strands(fields: list[list[str]], number: np.ndarray, path: Path) -> np.ndarray:
    """Return column 6: + - or . (a row without it, and R's word *, have no strand)."""
    strand = [r[5] if len(r) > 5 else "." for r in fields]
    for n, value in zip(number, strand):
        if value not in ("+", "-", ".", "*"):
            raise RegionError(
                f"strand {value!r} (column 6) is not + - or .",
                where=f"{path}, line {n}",
                mend="where column 6 means something else, keep columns 1 to 4 only",
            )
    return np.array([s if s in ("+", "-") else "." for s in strand], dtype=object)


def _centres(path, fields, number, start, end, summits: bool) -> np.ndarray:
    """Return region centres; a narrowPeak's column 10 is its summit relative to start."""
    centre = (start + end) // 2
    if not summits:
        return centre
    short = next((n for n, r in zip(number, fields) if len(r) < 10), None)
    if short is not None:
        raise RegionError("a narrowPeak row has 10 columns", where=f"{path}, line {short}")
    summit = _integers([r[9] for r in fields], number, "summit (column 10)", path)
    return _centres_of(summit, start, end, number, path)


def _centres_of(summit, start, end, line, path: Path) -> np.ndarray:
    """Return the centres of peaks with summits (N,), counted from `start`."""
    check_summits(summit, start, end, lambda i: f"{path}, line {line[i]}")
    # -1 is the format's word for "no summit called".
    return np.where(summit >= 0, start + summit, (start + end) // 2)


def check_summits(
    summit: np.ndarray, start: np.ndarray, end: np.ndarray, where: Callable[[int], str]
) -> None:
    """Raise a RegionError for the first summit (N,), counted from `start`, that is not in its row.

    -1 stands for none. where: place of row i.
    """
    wrong = np.flatnonzero((summit < -1) | (summit >= end - start))
    if len(wrong):
        i = int(wrong[0])
        raise RegionError(
            f"summit {summit[i]} (column 10) is not in its peak {start[i]} to {end[i]}, which has "
            f"{end[i] - start[i]} bp" + (f" ({len(wrong)} such rows)" if len(wrong) > 1 else ""),
            where=where(i),
            mend=f"give its distance from the start, 0 to {end[i] - start[i] - 1}, or -1 for none",
        )


def whole_sequences(lengths: dict[str, int]) -> Regions:
    """Return one region a sequence, from its first base to its last."""
    n = len(lengths)
    end = np.array(list(lengths.values()), dtype=np.int64)
    return Regions(
        chrom=np.array(list(lengths), dtype=object),
        start=np.zeros(n, dtype=np.int64),
        end=end,
        strand=np.array(["."] * n, dtype=object),
        name=np.array(list(lengths), dtype=object),
        centre=end // 2,
        line=np.arange(1, n + 1),
    )


def tiles(
    chrom: str, length_bp: int, window_bp: int, stride_bp: int, low: int, high: int
) -> Regions:
    """Return the tiles of `chrom` whose centre lies in [low, high).

    Tile k is [k * stride, k * stride + window), for every k whose centre lies in the chromosome, so
    the last ones may leave it (the edge policy decides).
    """
    half = window_bp // 2
    first = max(0, -(-(low - half) // stride_bp))
    last = n_tiles(min(high, length_bp), window_bp, stride_bp)
    start = np.arange(first, max(first, last), dtype=np.int64) * stride_bp
    n = len(start)
    return Regions(
        chrom=np.array([chrom] * n, dtype=object),
        start=start,
        end=start + window_bp,
        strand=np.array(["."] * n, dtype=object),
        name=np.array([""] * n, dtype=object),
        centre=start + half,
        line=np.zeros(n, dtype=np.int64),
    )


def n_tiles(length_bp: int, window_bp: int, stride_bp: int) -> int:
    """Return how many tiles have their centre below length_bp."""
    return max(0, -(-(length_bp - window_bp // 2) // stride_bp))


def read_blacklist(paths: list[Path], key: str = "regions.blacklist") -> dict[str, np.ndarray]:
    """Return chrom -> (K, 2) int64 merged, sorted intervals of all files of a key of the config."""
    merged: dict[str, np.ndarray] = {}
    parts = [read_bed(p, key=key) for p in paths]
    if not parts:
        return merged
    chrom = np.concatenate([p.chrom for p in parts])
    start = np.concatenate([p.start for p in parts])
    end = np.concatenate([p.end for p in parts])
    for name in sorted(set(chrom)):
        mask = chrom == name
        merged[name] = merge_intervals(start[mask], end[mask])
    return merged


def merge_intervals(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return (K, 2) sorted intervals that cover the same bases; touching ones are joined."""
    if not len(start):
        return NO_INTERVALS
    order = np.argsort(start, kind="stable")
    start, reach = start[order], np.maximum.accumulate(end[order])
    first = np.flatnonzero(np.r_[True, start[1:] > reach[:-1]])
    last = np.r_[first[1:] - 1, len(start) - 1]
    return np.stack([start[first], reach[last]], axis=1)


def overlaps(intervals: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return (N,) bool: does [start, end) touch any of the merged, sorted `intervals`?"""
    position = np.searchsorted(intervals[:, 1], start, side="right")
    touched = position < len(intervals)
    touched[touched] = intervals[position[touched], 0] < end[touched]
    return touched


def within(intervals: np.ndarray, low: int, high: int) -> np.ndarray:
    """Return those of the merged, sorted `intervals` (K, 2) that touch [low, high)."""
    first = np.searchsorted(intervals[:, 1], low, side="right")
    last = np.searchsorted(intervals[:, 0], high, side="left")
    return intervals[first : max(first, last)]


@dataclass(frozen=True)
class Placement:
    """Which regions get a window, and why the others get none.

    rows: (M,) int32, the regions with a window, in genome order; why: (N,) uint8, for each region
    0, or the number (1-based) of its reason; reasons: (reason, detail).
    """

    regions: Regions
    window_bp: int
    rows: np.ndarray
    why: np.ndarray
    reasons: list[tuple[str, str]]

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def centre(self) -> np.ndarray:
        """(M,) int64: the centres of the windows."""
        return self.regions.centre[self.rows]

    def windows(self, part: slice | np.ndarray = slice(None)) -> Windows:
        """Return the windows of some of `rows`."""
        rows, given = self.rows[part], self.regions
        start = given.centre[rows] - self.window_bp // 2
        end = start + self.window_bp
        return Windows(given.chrom[rows], start, end, given.strand[rows], given.name[rows])

    def dropped(self) -> pd.DataFrame:
        """Return the rows with a reason, in the user's order, with the line they stand on."""
        return self._dropped(np.flatnonzero(self.why))

    def dropped_blocks(self) -> Iterator[pd.DataFrame]:
        """Yield the rows of `dropped`, some at once; at least one table, possibly empty."""
        rows = np.flatnonzero(self.why)
        for begin in range(0, max(len(rows), 1), _ROWS_AT_ONCE):
            yield self._dropped(rows[begin : begin + _ROWS_AT_ONCE])

    def _dropped(self, rows: np.ndarray) -> pd.DataFrame:
        reason, detail = (
            np.array(texts, dtype=object)[self.why[rows] - 1] for texts in zip(*self.reasons)
        )
        where = (f"line {line}: " if line else "" for line in self.regions.line[rows].tolist())
        return pd.DataFrame(
            {
                "chrom": self.regions.chrom[rows],
                "start": self.regions.start[rows],
                "end": self.regions.end[rows],
                "strand": self.regions.strand[rows],
                "name": self.regions.name[rows],
                "reason": reason,
                "detail": [w + d for w, d in zip(where, detail)],
            },
            columns=DROPPED_COLUMNS,
        )


def to_windows(
    regions: Regions, lengths: dict[str, int], policy: WindowPolicy
) -> tuple[Windows, pd.DataFrame]:
    """Return the windows of `regions` in genome order, and the dropped regions with reasons.

    See `place`.
    """
    placed = place(regions, lengths, policy)
    return placed.windows(), placed.dropped()


def place(regions: Regions, lengths: dict[str, int], policy: WindowPolicy) -> Placement:
    """Return which regions get a window, in genome order, and why the others get none.

    A window is centred on its region: it starts at centre - window_bp // 2. Genome order is the
    order of `lengths`, then start, end, strand. Equal windows are kept once (the first row).
    N is not looked at here, since that needs the sequence: see drop_n.
    """
    code, names = pd.factorize(regions.chrom)
    code = code.astype(np.int32)
    reasons = [
        ("unknown_chromosome", "not in the genome's index"),
        ("excluded_chromosome", f"does not match chroms {policy.chroms}"),
        ("off_chromosome_end", "its centre is beyond the end of the chromosome"),
        ("off_chromosome_end", f"a window of {policy.window_bp} bp leaves it"),
        ("blacklisted", "overlaps the blacklist"),
        ("duplicate", "an earlier region has the same window"),
    ]
    chroms = _Chromosomes(list(names), lengths, policy)
    why = np.zeros(len(regions), dtype=np.uint8)
    for begin in range(0, len(regions), _ROWS_AT_ONCE):
        part = slice(begin, begin + _ROWS_AT_ONCE)
        why[part] = chroms.why(code[part], regions.centre[part])
    strand_code, strands = pd.factorize(regions.strand)
    strand = np.array(["+-.".index(s) for s in strands], dtype=np.int8)[strand_code]
    del strand_code
    rows = np.flatnonzero(why == 0).astype(np.int32)
    # Their centres are in the order of their starts. A stable sort: of equal windows the first
    # row comes first.
    keys = (strand, regions.centre, chroms.rank[code])
    rows = rows[np.lexsort(tuple(key[rows] for key in keys))]
    again = np.ones(len(rows), dtype=bool)
    again[:1] = False
    for key in keys:
        ordered = key[rows]
        again[1:] &= ordered[1:] == ordered[:-1]
    why[rows[again]] = len(reasons)
    return Placement(regions, policy.window_bp, rows[~again], why, reasons)


class _Chromosomes:
    """What decides over the regions of each chromosome that a file names.

    rank: (n,) int32, the place of each of its names in the genome, -1 for one that is not there.
    """

    def __init__(self, names: list[str], lengths: dict[str, int], policy: WindowPolicy):
        self._policy = policy
        place_of = {name: i for i, name in enumerate(lengths)}
        self.rank = np.array([place_of.get(name, -1) for name in names], dtype=np.int32)
        self._length = np.array([lengths.get(name, 0) for name in names], dtype=np.int64)
        wanted = [re.fullmatch(policy.chroms, name) is not None for name in names]
        self._wanted = np.array(wanted, dtype=bool)
        blacklist = policy.blacklist or {}
        self._black = {i: blacklist[name] for i, name in enumerate(names) if name in blacklist}

    def why(self, code: np.ndarray, centre: np.ndarray) -> np.ndarray:
        """Return (N,) uint8: 0, or the number of the first reason to drop a region."""
        start = centre - self._policy.window_bp // 2
        end, length = start + self._policy.window_bp, self._length[code]
        black = np.zeros(len(code), dtype=bool)
        for i, intervals in self._black.items():
            on = np.flatnonzero(code == i)
            black[on] = overlaps(intervals, start[on], end[on])
        faults = (
            self.rank[code] < 0,
            ~self._wanted[code],
            (centre < 0) | (centre >= length),
            (self._policy.edge == "drop") & ((start < 0) | (end > length)),
            black,
        )
        return np.select(faults, range(1, len(faults) + 1), 0).astype(np.uint8)


def drop_n(
    windows: Windows, tokens: np.ndarray, max_n: float
) -> tuple[Windows, np.ndarray, pd.DataFrame]:
    """Return the windows with a share of N of at most `max_n`, their tokens, and the dropped."""
    share = (tokens == 4).mean(axis=1) if len(windows) else np.zeros(0)
    keep = share <= max_n
    gone = windows.take(~keep)
    dropped = pd.DataFrame(
        {
            "chrom": gone.chrom,
            "start": gone.start,
            "end": gone.end,
            "strand": gone.strand,
            "name": gone.name,
            "reason": "too_many_n",
            "detail": [f"{s:.3f} of the window is N, more than {max_n}" for s in share[~keep]],
        },
        columns=DROPPED_COLUMNS,
    )
    return windows.take(keep), tokens[keep], dropped


def check_dropped(
    n_regions: int,
    dropped: pd.DataFrame,
    max_dropped: float,
    where: str,
    lengths: Iterable[str] = (),
) -> None:
    """Raise RegionError if no region is on a known chromosome or too many were dropped.

    lengths: chromosomes of the genome, among which a mend finds those that differ by naming only.
    """
    if not n_regions or not len(dropped):
        return
    counts = dropped["reason"].value_counts()
    unknown = int(counts.get("unknown_chromosome", 0))
    renamed = renaming(dropped["chrom"][dropped["reason"] == "unknown_chromosome"], lengths)
    if unknown == n_regions:
        example = dropped["chrom"].iloc[0]
        raise RegionError(
            f"no region lies on a chromosome of the genome (for example {example!r})",
            where=where,
            mend=renamed or "use the same chromosome names in both (chr20 or 20)",
        )
    share = len(dropped) / n_regions
    if share > max_dropped:
        first = dropped.drop_duplicates("reason").set_index("reason")["detail"]
        why = "; ".join(f"{r} {n}, the first: {first[r]}" for r, n in counts.items())
        raise RegionError(
            f"{len(dropped)} of {n_regions} regions are dropped ({why}), more than "
            f"max_dropped {max_dropped}",
            where=where,
            mend=f"{renamed or 'correct the regions or regions.chroms'}, or raise "
            "regions.max_dropped",
        )
