"""Predictions: how the values of all windows are distributed, or each one where they are few."""

import h5py
import numpy as np
from markupsafe import Markup

from cisweep.outputs.h5 import n_rows, open_rows, read_windows
from cisweep.report.blocks import Block, Column, Figure, Section, Table, number, place
from cisweep.report.figures import histogram
from cisweep.report.sections.select import read_peaks
from cisweep.report.view import View

FEW = 20


def of_model(view: View) -> Section:
    """Return a histogram of each target, or a table of few windows."""
    blocks: list[Block] = []
    peaks = read_peaks(view)
    with open_rows(view.folder / "predictions.h5") as file:
        n = n_rows(file)
        if 0 < n <= FEW:
            blocks.append(_table(view, file))
        for target in view.targets:
            if n <= FEW:
                break
            values = file[f"predictions/{target.name}"][:]
            chosen = np.zeros(0) if peaks is None else peaks.of(target.name)["score"].to_numpy()
            weakest = [float(chosen.min())] if len(chosen) else []
            blocks.append(_figure(target.name, view.unit(target.name), values, weakest))
    return Section(blocks, counts=[("predicted", n, "windows with a prediction")])


def _table(view: View, file: h5py.File) -> Table:
    windows = read_windows(file)
    values = [file[f"predictions/{t.name}"][:] for t in view.targets]
    columns = [Column("window"), Column("name")]
    columns += [Column(f"{t.name} ({view.unit(t.name)})", True) for t in view.targets]
    rows = [
        [
            place(windows.chrom[i], windows.start[i], windows.end[i], windows.strand[i]),
            windows.name[i],
            *(number(v[i]) for v in values),
        ]
        for i in range(len(windows))
    ]
    return Table("Predictions of all windows", columns, rows)


def _figure(target: str, unit: str, values: np.ndarray, weakest: list[float]) -> Figure:
    finite = values[np.isfinite(values)]
    text = f"{target}: predictions of {len(finite):,} windows, in {unit}."
    if len(finite):
        low, middle, high = np.percentile(finite, [1, 50, 99])
        text += (
            f" Median {number(middle)}; 1 % of the windows lie below {number(low)}, "
            f"1 % above {number(high)}."
        )
    if weakest:
        text += f" Dashed: the weakest selected peak, {number(weakest[0])}."
    drawing = histogram(values, weakest, unit=f"{target} ({unit})", label=text)
    return Figure(Markup(drawing), text + " The axis of counts is logarithmic.")
