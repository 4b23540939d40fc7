"""Simpler ways to a goal, to hold a design against: motifs put in, a beam of edits, random edits.

Each returns windows that fulfil the same constraints as the design (`BoundConstraints`), and is
measured by the same loss.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from cisweep.analysis.sequence_design.goals import Objective, window_losses
from cisweep.analysis.sequence_design.oracle import Oracle
from cisweep.errors import DesignError

Allowed = Callable[[np.ndarray], np.ndarray]
"""Says which windows (n, length) of tokens fulfil the constraints, bool (n,)."""
BLOCK = 4096
"""Windows measured at a time; a round of a baseline keeps no more in memory."""


@dataclass
class Baseline:
    """What a baseline came to."""

    name: str
    tokens: np.ndarray
    """The window, uint8 (length,)."""
    y: np.ndarray
    """Its predictions (K,)."""
    loss: float
    """Output loss, without an edit penalty."""
    n_edits: int
    rounds: list[tuple[int, float]]
    """Edits and loss after each round."""


@dataclass(frozen=True)
class BaselineTask:
    """One region to edit: the oracle (held frozen by the caller), window, goal, constraints."""

    oracle: Oracle
    template: np.ndarray
    objective: Objective
    frozen: np.ndarray
    allowed: Allowed | None = None

    def losses(self, windows: np.ndarray) -> tuple[np.ndarray, torch.Tensor]:
        """Return losses (n,) and predictions (n, K) of windows (n, length)."""
        y = self.oracle.predict(windows)
        return window_losses(y, self.objective.to(y)).double().numpy(force=True), y

    def n_edits(self, windows: np.ndarray) -> np.ndarray:
        """Return the number of known bases that each window changes."""
        return ((windows != self.template) & (self.template != 4)).sum(-1)

    def fine(self, windows: np.ndarray) -> np.ndarray:
        """Return the windows that leave frozen bases and fulfil the constraints."""
        windows = windows[(windows == self.template)[:, self.frozen].all(1)]
        return windows if self.allowed is None else windows[self.allowed(windows)]

    def result(self, name: str, window: np.ndarray, rounds: list[tuple[int, float]]) -> Baseline:
        """Return the named result with this window; raises DesignError if it is not allowed."""
        if not len(self.fine(window[None])):
            raise DesignError(f"{name} found no window that fulfils the constraints")
        loss, y = self.losses(window[None])
        return Baseline(name, window, y[0].numpy(force=True), float(loss[0]),
                        int(self.n_edits(window)), rounds)  # fmt: skip


def greedy_motifs(
    task: BaselineTask,
    motifs: dict[str, np.ndarray],
    *,
    max_motifs: int = 10,
    max_edits: int | None = None,
    tolerance: float = 1e-3,
) -> Baseline:
    """Return the window after putting in, one by one, the motif that lowers the loss most.

    Each round tries the consensus of each motif on both strands at each position.

    Parameters: `motifs` name → probabilities (4, width); `max_motifs` motifs at most; `max_edits`
    in all; the search stops when a round gains less than `tolerance`.
    Source: greedy_substitution of tangermeme 1.6.0 (Ledidi's paper compares with it).
    """
    if not motifs:
        raise DesignError("the motif baseline needs motifs", mend="give at least one matrix")
    words = [np.asarray(m).argmax(0).astype(np.uint8) for m in motifs.values()]
    words += [3 - w[::-1] for w in words]
    window = task.template.copy()
    loss = float(task.losses(window[None])[0][0])
    rounds = [(0, loss)]
    for _ in range(max_motifs):
        best = _best(task, _with_words(window, words), max_edits)
        if best is None or not loss - best[0] > tolerance:
            break
        loss, window = best
        rounds.append((int(task.n_edits(window)), loss))
    return task.result("greedy_motif", window, rounds)


def _with_words(window: np.ndarray, words: list[np.ndarray]) -> Iterator[np.ndarray]:
    for word in words:
        n = len(window) - len(word) + 1
        if n < 1:
            continue
        trials = np.repeat(window[None], n, 0)
        place = np.arange(n)[:, None]
        trials[place, place + np.arange(len(word))] = word
        yield trials


def _best(
    task: BaselineTask, trials: Iterator[np.ndarray], max_edits: int | None
) -> tuple[float, np.ndarray] | None:
    """Return loss and window of the best allowed trial, by loss, then by fewest edits."""
    best: tuple[float, int] | None = None
    window = None
    for block in trials:
        block = task.fine(block)
        if max_edits is not None:
            block = block[task.n_edits(block) <= max_edits]
        if not len(block):
            continue
        losses, edits = task.losses(block)[0], task.n_edits(block)
        k = np.lexsort((edits, losses))[0]
        if best is None or (losses[k], edits[k]) < best:
            best, window = (float(losses[k]), int(edits[k])), block[k]
    return None if best is None or window is None else (best[0], window)


def beam(task: BaselineTask, *, n_edits: int, width: int = 4) -> Baseline:
    """Return the best window of a beam search over single-base edits.

    Each round adds one edit to each of the `width` best windows and keeps the `width` best of the
    result; of all rounds up to `n_edits` the window with the lowest loss is returned.
    """
    if n_edits < 0 or width < 1:
        raise DesignError(f"a beam needs n_edits >= 0 and width >= 1, not {n_edits}, {width}")
    front = task.template[None].copy()
    loss = float(task.losses(front)[0][0])
    # The unedited window is an answer only where it is allowed.
    best, rounds = (loss if len(task.fine(front)) else np.inf, front[0]), [(0, loss)]
    for k in range(1, n_edits + 1):
        trials = np.unique(np.concatenate([_single_edits(task, w) for w in front]), axis=0)
        if not len(trials):
            break
        losses = np.concatenate(
            [task.losses(trials[i : i + BLOCK])[0] for i in range(0, len(trials), BLOCK)]
        )
        order = np.argsort(losses, kind="stable")[:width]
        front = trials[order]
        rounds.append((k, float(losses[order[0]])))
        if losses[order[0]] < best[0]:
            best = float(losses[order[0]]), front[0]
    return task.result("beam", best[1], rounds)


def _single_edits(task: BaselineTask, window: np.ndarray) -> np.ndarray:
    """Return all allowed windows with one more edit than `window`."""
    open_ = (window == task.template) & (task.template != 4) & ~task.frozen
    base, at = np.nonzero(open_ & (np.arange(4)[:, None] != window))
    trials = np.repeat(window[None], len(at), 0)
    trials[np.arange(len(at)), at] = base
    return task.fine(trials)


def random_edits(task: BaselineTask, *, n_edits: int, n_draws: int = 16, seed: int = 0) -> Baseline:
    """Return the median window, by loss, of `n_draws` with `n_edits` random edits each.

    Draws that break constraints are drawn anew, 100 times at most. `seed` determines the draws.
    """
    open_ = np.flatnonzero((task.template != 4) & ~task.frozen)
    if n_edits > len(open_):
        raise DesignError(f"{n_edits} random edits, but only {len(open_)} positions are free")
    generator = np.random.default_rng(seed)
    found: list[np.ndarray] = []
    for _ in range(100 * n_draws):
        window = task.template.copy()
        at = generator.choice(open_, n_edits, replace=False)
        window[at] = (window[at] + generator.integers(1, 4, n_edits)) % 4
        if len(task.fine(window[None])):
            found.append(window)
        if len(found) == n_draws:
            break
    if not found:
        raise DesignError("no random edits were found that fulfil the constraints")
    losses = task.losses(np.stack(found))[0]
    middle = int(np.argsort(losses, kind="stable")[len(losses) // 2])
    return task.result("random", found[middle], [(n_edits, float(losses[middle]))])
