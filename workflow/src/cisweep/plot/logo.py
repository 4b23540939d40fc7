"""Sequence logos: attributions with annotations, and motifs in bits."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cisweep.errors import SequenceError
from cisweep.plot.figure_data import keep_letters
from cisweep.plot.letters import (
    LETTER_COLORS,
    LETTER_WIDTH,
    OTHER_COLOR,
    OUTLINES,
    Letters,
    logo_matrix,
    pwm_information,
    stack_letters,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

ACGT = ("A", "C", "G", "T")
_LETTERS_IN_A_PATH = 400  # one path of many letters draws fast; Agg refuses endless ones


def plot_logo(
    X_attr: Any,
    ax: "Axes | None" = None,
    color: Any = None,
    color_cmap: str = "viridis",
    color_vmin: float | None = None,
    color_vmax: float | None = None,
    annotations: "pd.DataFrame | None" = None,
    start: int | None = None,
    end: int | None = None,
    ylim: float | tuple[float, float] | None = None,
    n_tracks: int = 4,
    alphabet: Sequence[str] = ACGT,
    min_height_pct: float | None = 0.02,
    score_key: str = "score",
    show_extra: bool = True,
    show_score: bool = True,
    annot_cmap: Any = "Set1",
) -> "Axes":
    """Return axes with a logo, letters as tall as their values, annotations beneath.

    Arguments are those of tangermeme 1.6. As there, the first drawn position has x = 0; tick
    labels count from the start of `X_attr`.

    Parameters
    ----------
    X_attr: array or tensor (letters, length)
        Attributions, projected or hypothetical; negative letters hang below the axis.
    ax: matplotlib axes, or None for the current ones
    color: None, a color, {letter: color}, or one color or number per position of `X_attr`
        Numbers go through `color_cmap` between `color_vmin` and `color_vmax`.
    annotations: table with columns start and end, 0-based half-open in `X_attr`
        The name is column motif_name, or the first one. Those that touch the span are drawn,
        the best-scored nearest to the logo, and never over each other.
    start, end: int, 0-based half-open span to draw, None for all
    ylim: (low, high), or one number y for (-y, y)
        None: the range of the letters, with room for the annotations.
    n_tracks: int
        Rows of annotations with bars; what needs more rows is written small and grey
        (`show_extra`), or left out.
    alphabet: the letters of the rows
    min_height_pct: float or None
        Letters below this share of the largest |value| are left out.
    score_key: column of the annotations, higher is better; used where the table has it
    show_extra, show_score: bool
    annot_cmap: name of a colormap or list of colors, one for each row of annotations

    Raises
    ------
    SequenceError
        Wrong shape, a value that is not finite, a span outside of `X_attr`, as many colors as
        there are no positions, or annotations without start and end.
    """
    import matplotlib.pyplot as plt

    matrix = logo_matrix(X_attr, "X_attr", len(alphabet))
    first, last = _span(start, end, matrix.shape[1])
    ax = plt.gca() if ax is None else ax
    shown = matrix[:, first:last]
    letters = stack_letters(shown, min_height_pct)
    colors = _letter_colors(
        letters,
        alphabet,
        _position_colors(color, matrix.shape[1], color_cmap, color_vmin, color_vmax)
        if _is_per_position(color)
        else color,
        first,
    )
    _draw_letters(ax, letters, alphabet, colors)
    keep_letters(ax, shown, alphabet, first)
    ax.set_xlim(-0.1, max(last - first, 1))
    ax.set_ylim(*_limits(letters, ylim))
    ax.xaxis.set_major_formatter(lambda x, _: f"{x + first:g}")
    ax.spines[["top", "right", "bottom"]].set_visible(False)
    if annotations is not None:
        from cisweep.plot.annotations import AnnotationStyle, draw_annotations, select_annotations

        style = AnnotationStyle(n_tracks, show_extra, annot_cmap)
        table = select_annotations(annotations, first, last, score_key, show_score)
        floor = float((letters.bottom).min(initial=0.0))
        draw_annotations(ax, table, style, floor, fit=ylim is None)
    return ax


def plot_pwm(
    pwm: Any,
    ax: "Axes | None" = None,
    name: str | None = None,
    alphabet: Sequence[str] = ACGT,
    background: Sequence[float] = (0.25, 0.25, 0.25, 0.25),
) -> "Axes":
    """Return axes with the logo of a motif in bits (`pwm_information`).

    Parameters
    ----------
    pwm: array or tensor (4, length) of probabilities
    ax: matplotlib axes, or None for the current ones
    name: title
    alphabet: the letters of the rows
    background: probabilities of the letters; the axis ends at 2 bits when it is uniform
    """
    heights = pwm_information(pwm, background)
    top = -np.log2(min(background))
    ax = plot_logo(heights, ax=ax, alphabet=alphabet, ylim=(0, top), min_height_pct=0.002)
    if name is not None:
        ax.set_title(name)
    ax.set_xlabel("Motif position")
    ax.set_ylabel("Information (bits)")
    return ax


def _span(start: int | None, end: int | None, length: int) -> tuple[int, int]:
    first, last = 0 if start is None else start, length if end is None else end
    if not 0 <= first < last <= length:
        raise SequenceError(
            f"span [{first}, {last}) is outside of a sequence of {length} bases or empty",
            where="start, end",
            mend=f"use 0 <= start < end <= {length}",
        )
    return first, last


def _limits(letters: Letters, ylim: float | tuple[float, float] | None) -> tuple[float, float]:
    if ylim is not None:
        return (-abs(ylim), abs(ylim)) if np.isscalar(ylim) else tuple(ylim)
    low = float(letters.bottom.min(initial=0.0))
    high = float((letters.bottom + letters.height).max(initial=0.0))
    return (low, high) if high > low else (0.0, 1.0)


def _is_per_position(color: Any) -> bool:
    return color is not None and not isinstance(color, str | Mapping)


def _position_colors(
    color: Any, length: int, cmap: str, vmin: float | None, vmax: float | None
) -> np.ndarray:
    """Return (length, 4) RGBA colors out of numbers or colors."""
    import matplotlib
    from matplotlib.colors import Normalize, to_rgba_array

    if len(color) != length:
        raise SequenceError(
            f"color has {len(color)} entries where X_attr has {length} positions",
            mend="give one for each position of X_attr, before start and end",
        )
    values = np.asarray(color)
    if values.ndim == 1 and values.dtype.kind in "fiub":
        return matplotlib.colormaps[cmap](Normalize(vmin, vmax)(values.astype(float)))
    return to_rgba_array(color)


def _letter_colors(letters: Letters, alphabet: Sequence[str], color: Any, first: int) -> np.ndarray:
    """Return (n, 4) RGBA colors, one per letter."""
    from matplotlib.colors import to_rgba_array

    if isinstance(color, np.ndarray):
        return color[letters.position + first]
    if isinstance(color, str):
        color = dict.fromkeys(alphabet, color)
    palette = LETTER_COLORS if color is None else color
    by_row = to_rgba_array([palette.get(letter, OTHER_COLOR) for letter in alphabet])
    return by_row[letters.index]


def _draw_letters(
    ax: "Axes", letters: Letters, alphabet: Sequence[str], colors: np.ndarray
) -> None:
    """Add one PathCollection for each base and color, its letters joined to few long paths."""
    from matplotlib.collections import PathCollection
    from matplotlib.path import Path

    keys, group = np.unique(np.column_stack([letters.index, colors]), axis=0, return_inverse=True)
    for g, key in enumerate(keys):
        letter = alphabet[int(key[0])]
        vertices, codes = _outline(letter)
        chosen = np.flatnonzero(group.ravel() == g)
        paths = []
        for block in np.array_split(chosen, -(-len(chosen) // _LETTERS_IN_A_PATH)):
            placed = _placed(vertices, letters, block)
            paths.append(Path(placed.reshape(-1, 2), np.tile(codes, len(block))))
        ax.add_collection(
            PathCollection(paths, facecolors=[key[1:]], edgecolors="none", gid=f"letters {letter}"),
            autolim=False,
        )


def _placed(vertices: np.ndarray, letters: Letters, chosen: np.ndarray) -> np.ndarray:
    """Return the outlines (n, vertices, 2) of the chosen letters in data coordinates."""
    y = np.where(letters.below[chosen, None], 1 - vertices[:, 1], vertices[:, 1])
    return np.stack(
        [
            letters.position[chosen, None] + LETTER_WIDTH * vertices[:, 0],
            letters.bottom[chosen, None] + letters.height[chosen, None] * y,
        ],
        axis=-1,
    )


def _outline(letter: str) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices in the unit square and matplotlib's path codes."""
    from matplotlib.path import Path
    from matplotlib.textpath import TextPath

    if letter not in OUTLINES:
        text = TextPath((0, 0), letter, size=1, prop={"family": "monospace", "weight": "bold"})
        box = text.get_extents()
        return (text.vertices - box.p0) / [box.width, box.height], text.codes
    vertices, codes = [], []
    for word, *points in OUTLINES[letter]:
        vertices += points or [(0.0, 0.0)]
        code = {"M": Path.MOVETO, "L": Path.LINETO, "C": Path.CURVE4, "Z": Path.CLOSEPOLY}[word]
        codes += [code] * max(len(points), 1)
    return np.array(vertices, dtype=float), np.array(codes, dtype=np.uint8)
