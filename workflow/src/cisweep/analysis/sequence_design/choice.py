"""Which of a design's samples is kept, and which of its edits.

The optimisation gives many samples a region. Those that reach the goals with the fewest edits are
pruned; of the one that needs the fewest edits then, edits are swapped for better ones: gradient
descent over a distribution leaves single edits that another one would beat.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from cisweep.analysis.sequence_design.baselines import BaselineTask
from cisweep.analysis.sequence_design.constraints import BoundConstraints
from cisweep.analysis.sequence_design.goals import (
    Goal,
    Objective,
    goal_objective,
    reached,
    window_losses,
)
from cisweep.analysis.sequence_design.greedy_pruning import PruningPath, pruning_paths
from cisweep.analysis.sequence_design.oracle import Oracle, one_hot

CANDIDATES = 24
"""Samples of a region that are pruned."""
CONSIDERED = 32
"""Single edits, those that the gradient likes most, that may take the place of another one."""


@dataclass
class Choice:
    """The chosen sample of a region."""

    repeat: int
    """The run it comes from."""
    full: np.ndarray
    """The sample, uint8 (length,)."""
    pruned: np.ndarray
    """The sample without the edits that are not needed."""
    path: PruningPath
    score: tuple[bool, float, float] = (True, 0.0, 0.0)
    """Not reached; edits kept, or, where the goals are not reached, loss + l × edits, as in the
    optimisation; loss: the lower the better."""


@dataclass(frozen=True)
class Problems:
    """The regions among whose samples is chosen."""

    templates: np.ndarray
    """uint8 (regions, length), 4 = N."""
    before: np.ndarray
    """Their predictions (regions, goals)."""
    frozen: np.ndarray
    """True = the base stays, bool (regions, length)."""
    bound: Sequence[BoundConstraints | None]
    """Constraints that a design still fulfils."""


@dataclass(frozen=True)
class Chooser:
    """What the choice is made by: the goals' outputs alone, and the step's numbers."""

    oracle: Oracle
    """Gives the goals' outputs, in the order of `goals`; its models are held frozen."""
    goals: Sequence[Goal]
    l: float
    prune: bool
    threshold: float
    """Limit of the drift where the goals are not reached."""
    swaps: int = 0
    """Edits that may be swapped for better ones."""

    def choose(self, problems: Problems, samples: np.ndarray) -> list[Choice]:
        """Return the choice of each region among `samples` (repeats, regions, samples, length)."""
        templates, before = problems.templates, problems.before
        ranked = [
            self._rank(t, b, samples[:, k]) for k, (t, b) in enumerate(zip(templates, before))
        ]
        owner = np.repeat(np.arange(len(ranked)), [len(r) for r in ranked])
        places = [(repeat, k, s) for k, row in enumerate(ranked) for repeat, s in row]
        # All candidates of all regions lose their edits in the same batches.
        rated = self._prune(
            problems, owner, np.stack([samples[p] for p in places]), [p[0] for p in places]
        )
        chosen = [
            min((c for k, c in zip(owner, rated) if k == region), key=lambda c: c.score)
            for region in range(len(ranked))
        ]
        return self._swapped(problems, chosen) if self.prune and self.swaps else chosen

    def _prune(
        self, problems: Problems, owner: np.ndarray, windows: np.ndarray, repeats: Sequence[int]
    ) -> list[Choice]:
        """Return the pruned and rated windows (n, length), of the regions `owner`."""
        like, templates = self.oracle.like, problems.templates[owner]
        paths = pruning_paths(
            self.oracle.models, one_hot(templates, like), one_hot(windows, like),
            constraints=[problems.bound[k] for k in owner],
            windows_per_call=self.oracle.windows_per_call, device=like.device,
        )  # fmt: skip
        rated = []
        for k, repeat, template, full, path in zip(owner, repeats, templates, windows, paths):
            before = problems.before[k]
            left = self._steps_back(before, path)
            pruned, gone, y = full.copy(), path.positions[:left], path.predictions[left]
            pruned[gone] = template[gone]
            loss, n_edits = float(self._loss(before, y[None])[0]), path.n_edits - left
            good = self._reach(before, y)
            score = (not good, n_edits if good else loss + self.l * n_edits, loss)
            rated.append(Choice(repeat, full, pruned, path, score))
        return rated

    def _swapped(self, problems: Problems, chosen: list[Choice]) -> list[Choice]:
        """Return the choices with edits swapped for better ones, where that helps."""
        windows = []
        for k, choice in enumerate(chosen):
            template, bound = problems.templates[k], problems.bound[k]
            known = template != 4
            task = BaselineTask(
                self.oracle, template, self._objective(problems.before[k]), problems.frozen[k],
                None if bound is None else bound.holds,
            )  # fmt: skip
            lost = choice.score[0]
            better = polish(
                task, choice.pruned, lambda y, k=k, lost=lost: (
                    lost or self._reach(problems.before[k], y)), self.swaps
            )  # fmt: skip
            # What pruning took back stays in the whole design, so that it can be looked at.
            full, kept = choice.full.copy(), known & (choice.pruned != template)
            full[kept] = template[kept]
            put_in = known & (better != template)
            full[put_in] = better[put_in]
            windows.append(full if bound is None or bound.holds(full[None])[0] else better)
        found = self._prune(
            problems, np.arange(len(chosen)), np.stack(windows), [c.repeat for c in chosen]
        )
        return [min(pair, key=lambda c: c.score) for pair in zip(chosen, found)]

    def _rank(
        self, template: np.ndarray, before: np.ndarray, samples: np.ndarray
    ) -> list[tuple[int, int]]:
        """Return (repeat, sample) of those to prune: the best ones, each sequence once."""
        flat = samples.reshape(-1, samples.shape[-1])
        first = np.sort(np.unique(flat, axis=0, return_index=True)[1])
        y = self.oracle.predict(flat[first]).numpy(force=True)
        edits = ((flat[first] != template) & (template != 4)).sum(1)
        loss = self._loss(before, y)
        good = np.array([self._reach(before, each) for each in y])
        cost = np.where(good, edits, loss + self.l * edits)
        order = np.lexsort((first, loss, cost, ~good))
        n = CANDIDATES if self.prune else 1
        return [divmod(int(first[i]), samples.shape[1]) for i in order[:n]]

    def _goals(self) -> list[Goal]:
        return [Goal(i, g.kind, g.value, g.weight, g.tolerance) for i, g in enumerate(self.goals)]

    def _objective(self, before: np.ndarray) -> Objective:
        return goal_objective(self._goals(), torch.from_numpy(before))

    def _loss(self, before: np.ndarray, y: np.ndarray) -> np.ndarray:
        return window_losses(torch.from_numpy(y), self._objective(before)).numpy()

    def _reach(self, before: np.ndarray, y: np.ndarray) -> bool:
        return all(reached(g, b, v) for g, b, v in zip(self.goals, before, y))

    def _steps_back(self, before: np.ndarray, path: PruningPath) -> int:
        """Return how many edits of the path can go: the goals, or the predictions, stay."""
        if not self.prune:
            return 0
        good = np.array([self._reach(before, y) for y in path.predictions])
        if good[0]:
            return int(np.flatnonzero(good)[-1])
        fine = path.drift < self.threshold
        return len(fine) - 1 if fine.all() else max(int(np.argmin(fine)) - 1, 0)


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
    return made


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
