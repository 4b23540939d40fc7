"""Attribution logos of both alleles of variants, one above the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cisweep.plot.effects import save_figure
from cisweep.plot.logo import plot_logo


@dataclass(frozen=True)
class AlleleLogo:
    """One variant: a title, and the attributions (4, W) of both alleles' windows."""

    title: str
    ref: np.ndarray
    alt: np.ndarray


def save_allele_logos(logos: Sequence[AlleleLogo], path: Path, *, show_bp: int = 60) -> None:
    """Write a figure with two logos a variant, on one scale, the middle `show_bp` of the windows.

    A figure without variants says so.
    """
    from matplotlib.figure import Figure

    n = max(1, len(logos))
    figure = Figure(figsize=(11, 2.2 * n), layout="constrained")
    axes = figure.subplots(n, 2, squeeze=False)
    for line, logo in zip(axes, logos):
        width = logo.ref.shape[1]
        low = max(0, width // 2 - show_bp // 2)
        span = slice(low, min(width, low + show_bp))
        both = np.stack([logo.ref[:, span], logo.alt[:, span]])
        # Positive and negative letters are stacked apart; with room to see that they are whole.
        limits = (1.05 * np.minimum(both, 0).sum(1).min(), 1.05 * np.maximum(both, 0).sum(1).max())
        limits = limits if limits[0] < limits[1] else (0.0, 1.0)
        for ax, values, name in zip(line, both, ("reference", "alternate")):
            plot_logo(values, ax=ax, ylim=limits)
            ax.set_title(f"{logo.title}, {name}", fontsize=7)
            ax.tick_params(labelsize=6)
    if not logos:
        axes[0, 0].set_title("no variants")
    save_figure(axes[0, 0], path)
