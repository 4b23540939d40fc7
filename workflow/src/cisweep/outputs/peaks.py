"""Chunk files of the null of predicted peaks: npz, one array of predictions a target."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np


def write_null(path: Path, scores: Mapping[str, np.ndarray], n_windows: int) -> None:
    """Write the null peaks of a chunk. scores: target -> (n,); n_windows: windows predicted."""
    # A file object, so that numpy adds no suffix to the name.
    with open(path, "wb") as file:
        np.savez(file, n_windows=n_windows, **{f"peaks/{t}": v for t, v in scores.items()})


def read_null(path: Path) -> tuple[dict[str, np.ndarray], int]:
    """Return target -> the predictions of its null peaks, and the number of windows."""
    with np.load(path) as file:
        scores = {n.removeprefix("peaks/"): file[n] for n in file.files if n != "n_windows"}
        return scores, int(file["n_windows"])
