"""The page's own figures, as files: predictions, strongest regions, edits, before and after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cisweep.plot.letters import LETTER_COLORS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class DrawnRegion:
    """A window to draw: title, first base (0-based), attributions (W,), and the stretch [low, high)
    of it that is shown as letters, logo (4, high - low), with what lies in it.

    spans: motif_name, start, end (in the stretch), score.
    """

    title: str
    start: int
    attributions: np.ndarray
    stretch: tuple[int, int]
    logo: np.ndarray
    spans: "pd.DataFrame"


def draw_nothing(text: str) -> "Axes":
    """Return axes that say why there is nothing to draw."""
    (ax,) = _panels(1, (6, 1))
    ax.set_axis_off()
    ax.text(0.5, 0.5, text, ha="center", va="center")
    return ax


def draw_histograms(
    values: Mapping[str, np.ndarray], units: Mapping[str, str], marks: Mapping[str, Sequence[float]]
) -> "Axes":
    """Return axes with the predictions (N,) of each target, on a log axis of counts.

    marks: vertical lines of a target, in its unit.
    """
    axes = _panels(len(values), (8, 2.6))
    for ax, (target, found) in zip(axes, values.items()):
        ax.hist(found[np.isfinite(found)], bins=80, color="#2563a8", log=True)
        for at in marks.get(target, ()):
            ax.axvline(at, color="#b4432f", lw=1, ls="--")
        ax.set_title(target, fontsize=10)
        ax.set_xlabel(f"Prediction ({units[target]})")
        ax.set_ylabel("Windows")
        ax.spines[["top", "right"]].set_visible(False)
    return axes[0]


def draw_regions(regions: Sequence[DrawnRegion], unit: str) -> "Axes":
    """Return axes with the attributions of each window, and below them its letters."""
    from cisweep.plot.logo import plot_logo

    axes = _panels(2 * len(regions), (10, 1.6), between=0.5, heights=[1, 1.6] * len(regions))
    for track, letters, region in zip(axes[::2], axes[1::2], regions):
        places = region.start + 1 + np.arange(len(region.attributions))
        track.plot(places, region.attributions, drawstyle="steps-mid", lw=0.8, color="#2563a8")
        low, high = region.stretch
        track.axvspan(places[low], places[high - 1], color="#fdf3d8", zorder=0)
        track.axhline(0, color="0.8", lw=0.5, zorder=0.5)
        track.set_title(region.title, fontsize=9, loc="left")
        track.margins(x=0)
        track.locator_params(axis="x", nbins=4)
        track.ticklabel_format(axis="x", useOffset=False, style="plain")
        plot_logo(region.logo, ax=letters, annotations=region.spans, show_score=False)
        letters.set_title(f"from {places[low]:,}", fontsize=8, loc="left")
        letters.set_xticks([])
        letters.set_xlabel("")
        for ax in (track, letters):
            ax.set_ylabel(unit, fontsize=7)
            ax.tick_params(labelsize=7)
            ax.locator_params(axis="y", nbins=3)
            ax.spines[["top", "right"]].set_visible(False)
    return axes[0]


def draw_edits(rows: Sequence[tuple[str, Sequence[tuple[int, str, str]]]], length: int) -> "Axes":
    """Return axes with a line a design: its name, and the new base of each edit at its place.

    rows: (name, edits (position in the window, old base, new base)).
    """
    (ax,) = _panels(1, (10, 1 + 0.3 * len(rows)), left=2.4)
    lines = range(len(rows))
    ax.hlines(lines, 0, length, color="0.85", lw=0.6, zorder=0)
    for base in "ACGT":
        at = [
            (i + 1, y) for y, (_, edits) in zip(lines, rows) for i, _, new in edits if new == base
        ]
        if at:
            x, y = zip(*at)
            ax.scatter(x, y, marker=f"${base}$", s=40, color=LETTER_COLORS[base], label=base, lw=0)
    ax.set_yticks(lines, [name for name, _ in rows], fontsize=7)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlabel("Base of the window")
    ax.spines[["top", "right", "left"]].set_visible(False)
    return ax


def draw_changes(panels: Sequence[tuple[str, np.ndarray, np.ndarray, float | None]]) -> "Axes":
    """Return axes with a point a design: its prediction before (x) and after (y).

    panels: (title, before (N,), after (N,), what is wanted or None).
    """
    axes = _panels(len(panels), (5, 4.4))
    for ax, (title, before, after, wanted) in zip(axes, panels):
        known = np.isfinite(before) & np.isfinite(after)
        before, after = before[known], after[known]
        ends = np.concatenate([before, after])
        if len(ends):
            ax.axline((ends.min(), ends.min()), slope=1, color="0.7", lw=0.8, ls="--", zorder=0)
        if wanted is not None:
            ax.axhline(wanted, color="0.3", lw=0.8, ls=":", zorder=0)
        ax.scatter(before, after, s=14, alpha=0.6, lw=0)
        ax.set_title(title, fontsize=10)
        ax.set_xlabel("Before")
        ax.set_ylabel("Pruned design")
        ax.spines[["top", "right"]].set_visible(False)
    return axes[0]


def _panels(
    n: int,
    size: tuple[float, float],
    *,
    left: float = 0.9,
    between: float = 0.8,
    heights: Sequence[float] | None = None,
) -> Any:
    """Return n axes, one below the other, each in a place of a size, in inches.

    left: room for the labels of y; between: for title and labels of x. No layout is sought, which
    takes longer than to draw so many axes.
    """
    from matplotlib.figure import Figure

    n = max(n, 1)
    width, height = size[0], size[1] * n
    figure = Figure(figsize=(width, height))
    figure.subplots_adjust(
        left=left / width,
        right=1 - 0.15 / width,
        top=1 - 0.35 / height,
        bottom=min(0.55 / height, 0.4),
        hspace=between / max(size[1] - between, 0.2),
    )
    ratios = {} if heights is None else {"height_ratios": heights}
    return figure.subplots(n, 1, squeeze=False, gridspec_kw=ratios).ravel()
