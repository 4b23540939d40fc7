"""Logos as compact inline SVG for pages: each letter is a <use> of one shared outline."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from cisweep.errors import SequenceError
from cisweep.plot.letters import LETTER_COLORS, LETTER_WIDTH, OUTLINES, logo_matrix, stack_letters

_SIDE = 100  # outlines are drawn in a box of 100 x 100, so that whole numbers do


def logo_symbols(colors: Mapping[str, str] | None = None) -> str:
    """Return one hidden <svg> with the symbols A C G T, for a page of logos without their own.

    Put it once into the page, and make each logo by logo_svg(..., symbols=False).

    Parameters
    ----------
    colors: {letter: CSS color}, None for the usual ones
    """
    return f'<svg width="0" height="0" style="position:absolute">{_symbols(colors)}</svg>'


def _symbols(colors: Mapping[str, str] | None) -> str:
    palette = LETTER_COLORS if colors is None else colors
    paths = "".join(
        f'<path id="cs-{letter}" fill="{palette[letter]}" d="{_path(OUTLINES[letter])}"/>'
        for letter in "ACGT"
    )
    return f"<defs>{paths}</defs>"


def _path(outline: list[tuple[Any, ...]]) -> str:
    # SVG's y points downwards.
    return "".join(
        word + " ".join(f"{_SIDE * x:g} {_SIDE * (1 - y):g}" for x, y in points)
        for word, *points in outline
    )


def logo_svg(
    matrix: Any,
    *,
    width_px: float | None = None,
    height_px: float = 60,
    ylim: tuple[float, float] | None = None,
    title: str | None = None,
    symbols: bool = True,
) -> str:
    """Return a logo as an inline <svg> element, without letters below 2 % of the tallest.

    Parameters
    ----------
    matrix: array (length, 4) or (4, length), A C G T
        Attributions, or the heights of `pwm_information`; a 4 x 4 matrix is taken as (length, 4).
    width_px: width on the page; None: 12 px a position
    height_px: height on the page
    ylim: (low, high) in the unit of the matrix; None: the range of the letters
    title: shown as a tool tip and read out by screen readers
    symbols: whether to include the outlines; without, the page has `logo_symbols` once

    Raises
    ------
    SequenceError
        Wrong shape, or a value that is not finite.
    """
    heights = _heights(matrix)
    letters = stack_letters(heights)
    low, high = ylim or _range(letters.bottom, letters.height)
    length = max(heights.shape[1], 1)
    width_px = 12 * length if width_px is None else width_px
    unit = height_px / (high - low)
    step = width_px / length
    uses = []
    for index, position, bottom, height, below in zip(*letters):
        x, sx, sy = position * step, step * LETTER_WIDTH / _SIDE, height * unit / _SIDE
        y = (high - bottom - height) * unit
        if below:  # from the lower edge upwards, which turns the letter over
            y, sy = y + height * unit, -sy
        place = " ".join(_short(v) for v in (sx, 0, 0, sy, x, y))
        uses.append(f'<use href="#cs-{"ACGT"[index]}" transform="matrix({place})"/>')
    axis = ""
    if low < 0 < high:
        y = _short(high * unit)
        axis = f'<path d="M0 {y}H{_short(width_px)}" stroke="#999" stroke-width=".5"/>'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{_short(width_px)}" '
        f'height="{_short(height_px)}" viewBox="0 0 {_short(width_px)} {_short(height_px)}">'
    )
    label = "" if title is None else f"<title>{_escaped(title)}</title>"
    return f"{head}{label}{_symbols(None) if symbols else ''}{axis}{''.join(uses)}</svg>"


def _heights(matrix: Any) -> np.ndarray:
    values = matrix.detach().cpu().numpy() if hasattr(matrix, "detach") else np.asarray(matrix)
    if values.ndim != 2 or 4 not in values.shape:
        raise SequenceError(
            f"matrix has shape {values.shape}", mend="give (length, 4) or (4, length), A C G T"
        )
    return logo_matrix(values.T if values.shape[1] == 4 else values, "matrix")


def _range(bottom: np.ndarray, height: np.ndarray) -> tuple[float, float]:
    low = float(bottom.min(initial=0.0))
    high = float((bottom + height).max(initial=0.0))
    return (low, high) if high > low else (0.0, 1.0)


def _short(value: float) -> str:
    """Return up to 4 significant digits, without the zeros that a reader does not need."""
    text = f"{value:.4g}"
    if "e" in text:
        text = f"{value:.6f}".rstrip("0").rstrip(".")
    text = text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text
    return "0" if text in ("", "-0", "-") else text


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
