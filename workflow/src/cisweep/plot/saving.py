"""Writing figures: no date, fixed ids, a layout that is the same each time; copies and data."""

from pathlib import Path
from typing import Any

import numpy as np

from cisweep.contracts import FIGURE_COPIES
from cisweep.plot.figure_data import figure_data

_METADATA: dict[str, dict[str, None]] = {
    ".svg": {"Date": None},
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None},
}


def save_figure(ax: Any, path: Any, dpi: int = 150) -> None:
    """Write the axis's figure; the same figure has the same bytes each time.

    ax: any axis of the figure; path: its ending says the format, and an SVG gets its FIGURE_COPIES
    beside it; dpi: of a PNG.
    """
    import matplotlib

    path = Path(path)
    with matplotlib.rc_context({"svg.hashsalt": "cisweep"}):
        _as_written(ax.figure)
        _settle(ax.figure)
        for end in (path.suffix, *(FIGURE_COPIES if path.suffix == ".svg" else ())):
            if end.endswith(".tsv"):
                data = figure_data(ax.figure)
                data.to_csv(path.with_suffix(end), sep="\t", index=False, float_format="%.6g")
            else:
                copy = path.with_suffix(end)
                ax.figure.savefig(copy, metadata=_METADATA.get(end), dpi=dpi)


def _as_written(figure: Any) -> None:
    """Let a $ of a name be a $: to matplotlib text between two of them is mathematics.

    Numbers that matplotlib itself writes along an axis, as powers of ten, are mathematics.
    """
    from matplotlib.axis import Axis
    from matplotlib.text import Text
    from matplotlib.ticker import FixedFormatter, FuncFormatter

    own = {
        text
        for axis in figure.findobj(Axis)
        if not isinstance(axis.get_major_formatter(), FixedFormatter | FuncFormatter)
        for text in (*(t for ticks in _ticks(axis) for t in ticks), axis.get_offset_text())
    }
    for text in figure.findobj(Text):
        if text not in own:
            text.set_parse_math(False)


def _ticks(axis: Any) -> list[tuple[Any, Any]]:
    return [(t.label1, t.label2) for t in (*axis.get_major_ticks(), *axis.get_minor_ticks())]


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
