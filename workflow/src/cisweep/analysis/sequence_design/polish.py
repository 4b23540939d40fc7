"""A design's edits moved one at a time, where that brings it nearer to its goals.

Gradient descent over a distribution leaves single edits that another one would beat. The number of
edits stays: one goes, another comes. Which ones come into question, the gradient says.
"""

from collections.abc import Callable

import numpy as np
import torch

from cisweep.analysis.sequence_design.baselines import BaselineTask
from cisweep.analysis.sequence_design.goals import window_losses
from cisweep.analysis.sequence_design.oracle import one_hot

CONSIDERED = 32
"""Single edits, those that the gradient likes most, that may take the place of another one."""


def polish(
    task: BaselineTask,
    window: np.ndarray,
    good: Callable[[np.ndarray], bool],
    rounds: int = 10,
) -> np.ndarray:
    """Return the window (length,) after the swaps of single edits that lower its loss most.

    Parameters: `good(y)` says whether predictions (K,) are still acceptable. It stops where no swap
    is better, or after `rounds` swaps. The oracle's models are held frozen.
    """
    loss = float(task.losses(window[None])[0][0])
    for _ in range(rounds):
        trials = task.fine(np.unique(_swaps(task, window), axis=0))
        if not len(trials):
            break
        losses, y = task.losses(trials)
        order = np.argsort(losses, kind="stable")
        y = y.numpy(force=True)
        best = next((i for i in order if losses[i] < loss and good(y[i])), None)
        if best is None:
            break
        window, loss = trials[best], float(losses[best])
    return window


def _swaps(task: BaselineTask, window: np.ndarray) -> np.ndarray:
    """Return windows in which another edit stands for one of the edits."""
    edits = np.flatnonzero((window != task.template) & (task.template != 4))
    if not len(edits):
        return window[None][:0]
    base, at = _liked(task, window)
    made = np.repeat(window[None], len(edits) * len(at), 0)
    rows = np.arange(len(made))
    gone = np.repeat(edits, len(at))
    made[rows, gone] = task.template[gone]
    made[rows, np.tile(at, len(edits))] = np.tile(base, len(edits))
    return made[task.n_edits(made) <= len(edits)]


def _liked(task: BaselineTask, window: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return base and position of the single edits that lower the loss most to first order."""

    def losses(y: torch.Tensor, rows: slice) -> torch.Tensor:
        return window_losses(y, task.objective.to(y))

    slope = task.oracle.gradients(window[None], losses)[1][0].numpy(force=True)
    here = (slope * one_hot(window, task.oracle.like).numpy(force=True)).sum(0)
    gain = np.where(task.frozen | (task.template == 4), np.inf, slope - here)
    gain[np.arange(4)[:, None] == window] = np.inf
    order = np.argsort(gain, axis=None, kind="stable")[:CONSIDERED]
    order = order[np.isfinite(gain.ravel()[order])]
    return np.unravel_index(order, gain.shape)
