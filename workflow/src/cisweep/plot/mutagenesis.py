"""Saturation mutagenesis as a figure: a heat map of the substitutions, a logo above it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cisweep.plot.letters import as_array
from cisweep.plot.logo import ACGT, plot_logo
from cisweep.plot.saving import save_figure

_LONGEST_BP = 200  # that a panel shows: longer spans are cut to the stretch with the most effect


@dataclass(frozen=True)
class MutatedRegion:
    """One region: a title, the effects (4, S) of all substitutions, the attributions (S,) of the
    observed bases, and these as one_hot (4, S)."""

    title: str
    effects: np.ndarray
    attributions: np.ndarray
    one_hot: np.ndarray

    def part(self, span: slice) -> "MutatedRegion":
        """Return the positions of a span."""
        return MutatedRegion(
            self.title, self.effects[:, span], self.attributions[span], self.one_hot[:, span]
        )


def plot_mutagenesis(
    effects: Any, one_hot: Any = None, ax: Any = None, limit: float | None = None
) -> Any:
    """Return the image of the effects (4, S) of all substitutions, A at the top.

    Red raises the prediction, blue lowers it. one_hot: (4, S) observed bases, marked by dots;
    limit: the value at full colour, None for the largest.
    """
    from matplotlib.figure import Figure

    ax = Figure(figsize=(10, 1.6), layout="constrained").subplots() if ax is None else ax
    values = as_array(effects, "effects", 2)
    limit = float(np.abs(values).max(initial=0.0)) if limit is None else limit
    limit = limit or 1.0
    image = ax.imshow(
        values, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest",
        extent=(0, values.shape[1], 4, 0),
    )  # fmt: skip
    if one_hot is not None:
        row, column = np.nonzero(as_array(one_hot, "one_hot", 2))
        ax.scatter(column + 0.5, row + 0.5, s=1.5, color="0.45", linewidths=0)
    ax.set_yticks(np.arange(4) + 0.5, ACGT)
    ax.tick_params(axis="y", length=0)
    return image


def busiest(effects: np.ndarray, length: int) -> slice:
    """Return the `length` positions of effects (4, S) with the largest summed |effect|."""
    size = np.abs(effects).sum(axis=0)
    if len(size) <= length:
        return slice(0, len(size))
    total = np.convolve(size, np.ones(length), "valid")
    first = int(total.argmax())
    return slice(first, first + length)


def save_mutagenesis(regions: Sequence[MutatedRegion], path: Any, *, name: str = "") -> None:
    """Write a figure with a logo and a heat map for each region, all on one scale of colours.

    name: of the target. A figure without regions says so.
    """
    from matplotlib.figure import Figure

    n = max(1, len(regions))
    figure = Figure(figsize=(13, 2.9 * n), layout="constrained")
    ratios = {"height_ratios": [1.5, 1] * n}
    axes = figure.subplots(2 * n, 1, squeeze=False, gridspec_kw=ratios)[:, 0]
    spans = [busiest(region.effects, _LONGEST_BP) for region in regions]
    shown = [np.abs(region.effects[:, span]) for region, span in zip(regions, spans)]
    limit = max((float(part.max(initial=0.0)) for part in shown), default=0.0)
    for i, (region, span) in enumerate(zip(regions, spans)):
        _draw(region.part(span), span.start, axes[2 * i : 2 * i + 2], name, limit)
    if regions:
        axes[-1].set_xlabel("position in the mutated span (bp)", fontsize=10)
    else:
        axes[0].set_title("no regions")
        for ax in axes:
            ax.set_axis_off()
    save_figure(axes[0], path)


def _draw(part: MutatedRegion, first: int, axes: Any, name: str, limit: float) -> None:
    """Draw the shown part of a region; first: its position in the mutated span."""
    above, below = axes
    plot_logo(part.attributions * part.one_hot, ax=above)
    above.set_title(part.title, fontsize=11, loc="left")
    above.set_ylabel("base less mean\nof the four", fontsize=9)
    above.set_xlim(0, len(part.attributions))
    above.tick_params(labelsize=9, bottom=False, labelbottom=False)
    image = plot_mutagenesis(part.effects, part.one_hot, below, limit)
    below.tick_params(labelsize=9)
    below.xaxis.set_major_formatter(lambda x, _: f"{x + first:g}")
    bar = above.figure.colorbar(image, ax=[above, below], shrink=0.5, aspect=14, pad=0.01)
    bar.set_label(f"change of {name}".strip(), fontsize=9)
    bar.ax.tick_params(labelsize=8)
