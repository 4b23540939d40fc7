"""What a design changed: the edits over its iterations, and logos with the edits in color."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cisweep.errors import SequenceError
from cisweep.plot.letters import as_array
from cisweep.plot.logo import plot_logo

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_edits(
    X_orig: Any,
    X_attrs: Any,
    colors: Any = "darkorange",
    axs: "Sequence[Axes] | None" = None,
    start: int | None = None,
    end: int | None = None,
    **kwargs: Any,
) -> "list[Axes]":
    """Return one axes a sequence: logos of the original and of the edited ones, edits in color.

    Parameters
    ----------
    X_orig: array or tensor (1, 4, length)
        Attributions of the original sequence, zero but for its own bases.
    X_attrs: array or tensor (n, 4, length), or a list of such
        Attributions of the edited sequences.
    colors: color of the edits, or one for each axes, the original's first (unused)
    axs: n + 1 axes, or None for a new figure
    start, end: int, 0-based half-open span to draw, None for all
    **kwargs: of `matplotlib.pyplot.figure`, when the figure is new

    Returns
    -------
    list of n + 1 axes with one scale, the original first

    Raises
    ------
    SequenceError
        The shapes do not fit, or a base of the original cannot be told (all four are zero).
    """
    import matplotlib.pyplot as plt

    tracks = _tracks(X_orig, X_attrs)
    known = (tracks != 0).any(axis=1)
    bases = (tracks != 0).argmax(axis=1)
    n = len(tracks)
    if axs is None:
        figure = plt.figure(**({"figsize": (10, 1.4 * n), "layout": "constrained"} | kwargs))
        axs = list(np.atleast_1d(figure.subplots(n, 1, sharex=True)))
    if len(axs) != n:
        raise SequenceError(f"{len(axs)} axs for {n} logos", mend=f"give {n}, the original's first")
    ylim = (min(tracks.min() * 1.1, 0), max(tracks.max() * 1.1, 1e-12))
    for i, ax in enumerate(axs):
        # Where an attribution is exactly zero nothing is drawn, so its color does not matter.
        edited = (bases[i] != bases[0]) & known[i] & known[0]
        chosen = colors if isinstance(colors, str) else colors[i]
        plot_logo(
            tracks[i],
            ax=ax,
            color=["dimgrey" if not e else chosen for e in edited],
            start=start,
            end=end,
            ylim=ylim,
            min_height_pct=None,
        )
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="x", bottom=i == n - 1, labelbottom=i == n - 1)
    axs[-1].set_xlabel("Position")
    return list(axs)


def _tracks(X_orig: Any, X_attrs: Any) -> np.ndarray:
    parts = X_attrs if isinstance(X_attrs, list | tuple) else [X_attrs]
    arrays = [as_array(X_orig, "X_orig"), *(as_array(part, "X_attrs") for part in parts)]
    for name, array in zip(["X_orig", *["X_attrs"] * len(parts)], arrays):
        if array.ndim != 3 or array.shape[1:] != (4, arrays[0].shape[-1]):
            raise SequenceError(
                f"{name} has shape {array.shape} but must have shape (n, 4, {arrays[0].shape[-1]})",
                mend="add the batch axis of one sequence",
            )
    if len(arrays[0]) != 1:
        raise SequenceError(f"X_orig has {len(arrays[0])} sequences", mend="give one")
    return np.concatenate(arrays)


def plot_history(history: Mapping[str, Any], ax: "Axes | None" = None) -> "Axes":
    """Return axes with the position of every edit proposed in each iteration of a design.

    Parameters
    ----------
    history: of `design` or of Ledidi 2.2
        `edits`, for each iteration three arrays (example, base, position); `batch_size`.
    ax: matplotlib axes, or None for the current ones

    Raises
    ------
    SequenceError
        The history has no edits.
    """
    import matplotlib.pyplot as plt

    missing = {"edits", "batch_size"} - set(history)
    if missing:
        raise SequenceError(
            f"history has no {', '.join(sorted(missing))}", mend="design with return_history=True"
        )
    ax = plt.gca() if ax is None else ax
    batch = int(history["batch_size"])
    rows, positions = [np.empty(0)], [np.empty(0)]
    for iteration, (example, _, position) in enumerate(history["edits"]):
        # Each iteration is as high as 1, its examples lie beneath each other in it.
        rows.append(iteration + as_array(example, "edits") / batch)
        positions.append(as_array(position, "edits"))
    ax.scatter(np.concatenate(positions), np.concatenate(rows), s=0.5, c="0.35", linewidths=0)
    ax.set_ylim(max(len(history["edits"]), 1), 0)
    ax.set_xlabel("Position")
    ax.set_ylabel("Iteration")
    return ax
