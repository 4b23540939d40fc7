"""Figures of the design step, from its table and histories."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cisweep.plot.curves import plot_loss
from cisweep.plot.edits import plot_edits, plot_history
from cisweep.plot.effects import plot_groups

SHOWN = 6
"""Designs that have a panel each."""


def plot_goals(table: pd.DataFrame, ax: Any) -> Any:
    """Return axes with histograms of one target's predictions before, after, and the goals.

    `table`: rows of designs.parquet of one model and target, of the Ledidi designs.
    """
    values = table[["before", "after", "after_pruned", "wanted"]].to_numpy(float)
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 0.0)
    beside = max(1 - (high - low) / 2, 1e-9)  # predictions that stay are not blown up
    bins = np.linspace(low - beside, high + beside, 30)
    for column, label in (("before", "start"), ("after", "designed"), ("after_pruned", "pruned")):
        ax.hist(table[column].dropna(), bins=bins, alpha=0.6, label=label)
    for i, goal in enumerate(_common_goals(table)):
        ax.axvline(goal, color="black", lw=0.8, label="goal" if i == 0 else None)
    ax.set_xlabel("Prediction")
    ax.set_ylabel("Designs")
    ax.legend(frameon=False, fontsize=7)
    return ax


def _common_goals(table: pd.DataFrame) -> list[float]:
    """Return what is wanted, without what is to stay: that is as many goals as designs."""
    return sorted(set(table.loc[table["kind"] != "keep", "wanted"].dropna().round(6)))


def plot_pruning(table: pd.DataFrame, ax: Any) -> Any:
    """Return axes with the prediction of each design against the edits that are kept.

    The dot is where pruning stopped; dotted lines are the goals. `table` as in `plot_goals`.
    """
    for i, row in enumerate(table.itertuples()):
        color = f"C{i % 10}"
        ax.plot(row.curve_edits, row.curve_predictions, color=color, lw=0.8)
        ax.plot(row.n_edits_pruned, row.after_pruned, "o", color=color, ms=3)
    for goal in _common_goals(table):
        ax.axhline(goal, color="black", lw=0.6, ls=":")
    ax.set_xlabel("Edits kept")
    ax.set_ylabel("Prediction")
    return ax


def plot_kept_edits(edits: pd.DataFrame, ax: Any) -> Any:
    """Return axes with the attributions of the edits that pruning kept, beside those it took back.

    `edits`: columns kept (bool) and attribution, one row an edit (outputs/designs.py).
    """
    kept = edits["kept"].to_numpy(bool)
    values = edits["attribution"].to_numpy(float)
    ordered = np.concatenate([values[kept], values[~kept]])
    groups = ["kept"] * int(kept.sum()) + ["taken back"] * int((~kept).sum())
    ax.axhline(0, color="0.7", lw=0.8, zorder=0)
    if len(groups):
        plot_groups(ordered, groups, value_name="Attribution of the new base", ax=ax)
    return ax


def plot_hit_changes(changes: pd.DataFrame, ax: Any) -> Any:
    """Return axes with the mean change of hits of each motif, and of its decoys.

    `changes`: columns motif, change, decoys (analysis/sequence_design/motifs.py), most changed
    motif first.
    """
    at = np.arange(len(changes))[::-1]
    # Few motifs get no thicker bars, and the legend has room beneath the last one.
    ax.set_ylim(min(len(changes) - 8.0, -2.5), max(len(changes), 1) - 0.4)
    ax.barh(at, changes["change"].astype(float), height=0.7, color="C0", label="motif")
    ax.plot(changes["decoys"].astype(float), at, "D", color="black", ms=4, ls="",
            label="column-shuffled decoys")  # fmt: skip
    ax.axvline(0, color="0.4", lw=0.8)
    ax.set_yticks(at, list(changes["motif"]), fontsize=7)
    ax.margins(x=0.08)
    ax.set_xlabel("Hits gained per design")
    if len(changes):
        ax.legend(frameon=False, fontsize=7, loc="lower center", ncols=2)
    return ax


@dataclass(frozen=True)
class DesignFigures:
    """What the figures of the design step are drawn from."""

    table: pd.DataFrame
    """Rows of designs.parquet."""
    shown: Mapping[str, tuple[Mapping[str, Any], np.ndarray | None]]
    """History and attributions (3, length) of the designs that have a panel each."""
    edits: pd.DataFrame
    """As in `plot_kept_edits`."""
    changes: Mapping[str, pd.DataFrame]
    """Name of the goals -> as in `plot_hit_changes`."""


def design_figures(
    figures: DesignFigures, paths: Sequence[Path]
) -> list[tuple[Path, Callable[[], Any]]]:
    """Return (path, function that draws its figure); the stem of each path is its figure's name."""
    table, shown = figures.table, figures.shown
    own = table[(table["method"] == "ledidi") & (table["fault"] == "")]
    goals = [part for _, part in own[own["role"] == "goal"].groupby(
        ["goal", "model", "target"], sort=False)]  # fmt: skip
    histories = [(name, history) for name, (history, _) in shown.items() if history["total_loss"]]
    draw = {
        "loss": lambda: _panels(histories, lambda h, ax: plot_loss(h, ax)),
        "edits": lambda: _panels(histories, _edit_map),
        "goals": lambda: _panels([(_title(p), p) for p in goals], plot_goals),
        "pruning": lambda: _panels([(_title(p), p) for p in goals], plot_pruning),
        "kept": lambda: _panels([("", figures.edits)], plot_kept_edits),
        "hits": lambda: _panels(list(figures.changes.items()), plot_hit_changes),
        "logos": lambda: _logos(own, shown),
    }
    return [(path, draw[path.stem]) for path in map(Path, paths)]


