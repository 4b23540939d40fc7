"""Attribution logos of both alleles of variants, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cisweep.plot.logo import plot_logo
from cisweep.plot.saving import save_figure

_MARK = "#ffe9a8"


@dataclass(frozen=True)
class AlleleLogo:
    """One variant: a title, and the attributions (4, W) of both alleles' windows.

    ref_span, alt_span: where the allele stands in its window, [start, end), equal for one without
    bases; letters: of both windows, to stand below; note: what else is to be said of the alternate
    allele.
    """

    title: str
    ref: np.ndarray
    alt: np.ndarray
    ref_span: tuple[int, int] = (0, 0)
    alt_span: tuple[int, int] = (0, 0)
    letters: tuple[str, str] = ("", "")
    note: str = ""


def save_allele_logos(
    logos: Sequence[AlleleLogo], path: Path, *, name: str = "", show_bp: int = 60
) -> None:
    """Write a figure with two logos a variant, on one scale, the middle `show_bp` of the windows.

    The allele is marked, the bases stand below. name: of the target. A figure without variants
    says so.
    """
    from matplotlib.figure import Figure

    n = max(1, len(logos))
    figure = Figure(figsize=(13, 2.1 * n), layout="constrained")
    axes = figure.subplots(n, 2, squeeze=False)
    for line, logo in zip(axes, logos):
        _draw(logo, line, show_bp)
        line[0].set_ylabel(f"attribution\n{name}".strip(), fontsize=7)
    if not logos:
        axes[0, 0].set_title("no variants")
        for ax in axes[0]:
            ax.set_axis_off()
    save_figure(axes[0, 0], path)


def _draw(logo: AlleleLogo, axes: Sequence, show_bp: int) -> None:
    width = logo.ref.shape[1]
    low = max(0, width // 2 - show_bp // 2)
    span = slice(low, min(width, low + show_bp))
    both = np.stack([logo.ref[:, span], logo.alt[:, span]])
    # Positive and negative letters are stacked apart; with room to see that they are whole.
    limits = (1.05 * np.minimum(both, 0).sum(1).min(), 1.05 * np.maximum(both, 0).sum(1).max())
    limits = limits if limits[0] < limits[1] else (0.0, 1.0)
    spans = (logo.ref_span, logo.alt_span)
    for ax, values, (start, end), letters in zip(axes, both, spans, logo.letters):
        plot_logo(values, ax=ax, ylim=limits)
        # A thin line, where the allele has no base of its own.
        left, right = (start - low, end - low) if end > start else (start - low - 0.1,) * 2
        ax.axvspan(left, max(right, left + 0.2), color=_MARK, lw=0, zorder=0)
        shown = letters[span]
        ax.set_xticks(np.arange(len(shown)) + 0.5, list(shown))
        ax.tick_params(axis="x", length=0, pad=1, labelsize=5.5, colors="0.35")
        ax.tick_params(axis="y", labelsize=6)
        ax.axhline(0, color="0.8", lw=0.5, zorder=0)
    axes[0].set_title(f"{logo.title}: reference", fontsize=8, loc="left")
    note = f" — {logo.note}" if logo.note else ""
    axes[1].set_title(f"alternate{note}", fontsize=8, loc="left")
