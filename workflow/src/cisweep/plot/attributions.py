"""Attributions as figures: computed and drawn at once, and of long sequences as points."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cisweep.errors import SequenceError
from cisweep.lazy import from_path
from cisweep.plot.letters import LETTER_COLORS, OTHER_COLOR, as_array
from cisweep.plot.logo import ACGT, plot_logo

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_categorical_scatter(
    X: Any, colors: Mapping[str, Any] | Sequence[Any] | None = None, ax: "Axes | None" = None,
    **kwargs: Any,
) -> "Axes":  # fmt: skip
    """Return axes with a point a position of X (letters, length): its sum over the letters, in the
    color of the letter with the largest |value|.

    For attributions of sequences that are too long for letters. Of letters as large the first one
    gives the color; a position of zeros has no letter, and no point.

    Parameters
    ----------
    X: array or tensor (letters, length)
    colors: one for each row, or {letter: color} for A C G T; None: those of logos, and grey
    ax: matplotlib axes, or None for the current ones
    kwargs: of `Axes.scatter`

    Raises SequenceError for another shape, or too few colors. Source: tangermeme 1.6
    plot.plot_categorical_scatter.
    """
    import matplotlib.pyplot as plt

    values = as_array(X, "X", 2)
    by_row = _row_colors(colors, len(values))
    ax = plt.gca() if ax is None else ax
    size = np.abs(values)
    total, largest, drawn = values.sum(axis=0), size.argmax(axis=0), size.any(axis=0)
    for row, color in enumerate(by_row):
        at = np.flatnonzero(drawn & (largest == row))
        ax.scatter(at, total[at], c=[color], **kwargs)
    return ax


def _row_colors(colors: Mapping[str, Any] | Sequence[Any] | None, n: int) -> list[Any]:
    if colors is None:
        colors = LETTER_COLORS if n == len(ACGT) else [*LETTER_COLORS.values(), *[OTHER_COLOR] * n]
    if isinstance(colors, Mapping):
        if n != len(ACGT) or not set(ACGT) <= set(colors):
            raise SequenceError(
                f"colors are of {', '.join(map(str, colors))}, and X has {n} rows",
                mend="give a list of one for each row",
            )
        return [colors[letter] for letter in ACGT]
    if len(colors) < n:
        raise SequenceError(f"{len(colors)} colors for {n} rows", mend="give one for each row of X")
    return list(colors[:n])


def plot_attributions(
    models: Any,
    X: Any,
    func: Callable[..., Any] | str = "cisweep.analysis:deep_lift_shap",
    attribute_kwargs: Mapping[str, Any] | None = None,
    plot_kwargs: Mapping[str, Any] | None = None,
    layout: tuple[int, int] | None = None,
) -> tuple[list["Axes"], Any]:
    """Return axes with the logo of each sequence's attributions, and these (N, 4, length).

    Parameters
    ----------
    models: one model for all sequences; or a list, the i-th for the i-th sequence, or each for the
        one sequence of a two-dimensional X
    X: one-hot (N, 4, length), or (4, length)
    func: function of (model, X (1, 4, length), **attribute_kwargs) that gives (1, 4, length); or
        where it is to be imported from, as package.module:function
    attribute_kwargs: of `func`; further inputs `args` with a row for each sequence are shared out
    plot_kwargs: of `plot_logo`
    layout: (rows, columns) of the current figure, None: one column

    Raises
    ------
    SequenceError
        Models, sequences and layout that do not fit, or a func that gives something else.

    Source: tangermeme 1.6 plot.plot_attributions.
    """
    import matplotlib.pyplot as plt

    pairs = _pairs(models, X)
    rows, columns = layout or (len(pairs), 1)
    if rows * columns < len(pairs):
        raise SequenceError(
            f"a layout of {rows} x {columns} for {len(pairs)} sequences",
            where="layout",
            mend="give more rows or columns, or None",
        )
    # Attributions are computed by a room that this one never imports (ARCHITECTURE.md).
    call = from_path(func, SequenceError, "func") if isinstance(func, str) else func
    options = dict(attribute_kwargs or {})
    args = options.pop("args", None)
    found = []
    for i, (model, x) in enumerate(pairs):
        given = {} if args is None else {"args": _of_sequence(args, i, len(pairs))}
        found.append(_attributions(call(model, x, **given, **options), x))
    axes = []
    for i, one in enumerate(found):
        axes.append(plt.subplot(rows, columns, i + 1))
        plot_logo(one[0], ax=axes[-1], **(plot_kwargs or {}))
    return axes, _joined(found)


def _pairs(models: Any, X: Any) -> list[tuple[Any, Any]]:
    several = isinstance(models, list | tuple)
    if X.ndim != 3 and not (several and X.ndim == 2):
        raise SequenceError(
            f"X has shape {tuple(X.shape)}",
            mend="give (N, 4, length), or with a list of models (4, length)",
        )
    sequences = [X[None]] * len(models) if X.ndim == 2 else [X[i : i + 1] for i in range(len(X))]
    if several and len(models) != len(sequences):
        raise SequenceError(
            f"{len(models)} models for {len(sequences)} sequences", mend="give one for each"
        )
    if not sequences:
        raise SequenceError("there is nothing to draw: X has no rows, or there is no model")
    return list(zip(models if several else [models] * len(sequences), sequences))


def _of_sequence(args: Sequence[Any], i: int, n: int) -> tuple[Any, ...]:
    return tuple(each[i : i + 1] if len(each) == n else each for each in args)


def _attributions(found: Any, x: Any) -> Any:
    if getattr(found, "shape", None) is None or tuple(found.shape) != tuple(x.shape):
        what = f"shape {tuple(found.shape)}" if hasattr(found, "shape") else type(found).__name__
        raise SequenceError(
            f"func gives {what} for a sequence {tuple(x.shape)}",
            where="func",
            mend="give a function whose attributions have the shape of X",
        )
    return found.detach() if hasattr(found, "detach") else found


def _joined(found: list[Any]) -> Any:
    if not hasattr(found[0], "new_empty"):
        return np.concatenate(found)
    whole = found[0].new_empty((len(found), *found[0].shape[1:]))
    for i, one in enumerate(found):
        whole[i] = one[0]
    return whole