def _edit_map(history: Mapping[str, Any], ax: Any) -> None:
    for points in plot_history(history, ax).collections:
        points.set_rasterized(True)  # a million dots would make an SVG of many MB


def _title(part: pd.DataFrame) -> str:
    kept = ", to keep" if (part["kind"] == "keep").all() else ""
    return f"{part['goal'].iloc[0]}: {part['model'].iloc[0]} {part['target'].iloc[0]}{kept}"


def _panels(items: list[tuple[str, Any]], draw: Any) -> Any:
    """Return one of the axes of a figure with a titled panel for each item."""
    from matplotlib.figure import Figure

    n = max(len(items), 1)
    figure = Figure(figsize=(4.2 * min(n, 3), 3.0 * -(-n // 3)), layout="constrained")
    axes = figure.subplots(-(-n // 3), min(n, 3), squeeze=False).ravel()
    for ax in axes[len(items) :]:
        ax.set_axis_off()
    for (title, item), ax in zip(items, axes):
        draw(item, ax)
        ax.set_title(title, fontsize=7)
    return axes[0]


def _logos(own: pd.DataFrame, shown: Mapping[str, tuple[Any, np.ndarray | None]]) -> Any:
    """Return axes of a figure with the logos of each design: before, designed, pruned."""
    from matplotlib.figure import Figure

    rows = own.drop_duplicates("design").set_index("design")
    parts = [(name, values) for name, (_, values) in shown.items() if values is not None]
    figure = Figure(figsize=(12, 3.6 * max(len(parts), 1)), layout="constrained")
    axes = figure.subplots(3 * max(len(parts), 1), 1, squeeze=False)[:, 0]
    if not parts:
        for ax in axes:
            ax.set_axis_off()
    for i, (name, values) in enumerate(parts):
        row = rows.loc[name]
        texts = (row.sequence_before, row.sequence_after, row.sequence_pruned)
        tracks = np.stack([_track(t, v) for t, v in zip(texts, values)])
        start, end = _span(texts)
        mine = list(axes[3 * i : 3 * i + 3])
        plot_edits(tracks[:1], tracks[1:], axs=mine, start=start, end=end)
        mine[0].set_title(f"{name}: before, designed, pruned", fontsize=8)
    return axes[0]


def _track(text: str, values: np.ndarray) -> np.ndarray:
    bases = np.frombuffer(text.encode(), np.uint8)
    return (np.frombuffer(b"ACGT", np.uint8)[:, None] == bases) * values


def _span(texts: Sequence[str]) -> tuple[int, int]:
    """Return the 160 bp with the most kept edits, which stand in their middle."""
    before, after = texts[0], texts[-1]
    at = [i for i, (a, b) in enumerate(zip(before, after)) if a != b] or [len(before) // 2]
    groups = [[q for q in at if p <= q < p + 160] for p in at]
    most = max(groups, key=len)
    length = len(before)
    start = max(0, min((most[0] + most[-1]) // 2 - 80, length - 160))
    return start, min(start + 160, length)
