"""predictions.h5, a table (outputs/h5.py): `predictions/<target>` and `predictions_sd/<target>`,
float32 (N,).

The tracks of a model are `predictions/<track>`, float32 (N, strands, positions), + orientation.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
import pandas as pd

from cisweep.config.targets import TrackConfig
from cisweep.contracts import STRANDS, Windows, stored_name
from cisweep.outputs.h5 import (
    TABLE_ROWS,
    TABLE_VERSION,
    Column,
    RowWriter,
    blocks,
    merge,
    open_rows,
    prediction_blocks,
    read_windows,
    region_columns,
    region_rows,
)
from cisweep.products.predict import PREDICTIONS

TRACK_ROWS = 128
"""Windows of a track that are held at once."""


class PredictionWriter:
    """Appends the predictions of windows.

    longest: windows whose texts are as long as the longest that will come, for example all of
    them; targets: their names; tracks: name -> (strands, positions).
    """

    def __init__(
        self,
        path: Path,
        longest: Windows,
        targets: Sequence[str],
        attrs: dict[str, Any],
        tracks: Mapping[str, tuple[int, int]] | None = None,
    ):
        self._targets, self._tracks = list(targets), dict(tracks or {})
        columns = region_columns(longest)
        for target in self._targets:
            columns += [
                Column(f"predictions/{stored_name(target)}", (), np.float32),
                Column(f"predictions_sd/{stored_name(target)}", (), np.float32),
            ]
        columns += [
            Column(f"predictions/{stored_name(t)}", s, np.float32) for t, s in self._tracks.items()
        ]
        self._rows = RowWriter(path, columns, attrs, PREDICTIONS, TABLE_VERSION)

    def append(
        self,
        windows: Windows,
        mean: np.ndarray,
        sd: np.ndarray,
        tracks: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Add windows.

        mean, sd: (N, T) in the targets' own scale, SD over folds; tracks: name -> (N, strands,
        positions).
        """
        rows = region_rows(windows)
        for i, target in enumerate(self._targets):
            rows[f"predictions/{stored_name(target)}"] = mean[:, i]
            rows[f"predictions_sd/{stored_name(target)}"] = sd[:, i]
        for name in self._tracks:
            rows[f"predictions/{stored_name(name)}"] = (tracks or {})[name]
        self._rows.append(rows)

    def __enter__(self) -> Self:
        self._rows.__enter__()
        return self

    def __exit__(self, kind, error, trace) -> None:
        self._rows.__exit__(kind, error, trace)


def open_predictions(path: Path) -> h5py.File:
    """Open predictions for reading; raises ProductError as `open_rows` does."""
    return open_rows(path, TABLE_VERSION)


def merge_predictions(parts: Sequence[Path], out: Path, attrs: dict[str, Any]) -> int:
    """Write the predictions of all chunks, in their order; return the number of windows."""
    return merge(parts, out, attrs, version=TABLE_VERSION)


def predictions_at(
    path: Path, targets: Sequence[str], windows: Windows, absent: float = np.nan
) -> dict[str, np.ndarray]:
    """Return target -> the prediction of each of `windows` (N,) float64, `absent` where there is
    none; the file is read once.

    windows: each once, in any order.
    """
    codes = {name: i for i, name in enumerate(pd.unique(windows.chrom))}
    places = _places(windows, codes)
    order = np.argsort(places)
    places, end = places[order], windows.end[order]
    found = {target: np.full(len(windows), absent) for target in targets}
    if not len(windows) or not found:
        return found
    with open_predictions(path) as file:
        paths = [f"predictions/{stored_name(target)}" for target in targets]
        for rows, values in blocks(file, paths, TABLE_ROWS):
            block = read_windows(file, rows)
            theirs = _places(block, codes)
            at = np.minimum(np.searchsorted(places, theirs), len(places) - 1)
            known = (places[at] == theirs) & (end[at] == block.end)
            for target, column in zip(targets, paths):
                found[target][order[at[known]]] = values[column][known]
    return found


def _places(windows: Windows, codes: Mapping[str, int]) -> np.ndarray:
    """Return (N,) int64, a number for each chromosome, strand and start; -1: none of `codes`."""
    which, names = pd.factorize(windows.chrom)
    chrom = np.array([codes.get(name, -1) for name in names], dtype=np.int64)[which]
    which, strands = pd.factorize(windows.strand)
    strand = np.array([STRANDS.index(s) for s in strands], dtype=np.int64)[which]
    # A start may lie before the chromosome, and no chromosome is as long as 2 ** 35.
    place = ((chrom * len(STRANDS) + strand) << 36) + windows.start + (1 << 35)
    return np.where(chrom < 0, -1, place)


def counts_blocks(
    path: Path, track: TrackConfig, strand: int | None = None
) -> Iterator[tuple[Windows, np.ndarray]]:
    """Yield the spans that a track covers, in the middle of its windows, and its values.

    Values are (N, strands, bases), or (N, bases) of one strand, one per base (a bin's value is
    repeated), as write_bigwig takes them.
    """
    for windows, values in prediction_blocks(path, track.name, TRACK_ROWS):
        values = values if strand is None else values[:, strand]
        values = np.repeat(values, track.bin_bp, axis=-1)
        flank = (windows.end - windows.start - values.shape[-1]) // 2
        spans = Windows(
            windows.chrom, windows.start + flank, windows.end - flank, windows.strand, windows.name
        )
        yield spans, values
