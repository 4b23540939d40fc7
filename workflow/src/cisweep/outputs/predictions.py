"""predictions.h5: `predictions/<target>` and `predictions_sd/<target>`, float32 (N,)."""

from pathlib import Path
from typing import Any

import numpy as np

from cisweep.contracts import Windows
from cisweep.outputs.h5 import Column, RowWriter, region_columns, region_rows


def write_chunk(
    path: Path,
    windows: Windows,
    tokens: np.ndarray,
    targets: list[str],
    mean: np.ndarray,
    sd: np.ndarray,
    attrs: dict[str, Any],
) -> None:
    """Write the predictions of one chunk.

    tokens: (N, W) uint8, + orientation; mean, sd: (N, T) in the targets' own scale, SD over folds.
    """
    columns = [*region_columns(), Column("tokens", tokens.shape[1:], np.uint8)]
    rows = {**region_rows(windows), "tokens": tokens}
    for i, target in enumerate(targets):
        for name, values in (("predictions", mean), ("predictions_sd", sd)):
            columns.append(Column(f"{name}/{target}", (), np.float32))
            rows[f"{name}/{target}"] = values[:, i]
    with RowWriter(path, columns, attrs) as writer:
        writer.append(rows)
