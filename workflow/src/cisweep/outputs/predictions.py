"""predictions.h5: `predictions/<target>` and `predictions_sd/<target>`, float32 (N,).

The tracks of a model are `predictions/<track>`, float32 (N, strands, positions), + orientation.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from cisweep.config.model import TrackConfig
from cisweep.contracts import Windows
from cisweep.outputs.h5 import Column, RowWriter, prediction_blocks, region_columns, region_rows
from cisweep.products.predict import PREDICTIONS

TRACK_ROWS = 128
"""Windows of a track that are held at once."""


class PredictionWriter:
    """Appends the predictions of windows.

    length: bases of a window; targets: their names; tracks: name -> (strands, positions).
    """

    def __init__(
        self,
        path: Path,
        length: int,
        targets: Sequence[str],
        attrs: dict[str, Any],
        tracks: Mapping[str, tuple[int, int]] | None = None,
    ):
        self._targets, self._tracks = list(targets), dict(tracks or {})
        columns = [*region_columns(), Column("tokens", (length,), np.uint8)]
        for target in self._targets:
            columns += [
                Column(f"predictions/{target}", (), np.float32),
                Column(f"predictions_sd/{target}", (), np.float32),
            ]
        columns += [Column(f"predictions/{t}", s, np.float32) for t, s in self._tracks.items()]
        self._rows = RowWriter(path, columns, attrs, PREDICTIONS)

    def append(
        self,
        windows: Windows,
        tokens: np.ndarray,
        mean: np.ndarray,
        sd: np.ndarray,
        tracks: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Add windows.

        tokens: (N, W) uint8, + orientation; mean, sd: (N, T) in the targets' own scale, SD over
        folds; tracks: name -> (N, strands, positions).
        """
        rows = {**region_rows(windows), "tokens": tokens}
        for i, target in enumerate(self._targets):
            rows[f"predictions/{target}"] = mean[:, i]
            rows[f"predictions_sd/{target}"] = sd[:, i]
        for name in self._tracks:
            rows[f"predictions/{name}"] = (tracks or {})[name]
        self._rows.append(rows)

    def __enter__(self) -> Self:
        self._rows.__enter__()
        return self

    def __exit__(self, kind, error, trace) -> None:
        self._rows.__exit__(kind, error, trace)


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
