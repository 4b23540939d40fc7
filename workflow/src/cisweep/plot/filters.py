"""The filters of a first convolution as heat maps and logos."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cisweep.errors import SequenceError
from cisweep.plot.letters import as_array
from cisweep.plot.logo import plot_logo, plot_pwm

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_filters(
    filters: Any,
    axs: "Sequence[Axes] | None" = None,
    kind: Literal["heatmap", "logo", "pwm"] = "heatmap",
    names: Sequence[str] | None = None,
    n_columns: int = 4,
    **kwargs: Any,
) -> "list[Axes]":
    """Return one axes a filter.

    Parameters
    ----------
    filters: array or tensor (n, 4, width), or {name: (4, width)}
        Weights, or for `pwm` the matrices of the strongest activations.
    axs: n axes, or None for a new figure
    kind: `heatmap`, blue to red around zero with one scale for all filters; `logo`, letters as
        tall as the weights; `pwm`, bits
    names: titles; None: the names of a mapping, or the index
    n_columns: int, of a new figure
    **kwargs: of `matplotlib.pyplot.figure`, when the figure is new

    Raises
    ------
    SequenceError
        Wrong shape, an unknown kind, or as many names or axes as there are no filters.
    """
    import matplotlib.pyplot as plt

    if hasattr(filters, "keys"):
        names = list(filters) if names is None else names
        filters = list(filters.values())
    matrices = [as_array(f, "filters") for f in filters]
    for i, matrix in enumerate(matrices):
        if matrix.ndim != 2 or len(matrix) != 4:
            raise SequenceError(
                f"filter {i} has shape {matrix.shape} but must have shape (4, width)",
                mend="give the weights of a convolution that reads A C G T",
            )
    if kind not in ("heatmap", "logo", "pwm"):
        raise SequenceError(f"kind {kind!r} is unknown", mend="use heatmap, logo or pwm")
    names = [str(i) for i in range(len(matrices))] if names is None else list(names)
    if axs is None:
        n_rows = max(-(-len(matrices) // n_columns), 1)
        size = {"figsize": (2.6 * n_columns, 1.4 * n_rows), "layout": "constrained"}
        grid = plt.figure(**(size | kwargs)).subplots(n_rows, n_columns, squeeze=False).ravel()
        for unused in grid[len(matrices) :]:
            unused.set_axis_off()
        axs = list(grid[: len(matrices)])
    if len(names) != len(matrices) or len(axs) != len(matrices):
        raise SequenceError(f"{len(names)} names and {len(axs)} axes for {len(matrices)} filters")
    largest = max((np.abs(m).max(initial=0) for m in matrices), default=0) or 1.0
    for matrix, name, ax in zip(matrices, names, axs):
        _draw_filter(ax, matrix, kind, largest)
        ax.set_title(name, fontsize=9)
    return list(axs)


def _draw_filter(ax: "Axes", matrix: np.ndarray, kind: str, largest: float) -> None:
    if kind == "heatmap":
        ax.imshow(matrix, cmap="RdBu_r", vmin=-largest, vmax=largest, aspect="auto")
        ax.set_yticks(range(4), list("ACGT"), fontsize=7)
        ax.tick_params(axis="x", labelsize=7)
        return
    if kind == "pwm":
        plot_pwm(matrix, ax=ax)
    else:
        plot_logo(matrix, ax=ax)
    ax.set_xlabel("")
    ax.set_ylabel("")
    ax.tick_params(labelsize=7)
