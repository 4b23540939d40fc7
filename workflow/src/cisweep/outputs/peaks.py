"""peaks.bed, and chunk files of the peaks' null: npz, one array of predictions a target."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from cisweep.outputs.tables import BED6, bed_scores, write_bed
from cisweep.parts import read_arrays

_PLACE = ["chrom", "start", "end", "strand"]


def write_peaks(path: Path, windows: pd.DataFrame, peaks: pd.DataFrame) -> None:
    """Write BED6, a row per window of `PeakTables`: name is its targets, joined by a comma.

    score: of each target the lowest selected prediction is 0 and the highest 1000; of several
    targets the highest score. The predictions themselves stand in peaks.tsv.
    """
    scored = peaks.assign(score=bed_scores(peaks["prediction"], peaks["target"]))
    best = scored.groupby(_PLACE, as_index=False)["score"].max()
    write_bed(windows[[*_PLACE, "name"]].merge(best, on=_PLACE, how="left"), path, BED6)


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
