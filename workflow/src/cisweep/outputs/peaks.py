"""peaks.tsv and peaks.bed, row by row, and chunk files of the peaks' null: npz, one array of
predictions a target."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cisweep.contracts import joined_names
from cisweep.outputs.tables import (
    BED6,
    append_bed_rows,
    append_rows,
    tsv_blocks,
    write_product,
)
from cisweep.parts import read_arrays
from cisweep.products.select import PEAKS

_WINDOW = ["chrom", "start", "strand"]  # all have one length


def write_peaks(rows: Iterable[pd.DataFrame], names: Sequence[str], table: Path, bed: Path) -> None:
    """Write peaks as they come, in genome order: PEAKS as TSV, and BED6 with a row a window.

    names: columns of the rows. Of the BED name is the targets, joined by a comma
    (`contracts.joined_names`); score: of each target the lowest selected prediction is 0 and the
    highest 1000; of several targets the highest score.
    """
    write_product(pd.DataFrame(columns=names), table, PEAKS)
    for block in rows:
        append_rows(block[names], table)
    # What is lowest is known once all rows are there.
    low, high = _ranges(table)
    with open(bed, "w", newline="") as handle:
        for peaks in _whole_windows(tsv_blocks(table)):
            append_bed_rows(_bed(peaks, low, high), handle)


def _ranges(table: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Return target -> its lowest and its highest prediction in a table."""
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    for peaks in tsv_blocks(table):
        of = _predictions(peaks).groupby(peaks["target"], sort=False)
        for target, value in of.min().items():
            low[target] = min(value, low.get(target, value))
        for target, value in of.max().items():
            high[target] = max(value, high.get(target, value))
    return low, high


def _predictions(peaks: pd.DataFrame) -> pd.Series:
    """Return predictions as they were: float32, of which a table has all digits."""
    return peaks["prediction"].astype(np.float32).astype(np.float64)


def _whole_windows(blocks: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Yield the rows of blocks so that those of a window come together."""
    held: pd.DataFrame | None = None
    for block in blocks:
        rows = block if held is None else pd.concat([held, block], ignore_index=True)
        last = (rows[_WINDOW] == rows[_WINDOW].iloc[-1]).all(axis=1)
        held = rows[last]
        if not last.all():
            yield rows[~last].reset_index(drop=True)
    if held is not None:
        yield held.reset_index(drop=True)


def _bed(peaks: pd.DataFrame, low: Mapping[str, float], high: Mapping[str, float]) -> pd.DataFrame:
    """Return one row a window, columns BED6; low, high: target -> of its predictions."""
    least = peaks["target"].map(low).to_numpy()
    width = peaks["target"].map(high).to_numpy() - least
    share = np.ones(len(peaks))
    np.divide(_predictions(peaks).to_numpy() - least, width, out=share, where=width > 0)
    score = np.rint(1000 * share).astype(int)
    changed = (peaks[_WINDOW] != peaks[_WINDOW].shift()).any(axis=1).to_numpy()
    first = np.flatnonzero(changed)
    ends = [*first[1:].tolist(), len(peaks)]
    targets = peaks["target"].tolist()
    bed = peaks.iloc[first].assign(
        name=[joined_names(targets[a:b]) for a, b in zip(first.tolist(), ends)],
        score=np.maximum.reduceat(score, first),
    )
    return bed[BED6]


def write_null(path: Path, scores: Mapping[str, np.ndarray], n_windows: int) -> None:
    """Write the null peaks of a chunk. scores: target -> (n,); n_windows: windows predicted."""
    # A file object, so that numpy adds no suffix to the name.
    with open(path, "wb") as file:
        arrays = {f"peaks/{target}": values for target, values in scores.items()}
        np.savez(file, n_windows=n_windows, **arrays)  # type: ignore[arg-type]  # as in hits.py


def read_null(path: Path) -> tuple[dict[str, np.ndarray], int]:
    """Return target -> the predictions of its null peaks, and the number of windows."""
    file = read_arrays(path)
    scores = {n.removeprefix("peaks/"): values for n, values in file.items() if n != "n_windows"}
    return scores, int(file["n_windows"])
