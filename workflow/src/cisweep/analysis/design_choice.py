"""Which of a design's samples is kept, and which of its edits.

The optimisation gives many samples a region. Those that reach the goals with the fewest edits are
pruned, and the one that needs the fewest edits then is the design.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from cisweep.analysis.design_goals import Goal, Objective, goal_objective, reached, window_losses
from cisweep.analysis.design_oracle import Oracle, one_hot
from cisweep.analysis.pruning import Holds, PruningPath, pruning_paths

CANDIDATES = 24
"""Samples of a region that are pruned."""


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

    def choose(
        self,
        templates: np.ndarray,
        before: np.ndarray,
        samples: np.ndarray,
        bound: Sequence[Holds | None],
    ) -> list[Choice]:
        """Return the choice of each region.

        Parameters: `templates` uint8 (regions, length), 4 = N; `before` their predictions
        (regions, goals); `samples` (repeats, regions, samples, length); `bound` the constraints
        that a pruned design still fulfils.
        """
        ranked = [
            self._rank(t, b, samples[:, k]) for k, (t, b) in enumerate(zip(templates, before))
        ]
        owner = np.repeat(np.arange(len(ranked)), [len(r) for r in ranked])
        windows = np.stack([samples[r, k, s] for k, row in enumerate(ranked) for r, s in row])
        # All candidates of all regions lose their edits in the same batches.
        like = self.oracle.like
        paths = pruning_paths(
            self.oracle.models, one_hot(templates[owner], like), one_hot(windows, like),
            constraints=[bound[k] for k in owner],
            windows_per_call=self.oracle.windows_per_call,
        )  # fmt: skip
        chosen: list[Choice] = []
        for k, row in enumerate(ranked):
            rated = []
            for i, (repeat, _) in zip(np.flatnonzero(owner == k), row):
                left = self._steps_back(before[k], paths[i])
                window = windows[i].copy()
                window[paths[i].positions[:left]] = templates[k][paths[i].positions[:left]]
                y = paths[i].predictions[left]
                score = (not self._reach(before[k], y), paths[i].n_edits - left,
                         self._loss(before[k], y[None])[0])  # fmt: skip
                rated.append((score, Choice(repeat, windows[i], window, paths[i])))
            chosen.append(min(rated, key=lambda pair: pair[0])[1])
        return chosen

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

    def _loss(self, before: np.ndarray, y: np.ndarray) -> np.ndarray:
        objective: Objective = goal_objective(self._goals(), torch.from_numpy(before))
        return window_losses(torch.from_numpy(y), objective).numpy()

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
