"""From the user's regions (BED3-BED12, narrowPeak, whole sequences) or tiles to windows.

Every region that gets no window has a row and a reason; what cannot be parsed is an error.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cisweep.contracts import Windows
from cisweep.errors import CisweepError, RegionError
from cisweep.genome.naming import renaming
from cisweep.products.base import DROPPED
from cisweep.textfile import control_letter, read_lines, whole_number

NO_INTERVALS = np.empty((0, 2), dtype=np.int64)
DROPPED_COLUMNS = [f.name for f in DROPPED if f.name not in ("step", "model")]


@dataclass(frozen=True)
class Regions:
    """Regions as given: parallel arrays, one row per region, 0-based half-open.

    centre: (N,) int64, (start + end) // 2, or start + column 10 for narrowPeak; row: (N,) line
    numbers (1-based, for messages).
    """

    chrom: np.ndarray
    start: np.ndarray
    end: np.ndarray
    strand: np.ndarray
    name: np.ndarray
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


def _centres(path, fields, number, start, end, summits) -> np.ndarray:
    """Return region centres; a narrowPeak's column 10 is its summit relative to start."""
    centre = (start + end) // 2
    if not (".narrowPeak" in path.name if summits is None else summits):
        return centre
    short = next((n for n, r in zip(number, fields) if len(r) < 10), None)
    if short is not None:
        raise RegionError("a narrowPeak row has 10 columns", where=f"{path}, line {short}")
    summit = _integers([r[9] for r in fields], number, "summit (column 10)", path)
    # -1 is the format's word for "no summit called".
    check_summits(summit, start, end, lambda i: f"{path}, line {number[i]}")
    return np.where(summit >= 0, start + summit, centre)


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


def to_windows(
    regions: Regions, lengths: dict[str, int], policy: WindowPolicy
) -> tuple[Windows, pd.DataFrame]:
    """Return the windows of `regions` in genome order, and the dropped regions with reasons.

    A window is centred on its region: it starts at centre - window_bp // 2. Genome order is the
    order of `lengths`, then start, end, strand. Equal windows are kept once (the first row).
    N is not looked at here, since that needs the sequence: see drop_n.
    """
    half = policy.window_bp // 2
    start = regions.centre - half
    windows = Windows(regions.chrom, start, start + policy.window_bp, regions.strand, regions.name)
    reason = np.full(len(regions), "", dtype=object)
    detail = np.full(len(regions), "", dtype=object)

    def mark(mask: np.ndarray, why: str, what: str) -> None:
        mask = mask & (reason == "")
        reason[mask], detail[mask] = why, what

    names, code = np.unique(regions.chrom.astype(str), return_inverse=True)
    pattern = re.compile(policy.chroms)
    known = np.array([n in lengths for n in names], dtype=bool)
    wanted = np.array([bool(pattern.fullmatch(n)) for n in names], dtype=bool)
    length = np.array([lengths.get(n, 0) for n in names], dtype=np.int64)
    rank_of = {name: i for i, name in enumerate(lengths)}
    rank = np.array([rank_of.get(n, -1) for n in names], dtype=np.int64)
    if len(regions):
        mark(~known[code], "unknown_chromosome", "not in the genome's index")
        mark(~wanted[code], "excluded_chromosome", f"does not match chroms {policy.chroms}")
        outside = (regions.centre < 0) | (regions.centre >= length[code])
        mark(outside, "off_chromosome_end", "its centre is beyond the end of the chromosome")
        if policy.edge == "drop":
            leaves = (windows.start < 0) | (windows.end > length[code])
            mark(leaves, "off_chromosome_end", f"a window of {policy.window_bp} bp leaves it")
        for name, intervals in (policy.blacklist or {}).items():
            on = regions.chrom == name
            if on.any():
                hit = np.zeros(len(regions), dtype=bool)
                hit[on] = overlaps(intervals, windows.start[on], windows.end[on])
                mark(hit, "blacklisted", "overlaps the blacklist")
    strand_rank = np.array(["+-.".index(s) for s in regions.strand], dtype=np.int64)
    order = np.lexsort((np.arange(len(regions)), strand_rank, windows.start, rank[code]))
    order = order[reason[order] == ""]
    key = np.stack([rank[code], windows.start, strand_rank], axis=1)[order]
    if len(order):
        again = np.r_[False, (key[1:] == key[:-1]).all(axis=1)]
        reason[order[again]], detail[order[again]] = (
            "duplicate",
            "an earlier region has the same window",
        )
        order = order[~again]
    return windows.take(order), dropped_table(windows, regions, reason, detail)


def dropped_table(windows: Windows, regions: Regions, reason, detail) -> pd.DataFrame:
    """Return the rows with a reason, in the user's order, with the line they stand on."""
    rows = np.flatnonzero(reason != "")
    where = [f"line {regions.line[i]}: " if regions.line[i] else "" for i in rows]
    return pd.DataFrame(
        {
            "chrom": regions.chrom[rows],
            "start": regions.start[rows],
            "end": regions.end[rows],
            "strand": regions.strand[rows],
            "name": regions.name[rows],
            "reason": reason[rows],
            "detail": [w + d for w, d in zip(where, detail[rows])],
        },
        columns=DROPPED_COLUMNS,
    )


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
