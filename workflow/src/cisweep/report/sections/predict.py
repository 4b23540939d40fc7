"""Predictions: how the values of all windows are distributed, or each one where they are few."""

from collections.abc import Sequence

import h5py
import numpy as np
from markupsafe import Markup

from cisweep.config.model import MANY_TARGETS
from cisweep.contracts import Windows, stored_name
from cisweep.outputs.h5 import n_rows, read_windows
from cisweep.outputs.predictions import open_predictions, predictions_at
from cisweep.plot.motif_clusters import leaf_order
from cisweep.plot.of_page import draw_histograms
from cisweep.report.blocks import (
    Column,
    Figure,
    Files,
    Note,
    Section,
    Table,
    number,
    place,
)
from cisweep.report.figures import histogram
from cisweep.report.sections.select import read_peaks
from cisweep.report.targets import MOST_TARGETS, HeatMap, heat_map
from cisweep.report.view import View

FEW = 20
MOST_WINDOWS = 20_000
"""Windows over which predictions are correlated: of more, every second, third, …"""


def of_model(view: View) -> Section:
    """Return a histogram of each target, or a table of few windows."""
    section = Section()
    peaks = read_peaks(view)
    with open_predictions(view.folder / "predictions.h5") as file:
        n = n_rows(file)
        if 0 < n <= FEW:
            section.blocks.append(_table(view, file))
        values = (
            {t.name: file[f"predictions/{stored_name(t.name)}"][:] for t in view.targets}
            if n
            else {}
        )
    weakest = {}
    for target in values:
        chosen = [] if peaks is None else peaks.of(target)["prediction"].tolist()
        weakest[target] = [min(chosen)] if chosen else []
        if n > FEW:
            figure = _figure(target, view.unit(target), values[target], weakest[target])
            section.add(target, [figure])
    section.counts.append(("predicted", n, "windows with a prediction"))
    if values and not view.model_config.has_many_targets:
        units = {target: view.unit(target) for target in values}
        section.drawings["predictions"] = lambda: draw_histograms(values, units, weakest)
        files = view.own_copies("predictions")
        section.blocks.append(Files("Predictions as a figure", files))
    if "metrics.tsv" in view.products:
        _add_metrics(view, section)
    return section


_METRICS = {
    "counts_pearson": ("counts, Pearson's r", "with log(1 + observed counts); 1 is best"),
    "counts_spearman": ("counts, Spearman's ρ", "of the ranks; 1 is best"),
    "profile_pearson": ("profile, Pearson's r", "median over windows with signal; 1 is best"),
    "jensen_shannon_distance": ("profile, JS distance", "median over windows; 0 equal, 1 disjoint"),
}


def _add_metrics(view: View, section: Section) -> None:
    """Add the comparison with observed signal."""
    table = view.table("metrics.tsv")
    held_out = (table["windows"] == "held out").all()
    section.blocks.append(
        Note(
            "Predictions beside observed signal. "
            + (
                "Each window was predicted by folds that had not seen its chromosome."
                if held_out
                else "All windows are compared, also those that the model was trained on: what it "
                "makes of unseen ones may be worse."
            )
        )
    )
    columns = [Column("target or track")]
    columns += [Column(name, True, meaning) for name, meaning in _METRICS.values()]
    columns.append(Column("windows", True))
    rows = []
    for name, mine in table.groupby("name", sort=False):
        values = mine.set_index("metric")["value"]
        cells = [number(values[m]) if m in values else "" for m in _METRICS]
        rows.append([str(name), *cells, f"{int(mine['n'].max()):,}"])
        best = values["counts_pearson"]
        which = "held-out" if held_out else "all"
        section.headlines.append(
            f"{name}: predicted and observed counts correlate with r = {number(best)} over "
            f"{which} windows."
        )
    section.blocks.append(Table("Predictions and observed signal", columns, rows))


def _table(view: View, file: h5py.File) -> Table:
    windows = read_windows(file)
    values = [file[f"predictions/{stored_name(t.name)}"][:] for t in view.targets]
    named = any(windows.name)
    columns = [Column("window"), *([Column("name")] if named else [])]
    columns += [Column(f"{t.name} ({view.unit(t.name)})", True) for t in view.targets]
    rows = [
        [
            place(windows.chrom[i], windows.start[i], windows.end[i], windows.strand[i]),
            *([windows.name[i]] if named else []),
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


def across(view: View) -> list[Figure]:
    """Return how alike the predictions of many targets are."""
    shown = [target.name for target in view.targets[:MOST_TARGETS]]
    with open_predictions(view.folder / "predictions.h5") as file:
        step = max(1, -(-n_rows(file) // MOST_WINDOWS))
        values = np.stack([file[f"predictions/{stored_name(t)}"][::step] for t in shown])
    values = values[:, np.isfinite(values).all(axis=0)].astype(np.float64)
    if values.shape[1] < 3:
        return []
    spread = values.std(axis=1, keepdims=True)
    scaled = np.divide(values - values.mean(axis=1, keepdims=True), spread, where=spread > 0,
                       out=np.zeros_like(values))  # fmt: skip
    found = np.clip(scaled @ scaled.T / values.shape[1], -1, 1)
    order = leaf_order(found)
    names = [shown[i] for i in order]
    found = found[order][:, order]
    told = [
        [f"{a}, {b}: r = {number(found[i, j], 2)}" for j, b in enumerate(names)]
        for i, a in enumerate(names)
    ]
    drawing = heat_map(HeatMap(found, names, names, told), "Correlations of predictions")
    caption = (
        f"How alike the targets are: Pearson's r of their predictions over {values.shape[1]:,} "
        "windows (red 1, white 0, blue −1)."
    )
    return [Figure(Markup(drawing), caption)]


def methods(view: View) -> str:
    """Return what was done, for the page's methods."""
    config = view.config
    text = f"The model's outputs were predicted for every window ({view.model})."
    if config.signal:
        text += (
            " Predicted profiles and counts were compared with observed signal by Pearson's r and "
            "the Jensen-Shannon distance (Endres and Schindelin 2003, IEEE Trans Inf Theory 49)."
        )
    return text


def regions(view: View) -> Windows:
    """Return the predicted windows."""
    with open_predictions(view.folder / "predictions.h5") as file:
        return read_windows(file)


def columns(view: View, windows: Windows) -> dict[str, np.ndarray]:
    """Return the prediction of each target, NaN where a window has none."""
    names = [target.name for target in view.targets[:MANY_TARGETS]]
    return {f"prediction: {t}": values for t, values in predicted(view, names, windows).items()}


def predicted(view: View, targets: Sequence[str], windows: Windows) -> dict[str, np.ndarray]:
    """Return target -> the prediction of each window (N,), NaN where there is none."""
    return predictions_at(view.folder / "predictions.h5", targets, windows)
