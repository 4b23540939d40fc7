"""The geometry of logos: which letter stands where, and the outlines of A C G T.

Pure numpy; `logo` draws it with matplotlib and `svg` as inline SVG, from the same outlines, so
that no font can change a figure.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cisweep.errors import SequenceError

LETTER_COLORS = {"A": "#008000", "C": "#0000ff", "G": "#ffa600", "T": "#ff0000"}
OTHER_COLOR = "#808080"
LETTER_WIDTH = 0.95  # of a position, as in tangermeme

# Outlines in the unit square, y upwards, in the words of SVG paths: M, L, C (cubic), Z. Inner
# rings turn the other way round, so that both fill rules leave them open.
OUTLINES: dict[str, list[tuple[Any, ...]]] = {
    "A": [
        ("M", (0, 0)), ("L", (0.4, 1)), ("L", (0.6, 1)), ("L", (1, 0)), ("L", (0.79, 0)),
        ("L", (0.705, 0.22)), ("L", (0.295, 0.22)), ("L", (0.21, 0)), ("Z",),
        ("M", (0.355, 0.38)), ("L", (0.645, 0.38)), ("L", (0.5, 0.78)), ("Z",),
    ],
    "C": [
        ("M", (1, 0.7)), ("C", (0.93, 0.89), (0.75, 1), (0.53, 1)),
        ("C", (0.22, 1), (0, 0.8), (0, 0.5)), ("C", (0, 0.2), (0.22, 0), (0.53, 0)),
        ("C", (0.75, 0), (0.93, 0.11), (1, 0.3)), ("L", (0.8, 0.35)),
        ("C", (0.75, 0.23), (0.66, 0.165), (0.53, 0.165)),
        ("C", (0.34, 0.165), (0.215, 0.29), (0.215, 0.5)),
        ("C", (0.215, 0.71), (0.34, 0.835), (0.53, 0.835)),
        ("C", (0.66, 0.835), (0.75, 0.77), (0.8, 0.65)), ("Z",),
    ],
    "G": [
        ("M", (0.98, 0.72)), ("C", (0.91, 0.9), (0.74, 1), (0.53, 1)),
        ("C", (0.22, 1), (0, 0.8), (0, 0.5)), ("C", (0, 0.2), (0.22, 0), (0.54, 0)),
        ("C", (0.73, 0), (0.89, 0.05), (1, 0.15)), ("L", (1, 0.54)), ("L", (0.55, 0.54)),
        ("L", (0.55, 0.38)), ("L", (0.8, 0.38)), ("L", (0.8, 0.225)),
        ("C", (0.73, 0.18), (0.64, 0.16), (0.55, 0.16)),
        ("C", (0.34, 0.16), (0.215, 0.29), (0.215, 0.5)),
        ("C", (0.215, 0.71), (0.34, 0.835), (0.53, 0.835)),
        ("C", (0.65, 0.835), (0.74, 0.78), (0.78, 0.67)), ("Z",),
    ],
    "T": [
        ("M", (0, 1)), ("L", (1, 1)), ("L", (1, 0.835)), ("L", (0.605, 0.835)),
        ("L", (0.605, 0)), ("L", (0.395, 0)), ("L", (0.395, 0.835)), ("L", (0, 0.835)), ("Z",),
    ],
}  # fmt: skip


class Letters(NamedTuple):
    """The letters of a logo, one row per letter.

    index: row of the matrix. position: column. bottom, height: in the unit of the matrix, height
    positive. below: whether the letter hangs upside down under the axis.
    """

    index: np.ndarray
    position: np.ndarray
    bottom: np.ndarray
    height: np.ndarray
    below: np.ndarray


def as_array(values: Any, name: str, ndim: int | None = None) -> np.ndarray:
    """Return an array of floats from an array, a list or a tensor (on any device)."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    array = np.asarray(values, dtype=np.float64)
    if ndim is not None and array.ndim != ndim:
        raise SequenceError(
            f"{name} has shape {array.shape}", mend=f"give {ndim} dimension{'s' * (ndim > 1)}"
        )
    return array


