"""Figures of effects: volcano, groups, spacing curves, ranked motifs, embeddings."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cisweep.config.model import MANY_TARGETS
from cisweep.plot.saving import save_figure


def plot_volcano(
    effect: np.ndarray,
    significance: np.ndarray,
    labels: Sequence[str] | None = None,
    *,
    n_labels: int = 6,
    effect_name: str = "effect",
    significance_name: str = "-log10 p",
    activity: np.ndarray | None = None,
    ax: Any = None,
) -> Any:
    """Return an axis with one point a variant: effect against significance (or activity).

    effect, significance: (V,); labels: names of which those of the n_labels largest |effect| are
    written; activity: (V,) ranks from 0 to 1, shown as colours. Points that are not finite are left
    out.
    """
    ax = _axis(ax)
    effect, significance = np.asarray(effect, float), np.asarray(significance, float)
    ok = np.isfinite(effect) & np.isfinite(significance)
    # Rasterised, so that a million variants do not make a million paths.
    style: dict[str, Any] = {"s": 12, "alpha": 0.7, "linewidths": 0, "rasterized": True}
    if activity is None:
        ax.scatter(effect[ok], significance[ok], **style)
    else:
        style |= {"c": np.asarray(activity, float)[ok], "cmap": "viridis_r", "vmin": 0, "vmax": 1}
        points = ax.scatter(effect[ok], significance[ok], **style)
        bar = ax.figure.colorbar(points, ax=ax, shrink=0.7, aspect=18, pad=0.02)
        bar.set_label("active allele's rank among peaks", fontsize=8)
        bar.ax.tick_params(labelsize=7)
    ax.axvline(0, color="0.7", lw=0.8, zorder=0)
    if labels is not None:
        order = np.argsort(-np.where(ok, np.abs(effect), -1), kind="stable")[:n_labels]
        _name_points(ax, effect, significance, labels, order[ok[order]])
    ax.set_xlabel(effect_name)
    ax.set_ylabel(significance_name)
    return ax


def _name_points(
    ax: Any, x: np.ndarray, y: np.ndarray, labels: Sequence[str], rows: np.ndarray
) -> None:
    """Write the names of points in two lists above them, left and right, each with a line to its
    point: the strongest often lie side by side, where names would hide each other."""
    sides = ([i for i in rows if x[i] < 0], [i for i in rows if x[i] >= 0])
    lines = max(map(len, sides))
    if not lines:
        return
    low, high = ax.get_ylim()
    step = 0.055
    ax.set_ylim(low, low + (high - low) / (1 - step * (lines + 0.5)))
    for side, at, align in zip(sides, (0.02, 0.98), ("left", "right")):
        # The outermost point has the lowest name, so that lines do not cross.
        for k, i in enumerate(sorted(side, key=lambda i: abs(x[i]))):
            ax.annotate(
                labels[i], (x[i], y[i]), xytext=(at, 1 - step * (k + 0.7)),
                textcoords="axes fraction", ha=align, va="center", fontsize=6.5,
                arrowprops={"arrowstyle": "-", "lw": 0.4, "color": "0.6"},
            )  # fmt: skip


def plot_groups(
    values: np.ndarray, groups: Sequence[str], *, value_name: str = "distance", ax: Any = None
) -> Any:
    """Return an axis with a box and the points of each group, groups in order of appearance."""
    ax = _axis(ax)
    names = list(dict.fromkeys(groups))
    parts = [np.asarray(values, float)[[g == name for g in groups]] for name in names]
    parts = [p[np.isfinite(p)] for p in parts]
    ax.boxplot(parts, showfliers=False)
    for i, part in enumerate(parts, 1):
        # Spread evenly instead of at random, so that the figure is the same each time.
        spread = np.linspace(-0.2, 0.2, len(part)) if len(part) > 1 else np.zeros(len(part))
        ax.scatter(i + spread, part, s=5, alpha=0.4, linewidths=0, rasterized=True)
    ax.set_xticks(range(1, len(names) + 1), [f"{n}\n(n = {len(p)})" for n, p in zip(names, parts)])
    ax.set_ylabel(value_name)
    return ax


def plot_embeddings(points: np.ndarray, groups: Sequence[str], *, ax: Any = None) -> Any:
    """Return an axis with points (N, 2), one colour a group."""
    ax = _axis(ax)
    for name in dict.fromkeys(groups):
        mine = np.array([g == name for g in groups])
        ax.scatter(*points[mine].T, s=10, alpha=0.6, linewidths=0, label=name or "all")
    ax.set_xlabel("principal component 1")
    ax.set_ylabel("principal component 2")
    if len(set(groups)) > 1:
        ax.legend(frameon=False, fontsize=7)
    return ax


def plot_spacing(
    distances: np.ndarray,
    effects: dict[str, np.ndarray],
    intervals: dict[str, np.ndarray] | None = None,
    *,
    ax: Any = None,
) -> Any:
    """Return an axis with one curve an arrangement, over the distance of two motifs.

    distances: (D,) bp; effects: name -> (D,); intervals: name -> (2, D) low and high.
    """
    ax = _axis(ax)
    for name, values in effects.items():
        (line,) = ax.plot(distances, values, label=name, lw=1, marker="o", ms=2.5)
        if intervals is not None:
            ax.fill_between(distances, *intervals[name], color=line.get_color(), alpha=0.15, lw=0)
    ax.set_xlabel("distance between the motifs (bp)")
    ax.set_ylabel("effect")
    ax.legend(frameon=False, fontsize=7)
    return ax


def plot_ranked(
    names: Sequence[str], effects: np.ndarray, intervals: np.ndarray, *, ax: Any = None
) -> Any:
    """Return an axis with effects as points with intervals, the first one on top.

    names: (M,); effects: (M,); intervals: (2, M) low and high.
    """
    ax = _axis(ax)
    x, (low, high) = np.asarray(effects)[::-1], np.asarray(intervals)[:, ::-1]
    ax.errorbar(x, range(len(x)), xerr=[x - low, high - x], fmt="o", ms=3, lw=1)
    ax.set_yticks(range(len(x)), list(names)[::-1], fontsize=6)
    ax.axvline(0, color="0.7", lw=0.8, zorder=0)
    ax.set_xlabel("effect")
    return ax


def ranked_figure(table: Any, path: Any, *, losses: bool = False, n: int = 15) -> None:
    """Write one panel per target: the n motifs that rank first, with their intervals; of many
    targets, the first MANY_TARGETS.

    table: columns motif, name, target, n, effect, ci_low, ci_high, rank; losses: a table of
    ablations, whose differences from random spans (difference, difference_ci_low,
    difference_ci_high) are negative and drawn as what is lost beyond these.
    """
    drawn = ["effect", "ci_low", "ci_high"]
    if losses:
        drawn = ["difference", "difference_ci_low", "difference_ci_high"]
    targets = list(dict.fromkeys(table["target"]))[:MANY_TARGETS]
    axes = _panels(1, max(1, len(targets)), (4.5, 0.2 * n + 1))
    for ax, target in zip(axes[0], targets):
        rows = table[(table["target"] == target) & (table["rank"] <= n)].sort_values("rank")
        names = [f"{a} {b}".strip() for a, b in zip(rows["name"], rows["motif"])]
        if losses:
            names = [f"{name} (n = {k})" for name, k in zip(names, rows["n"])]
        sign = -1 if losses else 1
        ends = [sign * rows[c].to_numpy(float) for c in drawn[1:][::sign]]
        plot_ranked(names, sign * rows[drawn[0]].to_numpy(float), ends, ax=ax)
        ax.set_title(target)
        ax.set_xlabel("loss of prediction beyond random spans" if losses else "effect")
    save_figure(axes[0, 0], path)


def spacing_figure(table: Any, path: Any) -> None:
    """Write one panel per target and pair: effect over distance, with bands of confidence; of many
    targets, the first MANY_TARGETS.

    table: columns motif_a, name_a, motif_b, name_b, orientation, distance_bp, target, effect,
    ci_low, ci_high.
    """
    targets = list(dict.fromkeys(table["target"]))[:MANY_TARGETS]
    pairs = list(dict.fromkeys(zip(table["motif_a"], table["motif_b"])))
    axes = _panels(len(pairs), len(targets), (4.5, 3))
    for line, (a, b) in zip(axes, pairs):
        for ax, target in zip(line, targets):
            keep = (table["motif_a"] == a) & (table["motif_b"] == b) & (table["target"] == target)
            groups = {o: rows for o, rows in table[keep].groupby("orientation", sort=False)}
            first = table[keep].iloc[0]
            plot_spacing(
                next(iter(groups.values()))["distance_bp"].to_numpy(),
                {o: rows["effect"].to_numpy() for o, rows in groups.items()},
                {o: rows[["ci_low", "ci_high"]].to_numpy().T for o, rows in groups.items()},
                ax=ax,
            )
            ax.set_title(f"{first['name_a'] or a}, {first['name_b'] or b}: {target}", fontsize=8)
    save_figure(axes[0, 0], path)


def _panels(n_rows: int, n_columns: int, size: tuple[float, float]) -> np.ndarray:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size[0] * n_columns, size[1] * n_rows), layout="constrained")
    return figure.subplots(n_rows, n_columns, squeeze=False)


def _axis(ax: Any) -> Any:
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    return Figure(figsize=(5, 4), layout="constrained").subplots()
