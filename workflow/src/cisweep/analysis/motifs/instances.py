"""Where the seqlets of discovered motifs lie in the genome."""

from collections.abc import Sequence
from os import PathLike

import h5py
import numpy as np
import pandas as pd

from cisweep.analysis.motifs.discover import Pattern, trim
from cisweep.contracts import Windows
from cisweep.products.discover import INSTANCES

_GROUPS = {"+": "pos_patterns", "-": "neg_patterns"}


def pattern_instances(
    path: str | PathLike,
    patterns: Sequence[Pattern],
    windows: Windows,
    rows: np.ndarray,
    projected: np.ndarray,
    window: slice,
) -> pd.DataFrame:
    """Return the seqlets of each pattern as places of the genome, one row each, in genome order.

    Parameters
    ----------
    path : path
        A `modisco.h5` whose `example_idx` are rows of `windows`.
    patterns : sequence of Pattern
        Those of the file (`read_patterns`).
    windows : Windows (N,)
        In genome order; of each the central L bases were read.
    rows : array (n,) of int
        The windows that were read.
    projected : array (n, L), float
        Attributions of their observed bases, in + orientation.
    window : slice
        Columns of it in which seqlets were called.

    A row spans the trimmed motif (`trim`), the stretch that the MEME file and the logos show:
    0-based half-open; `strand` is that on which the motif reads as there; attribution is the sum
    over the span, window_attribution that of all bases of its sign in the window. Rows that start
    at one place stand in the order of the patterns.
    """
    length = projected.shape[1]
    begin = windows.centre - length // 2
    at = np.full(len(windows), -1)
    at[rows] = np.arange(len(rows))
    searched = projected[:, window].astype(np.float64)
    of_sign = {"+": np.maximum(searched, 0).sum(axis=1), "-": np.minimum(searched, 0).sum(axis=1)}
    until = np.concatenate([np.zeros((len(rows), 1)), np.cumsum(projected, axis=1)], axis=1)
    found = []
    with h5py.File(path, "r") as file:
        for number, pattern in enumerate(patterns):
            seqlets = file[_GROUPS[pattern.sign]][pattern.name.split(".")[-1]]["seqlets"]
            row, start, end = (seqlets[k][:].astype(int) for k in ("example_idx", "start", "end"))
            minus, kept = seqlets["is_revcomp"][:].astype(bool), trim(pattern)
            stop = min(kept.stop, pattern.contributions.shape[1])
            first = np.where(minus, end - stop, start + kept.start)
            last = np.where(minus, end - kept.start, start + stop)
            sums = until[at[row], last] - until[at[row], first]
            around = of_sign[pattern.sign][at[row]]
            found.append((np.full(len(row), number), row, first, last, minus, sums, around))
    number, row, first, last, minus, sums, around = (
        np.concatenate(parts) for parts in (zip(*found) if found else [[np.zeros(0, int)]] * 7)
    )
    chrom_first = {c: i for i, c in reversed(list(enumerate(windows.chrom)))}
    order_of = np.array([chrom_first[c] for c in windows.chrom], dtype=int)
    order = np.lexsort([number, begin[row] + first, order_of[row]])
    number, row, first, last, minus, sums, around = (
        values[order] for values in (number, row, first, last, minus, sums, around)
    )
    columns = [
        np.array([p.name for p in patterns], object)[number],
        windows.chrom[row],
        begin[row] + first,
        begin[row] + last,
        np.where(minus.astype(bool), "-", "+").astype(object),
        sums.astype(float),
        windows.start[row],
        windows.end[row],
        around.astype(float),
    ]
    return pd.DataFrame(dict(zip(INSTANCES.names(), columns)))
