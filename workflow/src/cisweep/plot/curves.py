"""Tracks along a sequence, losses over a training, and predictions against the truth."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cisweep.errors import SequenceError
from cisweep.plot.letters import as_array

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_DENSE = 5000  # points above which a scatter becomes a density


def plot_track(
    values: Any,
    ax: "Axes | None" = None,
    start: int = 0,
    bin_bp: int = 1,
    label: str | None = None,
    color: Any = None,
) -> "Axes":
    """Return axes with one or more per-base (or per-bin) tracks over genomic positions.

    Parameters
    ----------
    values: array or tensor (length,), or {name: such an array} to lay several over each other
        NaN leaves a gap.
    ax: matplotlib axes, or None for the current ones
    start: int, 0-based position of the first value
    bin_bp: int, bases for each value
    label: label of the y axis
    color: color, or {name: color}

    Raises
    ------
    SequenceError
        A track has not one dimension, or tracks differ in length.
    """
    import matplotlib.pyplot as plt

    tracks = dict(values) if isinstance(values, Mapping) else {None: values}
    arrays = {name: as_array(track, name or "values", ndim=1) for name, track in tracks.items()}
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise SequenceError(f"tracks differ in length: {lengths}", mend="give one span for all")
    ax = plt.gca() if ax is None else ax
    for i, (name, array) in enumerate(arrays.items()):
        edges = start + bin_bp * np.arange(len(array) + 1)
        chosen = (color.get(name) if isinstance(color, Mapping) else color) or f"C{i}"
        ax.stairs(array, edges, label=name, color=chosen, baseline=None, linewidth=0.8)
        ax.stairs(array, edges, fill=True, color=chosen, alpha=0.5, linewidth=0)
    ax.set_xlim(start, start + bin_bp * max(lengths.values()))
    low = min((np.nanmin(a) for a in arrays.values() if np.isfinite(a).any()), default=0)
    if low >= 0:
        ax.set_ylim(bottom=0)
    ax.ticklabel_format(axis="x", style="plain", useOffset=False)
    ax.spines[["top", "right"]].set_visible(False)
    if label is not None:
        ax.set_ylabel(label)
    if None not in arrays:
        ax.legend(frameon=False)
    return ax


def plot_loss(
    history: Any, ax: "Axes | None" = None, columns: list[str] | None = None
) -> "Axes | tuple[Axes, Axes]":
    """Return axes with the losses of a design, or of the training of one or several models.

    Parameters
    ----------
    history: one of
        the history of a design, with output_loss and input_loss: drawn against two axes, as
        Ledidi 2.2 does, and both axes are returned;
        a training's table (or list of rows), one row an epoch;
        {name: such a table}, overlaid: one color a model, one line style a column.
    ax: matplotlib axes, or None for the current ones
    columns: columns to draw; None: all of a training whose name contains "loss"

    Raises
    ------
    SequenceError
        No model, or no column of that name.
    """
    import matplotlib.pyplot as plt
    import pandas as pd

    ax = plt.gca() if ax is None else ax
    if isinstance(history, Mapping) and {"output_loss", "input_loss"} <= set(history):
        return _plot_design_loss(history, ax)
    several = isinstance(history, Mapping) and all(
        isinstance(v, Mapping | pd.DataFrame) or (len(v) > 0 and isinstance(v[0], Mapping))
        for v in history.values()
    )
    models = (
        {k: pd.DataFrame(v) for k, v in history.items()}
        if several
        else {None: pd.DataFrame(history)}
    )
    if not models:
        raise SequenceError("history has no model", mend="give {name: table}")
    drawn = columns or list(
        dict.fromkeys(c for t in models.values() for c in map(str, t) if "loss" in c)
    )
    for i, (name, table) in enumerate(models.items()):
        _plot_model_loss(ax, name, table, drawn, f"C{i}" if several else None)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("Epoch")
    ax.set_ylabel("Loss")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    return ax


def _plot_model_loss(
    ax: "Axes", name: str | None, table: "pd.DataFrame", columns: list[str], color: str | None
) -> None:
    if not any(column in table for column in columns):
        raise SequenceError(
            f"history has no loss: its columns are {', '.join(map(str, table))}",
            where=None if name is None else str(name),
            mend="name them in `columns`",
        )
    epochs = table["epoch"] if "epoch" in table else np.arange(1, len(table) + 1)
    styles = ["-", "--", ":", "-."]
    for k, column in enumerate(columns):
        if column in table:
            label = column if name is None else f"{name} {column}"
            style = styles[k % len(styles)] if color else "-"
            marker = "o" if len(table) == 1 else None
            ax.plot(epochs, table[column], style, color=color, label=label, marker=marker)


def _plot_design_loss(history: Mapping[str, Any], ax: "Axes") -> "tuple[Axes, Axes]":
    twin = ax.twinx()
    lines = []
    for axis, key, side, color in (
        (ax, "output_loss", "left", "0.3"),
        (twin, "input_loss", "right", "darkorange"),
    ):
        name = key.replace("_", " ").capitalize()
        lines += axis.plot(as_array(history[key], key, ndim=1), color=color, label=name)
        axis.set_ylabel(name, color=color)
        axis.tick_params(axis="y", labelcolor=color)
        axis.spines["top"].set_visible(False)
        axis.spines[side].set_color(color)
    twin.spines["left"].set_visible(False)
    ax.spines["right"].set_visible(False)
    ax.set_xlabel("Iteration")
    ax.legend(handles=lines, loc="upper right", frameon=False)
    return ax, twin


def plot_parity(
    y_true: Any,
    y_pred: Any,
    ax: "Axes | None" = None,
    label: str | None = None,
    color: Any = None,
) -> "Axes":
    """Return axes with predictions against the truth, the diagonal, and r, rho and R².

    Pairs with NaN are left out; above 5,000 pairs their density is drawn.

    Parameters
    ----------
    y_true, y_pred: arrays or tensors of one shape
    ax: matplotlib axes, or None for the current ones
    label: title; the numbers stand beneath it
    color: of the points

    Raises
    ------
    SequenceError
        The shapes differ, or fewer than two pairs are finite.
    """
    import matplotlib.pyplot as plt

    truth, predicted = as_array(y_true, "y_true"), as_array(y_pred, "y_pred")
    if truth.shape != predicted.shape:
        raise SequenceError(f"y_true has shape {truth.shape}, y_pred {predicted.shape}")
    finite = np.isfinite(truth) & np.isfinite(predicted)
    truth, predicted = truth[finite], predicted[finite]
    if len(truth) < 2:
        raise SequenceError(f"{len(truth)} pairs are finite", mend="give at least two")
    ax = plt.gca() if ax is None else ax
    if len(truth) > _DENSE:
        ax.hexbin(truth, predicted, gridsize=60, bins="log", mincnt=1, cmap="viridis")
    else:
        ax.scatter(truth, predicted, s=12, alpha=0.5, color=color, linewidths=0)
    low = min(truth.min(), predicted.min())
    high = max(truth.max(), predicted.max())
    margin = 0.03 * (high - low) or 1.0
    ax.plot([low, high], [low, high], color="0.5", linewidth=1, linestyle="--", zorder=0.5)
    ax.set_xlim(low - margin, high + margin)
    ax.set_ylim(low - margin, high + margin)
    ax.set_aspect("equal")
    numbers = _agreement(truth, predicted)
    ax.set_title(numbers if label is None else f"{label}\n{numbers}", fontsize=10)
    ax.set_xlabel("Observed")
    ax.set_ylabel("Predicted")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _agreement(truth: np.ndarray, predicted: np.ndarray) -> str:
    from scipy.stats import rankdata

    def correlation(x: np.ndarray, y: np.ndarray) -> float:
        x, y = x - x.mean(), y - y.mean()
        norm = np.sqrt((x @ x) * (y @ y))
        return float(x @ y / norm) if norm > 0 else float("nan")

    spread = ((truth - truth.mean()) ** 2).sum()
    r2 = 1 - ((truth - predicted) ** 2).sum() / spread if spread > 0 else float("nan")
    rho = correlation(rankdata(truth), rankdata(predicted))
    r = correlation(truth, predicted)
    return f"n = {len(truth)}   r = {r:.3f}   ρ = {rho:.3f}   R² = {r2:.3f}"
