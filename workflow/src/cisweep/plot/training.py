"""The figures of a training: losses, labels, parity, filters."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cisweep.plot.saving import save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_FILTERS = 64


def _figure(n: int, width: float = 5, height: float = 4) -> "tuple[Figure, Any]":
    # Figures without pyplot keep no global state, so nothing has to be closed.
    from matplotlib.figure import Figure

    columns = min(max(n, 1), 3)
    rows = -(-max(n, 1) // columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for unused in axes[n:]:
        unused.set_axis_off()
    return figure, axes


def save_loss(histories: dict[str, list[dict[str, float]]], path: Path) -> None:
    """Write the loss curves of several trainings, overlaid, and their metrics with intervals."""
    save_figure(draw_loss(histories)[0], path, dpi=120)


def draw_loss(histories: dict[str, list[dict[str, float]]]) -> "list[Axes]":
    """Return axes of the losses over epochs, and of each metric that a history has an interval of.

    histories: name -> rows, one an epoch.
    """
    from cisweep.plot.curves import plot_loss

    names = (c.removesuffix("_low") for rows in histories.values() for c in rows[0])
    metrics = [
        c for c in dict.fromkeys(names) if any(f"{c}_low" in h[0] for h in histories.values())
    ]
    figure, axes = _figure(1 + len(metrics), 6, 4)
    plot_loss(histories, ax=axes[0], columns=["train_loss", "validation_loss"])
    for ax, metric in zip(axes[1:], metrics):
        for i, (name, rows) in enumerate(histories.items()):
            table = pd.DataFrame(rows)
            if metric not in table:
                continue
            ax.plot(table["epoch"], table[metric], color=f"C{i}", label=name)
            bounds = table[f"{metric}_low"], table[f"{metric}_high"]
            ax.fill_between(table["epoch"], *bounds, color=f"C{i}", alpha=0.2, linewidth=0)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set_xlabel("Epoch")
        ax.set_ylabel(metric.replace("_", " ") + ", 95 % interval")
        ax.legend(frameon=False)
        ax.spines[["top", "right"]].set_visible(False)
    return list(axes[: 1 + len(metrics)])


def save_labels(labels: dict[str, tuple[list[int], list[float]]], path: Path) -> None:
    """Write the histogram of the training labels of each task; labels: task -> counts, edges."""
    figure, axes = _figure(len(labels), 4, 3)
    for ax, (task, (counts, edges)) in zip(axes, labels.items()):
        ax.stairs(counts, edges, fill=True)
        ax.set_title(task, fontsize=10)
        ax.set_xlabel("Label")
        ax.set_ylabel("Training rows")
        ax.spines[["top", "right"]].set_visible(False)
    save_figure(axes[0], path, dpi=120)


def save_parity(heldout: pd.DataFrame, path: Path) -> None:
    """Write predictions against the truth of each task of a held-out table.

    For labels of 0 and 1 it shows the distributions of the predictions of both classes; where there
    are windows beside the peaks, the peaks alone and all windows.
    """
    from cisweep.plot.curves import plot_parity

    tables = {"": heldout}
    if "peak" in heldout and heldout["peak"].nunique() > 1:
        tables = {" of peaks": heldout[heldout["peak"]], " with negatives": heldout}
    panels = [
        (task, task + suffix, table)
        for task in held_out_tasks(heldout)
        for suffix, table in tables.items()
        if table[f"{task}_observed"].notna().sum() > 1
    ]
    figure, axes = _figure(len(panels), 5, 5)
    for ax, (task, title, table) in zip(axes, panels):
        truth, guess = table[f"{task}_observed"], table[f"{task}_predicted"]
        if set(truth.dropna().unique()) <= {0.0, 1.0}:
            bins = np.histogram_bin_edges(guess.dropna(), 60)
            for label in (0, 1):
                values = guess[truth == label]
                ax.hist(
                    values, bins, density=True, alpha=0.6, label=f"label {label}, n {len(values)}"
                )
            ax.set_title(title, fontsize=10)
            ax.set_xlabel("Predicted logit")
            ax.set_ylabel("Density")
            # Room for the legend above the bars.
            ax.set_ylim(top=1.2 * ax.get_ylim()[1])
            ax.legend(frameon=False, loc="upper right", ncols=2, fontsize=9)
            ax.spines[["top", "right"]].set_visible(False)
        else:
            plot_parity(truth, guess, ax=ax, label=title)
    save_figure(axes[0], path, dpi=120)


def save_calibration(rows: list[dict[str, Any]], path: Path) -> None:
    """Write the mean observed against the mean predicted value of each bin, fold and task.

    rows: task, fold, n, predicted, observed; the area of a point grows with its rows.
    """
    table = pd.DataFrame(rows)
    tasks = list(table["task"].unique())
    figure, axes = _figure(len(tasks), 4, 4)
    for ax, task in zip(axes, tasks):
        own = table[table["task"] == task]
        means = own[["predicted", "observed"]].to_numpy()
        ends = [means.min(), means.max()]
        ax.plot(ends, ends, color="0.5", linewidth=1, linestyle="--", zorder=0.5)
        for fold, part in own.groupby("fold"):
            size = 10 + 60 * np.sqrt(part["n"] / own["n"].max())
            ax.plot(part["predicted"], part["observed"], linewidth=1, label=f"fold {fold}")
            ax.scatter(part["predicted"], part["observed"], s=size)
        if own["fold"].nunique() > 1:
            ax.legend(frameon=False)
        ax.set_title(task, fontsize=10)
        ax.set_xlabel("Mean predicted")
        ax.set_ylabel("Mean observed")
        ax.spines[["top", "right"]].set_visible(False)
    save_figure(axes[0], path, dpi=120)


def held_out_tasks(heldout: pd.DataFrame) -> list[str]:
    """Return the tasks of a held-out table, whose columns are <task>_observed, <task>_predicted."""
    return [str(c).removesuffix("_observed") for c in heldout if str(c).endswith("_observed")]


def save_filters(matrices: dict[str, np.ndarray], kind: str, path: Path) -> None:
    """Write first-layer filters: matrices (4, width) as `pwm` logos, weights as a `heatmap`."""
    from cisweep.plot.filters import plot_filters

    shown = dict(list(matrices.items())[:_MOST_FILTERS])
    columns = 8
    from matplotlib.figure import Figure

    rows = max(-(-len(shown) // columns), 1)
    figure = Figure(figsize=(1.9 * columns, 1.3 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for unused in axes[len(shown) :]:
        unused.set_axis_off()
    if shown:
        plot_filters(shown, axs=list(axes[: len(shown)]), kind=kind)
    else:
        figure.suptitle("this model has no convolution that reads the sequence")
    save_figure(axes[0], path, dpi=120)


def training_figures(
    name: str, records: list[dict[str, Any]], heldout: pd.DataFrame, weights: Path
) -> dict[str, Callable[[Path], None]]:
    """Return figure -> the function that writes it to a path.

    Parameters
    ----------
    name: id of the model. records: evidence of each fold. heldout: rows of all folds.
    weights: safetensors of the first fold, whose filters are shown.
    """
    from cisweep.plot.interactive import parity_page

    first = records[0]
    matched = {row["filter"]: f"\n{row['motif']}" for row in first["filters"] if row["motif"]}
    used = {
        f"{key} n {row['sites']}{matched.get(key, '')}": np.array(row["matrix"])
        for key, row in first["matrices"].items()
        if row["sites"]
    }
    calibration = [{"fold": i} | row for i, r in enumerate(records) for row in r["calibration"]]
    histories = {f"fold {i}": r["history"] for i, r in enumerate(records)}
    page = parity_page(heldout, held_out_tasks(heldout), f"{name}: held-out predictions")
    return {
        "loss.svg": lambda path: save_loss(histories, path),
        "labels.svg": lambda path: save_labels(first["labels"], path),
        "parity.svg": lambda path: save_parity(heldout, path),
        "calibration.svg": lambda path: save_calibration(calibration, path),
        "parity.html": lambda path: path.write_text(page) and None,
        "filters.svg": lambda path: save_filters(used, "pwm", path),
        "filter_weights.svg": lambda path: save_filters(
            _filter_weights(first, weights), "heatmap", path
        ),
    }


def _filter_weights(record: dict[str, Any], weights: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    layer = record["summary"].get("first_convolution")
    if layer is None:
        return {}
    return {f"filter_{i}": w for i, w in enumerate(load_file(weights)[f"{layer}.weight"])}
