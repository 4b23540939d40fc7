"""Attributions of all targets at all windows, written as a chunk's file of pairs."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from cisweep.outputs.attributions import AttributionWriter


@dataclass
class Dense:
    """found: arrays (T, N, ...), as pairs of which every one is wanted, or those of `rows`: target
    index -> rows of the windows."""

    found: Any
    rows: dict[int, np.ndarray] | None = None

    def of(self, target_idx):
        n = len(self.found.projected[target_idx])
        rows = np.arange(n) if self.rows is None else self.rows[target_idx]
        arrays = {
            name: None if values is None else values[target_idx][rows]
            for name, values in vars(self.found).items()
        }
        return rows, SimpleNamespace(**arrays)


def write_chunk(path: Path, windows, tokens, targets, found, save_bp, attrs, rows=None) -> None:
    """Write one chunk's attributions."""
    with AttributionWriter(path, tokens.shape[1], targets, save_bp, attrs) as writer:
        writer.append(windows, tokens, Dense(found, rows))
