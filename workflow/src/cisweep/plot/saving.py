"""Writing figures: no date, fixed ids, a layout that is the same each time."""

from pathlib import Path
from typing import Any

import numpy as np


def save_figure(ax: Any, path: Any, dpi: int = 150) -> None:
    """Write the axis's figure; the same figure has the same bytes each time.

    ax: any axis of the figure; path: its ending says the format; dpi: of a PNG.
    """
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "cisweep"}):
        _settle(ax.figure)
        metadata = {".svg": {"Date": None}, ".png": {"Software": None}}.get(Path(path).suffix)
        ax.figure.savefig(path, metadata=metadata, dpi=dpi)


def _settle(figure: Any) -> None:
    """Lay the figure out once and round the places of its axes.

    The constrained layout's solver sorts by addresses in memory, so that the last bits of what it
    finds, and with them bytes of an SVG, differ from one figure to the next.
    """
    from matplotlib.transforms import Bbox

    if figure.get_layout_engine() is None:
        return
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for ax in figure.axes:
        ax.set_position(Bbox(np.round(ax.get_position(original=True).get_points(), 5)))
