"""Logos of discovered motifs: mean attributions and bits, as they read on both strands."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cisweep.plot.logo import plot_logo, plot_pwm
from cisweep.plot.saving import save_figure


@dataclass(frozen=True)
class FoundLogo:
    """A found motif: title, probabilities and mean attributions, (4, width) each, A C G T."""

    title: str
    probabilities: np.ndarray
    contributions: np.ndarray


def save_found_logos(logos: Sequence[FoundLogo], path: Path, *, n: int = 30) -> None:
    """Write a row per motif (the first n): attributions and bits, forward and reverse complement.

    A figure without motifs says so.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    shown = logos[:n]
    figure = Figure(figsize=(14, 1.9 * max(1, len(shown))), layout="constrained")
    axes = figure.subplots(max(1, len(shown)), 4, squeeze=False)
    for line, logo in zip(axes, shown):
        for k, (strand, turn) in enumerate((("forward", 1), ("reverse complement", -1))):
            ax = plot_logo(logo.contributions[::turn, ::turn], ax=line[k])
            ax.set_title(f"{logo.title}, {strand}", fontsize=7)
            ax.set_ylabel("mean attribution", fontsize=6)
            ax = plot_pwm(logo.probabilities[::turn, ::turn], ax=line[2 + k])
            ax.set_title(strand, fontsize=7)
            ax.set_ylabel("bits", fontsize=6)
            ax.set_xlabel("")
        for ax in line:
            ax.tick_params(labelsize=6)
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if not shown:
        for ax in axes[0]:
            ax.set_axis_off()
        axes[0, 0].set_title("no motifs were found", loc="left")
    elif len(logos) > n:
        figure.suptitle(f"the first {n} of {len(logos)} motifs", fontsize=8)
    save_figure(axes[0, 0], path)