def logo_matrix(values: Any, name: str, n_letters: int = 4) -> np.ndarray:
    """Return a finite (letters, length) matrix, or raise a SequenceError that calls it `name`."""
    matrix = as_array(values, name)
    if matrix.ndim != 2 or len(matrix) != n_letters:
        raise SequenceError(
            f"{name} has shape {matrix.shape} but must have shape ({n_letters}, length)",
            mend="give one example; transpose a matrix of shape (length, letters)",
        )
    if not np.isfinite(matrix).all():
        position = int(np.flatnonzero(~np.isfinite(matrix).all(axis=0))[0])
        raise SequenceError(f"{name} is not finite", where=f"position {position}")
    return matrix


def stack_letters(heights: np.ndarray, min_height_pct: float | None = 0.02) -> Letters:
    """Return the letters of a logo, stacked away from the axis, the tallest at the outside.

    Parameters
    ----------
    heights: numpy.ndarray, shape (letters, length)
        Negative values hang below the axis.
    min_height_pct: float or None
        Letters below this share of the largest |height| are left out, and take no room.
    """
    size = np.abs(heights)
    kept = size > 0
    if min_height_pct is not None and heights.size:
        kept &= size >= size.max() * min_height_pct
    size = np.where(kept, size, 0.0)
    bottom = np.zeros_like(size)
    for sign in (1, -1):
        side = np.where(np.sign(heights) == sign, size, 0.0)
        order = np.argsort(side, axis=0, kind="stable")
        tops = np.cumsum(np.take_along_axis(side, order, axis=0), axis=0)
        top = np.empty_like(tops)
        np.put_along_axis(top, order, tops, axis=0)
        bottom += np.where(side > 0, top - side if sign > 0 else -top, 0.0)
    index, position = np.nonzero(kept)
    return Letters(index, position, bottom[kept], size[kept], heights[kept] < 0)


def pwm_information(pwm: Any, background: Sequence[float] = (0.25, 0.25, 0.25, 0.25)) -> np.ndarray:
    """Return the heights of a sequence logo in bits.

    The height of letter c is p_c times the column's information, the sum of
    p log2(p / background) (Schneider and Stephens 1990, without small-sample correction; for a
    background other than uniform, the relative entropy of Stormo 1998).

    Parameters
    ----------
    pwm: array (4, length) of probabilities, each column sums to 1
        Columns of counts are divided by their sum; a column of zeros has no information.
    background: probabilities of A C G T

    Returns
    -------
    numpy.ndarray, shape (4, length), bits

    Raises
    ------
    SequenceError
        Wrong shape, a negative value, or a background that is no distribution.

    Examples
    --------
    >>> pwm_information([[1, 0.5], [0, 0.5], [0, 0], [0, 0]]).tolist()
    [[2.0, 0.5], [0.0, 0.5], [0.0, 0.0], [0.0, 0.0]]
    """
    matrix = logo_matrix(pwm, "pwm")
    frequencies = np.asarray(background, dtype=np.float64)
    if frequencies.shape != (4,) or (frequencies <= 0).any() or abs(frequencies.sum() - 1) > 1e-6:
        raise SequenceError(
            f"background {background} is no distribution", mend="give 4 positive numbers, sum 1"
        )
    if (matrix < 0).any():
        position = int(np.flatnonzero((matrix < 0).any(axis=0))[0])
        raise SequenceError(
            "pwm has a negative value",
            where=f"position {position}",
            mend="give probabilities; draw scores and attributions with plot_logo",
        )
    sums = matrix.sum(axis=0)
    p = np.divide(matrix, sums, out=np.zeros_like(matrix), where=sums > 0)
    odds = np.divide(p, frequencies[:, None], out=np.ones_like(p), where=p > 0)
    return p * (p * np.log2(odds)).sum(axis=0)
