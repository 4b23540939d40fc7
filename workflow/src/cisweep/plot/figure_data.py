"""The numbers that a figure shows, read from what is drawn."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["panel", "series", "kind", "x", "y", "value", "name"]


def keep_letters(ax: Any, matrix: np.ndarray, alphabet: Any, first: int) -> None:
    """Keep the heights (A, W) of a logo with its axis; first: position of the first column."""
    ax.logo_heights = [
        (letter, first + position, float(height))
        for letter, row in zip(alphabet, matrix)
        for position, height in enumerate(row)
        if height
    ]


def figure_data(figure: Any) -> "pd.DataFrame":
    """Return one row a point, bar, cell or letter of a matplotlib figure.

    Columns: panel (its title or axis labels, numbered where there are several), series (of the
    legend; the letter of a logo), kind (line, point, bar, cell, letter, band), x and y in the
    panel's units (of a cell its column and row, from 0; of a bar its middle and its end), value (of
    a cell, or of what a point's colour shows; of a bar its width), name (what the axis calls x or
    y, where it has words for numbers).
    """
    import pandas as pd

    axes = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
    rows = []
    for i, ax in enumerate(axes, 1):
        panel, x_names, y_names = _name(ax, i, len(axes)), _words(ax.xaxis), _words(ax.yaxis)
        for series, kind, x, y, value in _of_axis(ax):
            # Cells begin at whole numbers, and their names stand in the middle.
            beside = 0.5 if kind == "cell" else 0.0
            name = y_names.get(y + beside) or x_names.get(x + beside) or ""
            rows.append((panel, series, kind, x, y, value, name))
    return pd.DataFrame(rows, columns=COLUMNS)


def _name(ax: Any, i: int, n: int) -> str:
    title = next((t for loc in ("center", "left") if (t := ax.get_title(loc=loc))), "")
    name = title or " against ".join(filter(None, (ax.get_ylabel(), ax.get_xlabel())))
    return " ".join(f"{i}: {name}".split() if n > 1 else name.split())


def _words(axis: Any) -> dict[float, str]:
    """Return place -> label of an axis with words in place of numbers."""
    labels = [label.get_text() for label in axis.get_majorticklabels()]
    if not any(label and label[0].isalpha() for label in labels):
        return {}
    places = map(float, axis.get_majorticklocs())
    return {at: " ".join(label.split()) for at, label in zip(places, labels)}


def _of_axis(ax: Any) -> Iterator[tuple[str, str, Any, Any, Any]]:
    for letter, position, height in getattr(ax, "logo_heights", []):
        yield letter, "letter", position, height, np.nan
    for line in ax.lines:
        if line.get_transform() == ax.transData:  # else it spans the axis: a guide
            for x, y in zip(line.get_xdata(), line.get_ydata()):
                yield _series(line), "line", x, y, np.nan
    for found in ax.collections:
        yield from _of_collection(found)
    for bars in ax.containers:  # other patches are guides
        patches = bars.patches if hasattr(bars, "patches") else []
        series = _series(bars) or (_series(patches[0]) if patches else "")
        for bar in patches:
            if bars.orientation == "horizontal":
                middle, wide = bar.get_y() + bar.get_height() / 2, bar.get_height()
                yield series, "bar", bar.get_width(), middle, wide
            else:
                middle, wide = bar.get_x() + bar.get_width() / 2, bar.get_width()
                yield series, "bar", middle, bar.get_height(), wide
    for image in ax.images:
        for (row, column), value in np.ndenumerate(np.ma.filled(image.get_array(), np.nan)):
            yield _series(image), "cell", column, row, value


def _of_collection(found: Any) -> Iterator[tuple[str, str, Any, Any, Any]]:
    from matplotlib.collections import PathCollection

    if str(found.get_gid() or "").startswith("letters"):
        return
    places = np.ma.filled(np.ma.asarray(found.get_offsets(), float), np.nan)
    colours = found.get_array()
    # What is drawn once for each of its places; of a hexbin too, which is no scatter plot.
    if isinstance(found, PathCollection) or np.any(places):
        values = np.full(len(places), np.nan)
        if colours is not None and len(colours) == len(places):
            values = np.ma.filled(np.ma.asarray(colours, float), np.nan)
        for (x, y), value in zip(places, values):
            yield _series(found), "point", x, y, value
        return
    for path in found.get_paths():
        for x, y in path.vertices:
            yield _series(found), "band", x, y, np.nan


def _series(artist: Any) -> str:
    label = str(artist.get_label() or "")
    return "" if label.startswith("_") else label
