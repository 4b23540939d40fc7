"""Clusters of motifs beside the targets that use them: a heat map with logos along its side."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cisweep.plot.logo import plot_pwm
from cisweep.plot.saving import save_figure

MOST_CLUSTERS = 30
MOST_NAMES = 80
"""Columns that still have room for their names."""


def save_cluster_map(
    values: np.ndarray,
    stars: np.ndarray,
    matrices: Sequence[np.ndarray],
    rows: Sequence[str],
    columns: Sequence[str],
    path: Path,
    none: str = "no motifs were found",
) -> None:
    """Write a heat map of clusters (C) and targets (T), alike ones side by side.

    values: (C, T) shares of a target's attribution, negative ones of its negative attribution, 0
    where there is nothing; stars: (C, T) bool, which are marked; matrices:
    (4, W) probabilities of each cluster, drawn as logos in bits. The first MOST_CLUSTERS clusters
    are shown. Colours reach to the 99th percentile of |values|. Without clusters the figure says
    `none`.
    """
    from matplotlib.figure import Figure

    n, n_all = min(len(matrices), MOST_CLUSTERS), len(matrices)
    if not n:
        figure = Figure(figsize=(5, 1.2), layout="constrained")
        ax = figure.subplots()
        ax.set_axis_off()
        ax.set_title(none, loc="left")
        save_figure(ax, path)
        return
    values, stars = np.asarray(values, float)[:n], np.asarray(stars, bool)[:n]
    down, along = leaf_order(values), leaf_order(values.T)
    wide = float(np.clip(0.3 * len(columns), 2, 14))
    figure = Figure(figsize=(6.5 + wide, 1.6 + 0.42 * n), layout="constrained")
    grid = figure.add_gridspec(n, 2, width_ratios=[3, wide])
    for line, row in enumerate(down):
        ax = plot_pwm(matrices[row], ax=figure.add_subplot(grid[line, 0]))
        ax.set_axis_off()
        ax.text(-0.02, 0.5, rows[row], transform=ax.transAxes, ha="right", va="center", fontsize=7)
    ax = figure.add_subplot(grid[:, 1])
    most = float(np.percentile(np.abs(values), 99)) or float(np.abs(values).max()) or 1.0
    shown = values[down][:, along]
    image = ax.imshow(shown, cmap="RdBu_r", vmin=-most, vmax=most, aspect="auto")
    at = np.argwhere(stars[down][:, along])
    ax.scatter(at[:, 1], at[:, 0], s=6, c="0.1", marker="o", linewidths=0)
    ax.set_yticks([])
    if len(columns) <= MOST_NAMES:
        names = [columns[i] for i in along]
        ax.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    else:
        ax.set_xticks([])
        ax.set_xlabel(f"{len(columns)} targets")
    bar = figure.colorbar(image, ax=ax, shrink=0.6, aspect=20, pad=0.02)
    bar.set_label("share of attribution", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    if n_all > n:
        figure.suptitle(f"the first {n} of {n_all}", fontsize=8)
    save_figure(ax, path)


def leaf_order(values: np.ndarray) -> np.ndarray:
    """Return the rows of values (N, M) in an order in which alike ones are neighbours.

    Leaves of average linkage on Euclidean distance, in optimal order (scipy); fewer than three
    rows, or more than 2,000, stay as they are.
    """
    if not 3 <= len(values) <= 2000:
        return np.arange(len(values))
    from scipy.cluster.hierarchy import leaves_list, linkage

    return leaves_list(linkage(values, "average", optimal_ordering=len(values) <= 300))
