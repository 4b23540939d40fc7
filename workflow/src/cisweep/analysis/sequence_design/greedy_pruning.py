"""Edits of a design that are not needed, taken back one by one (greedy pruning)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from cisweep.analysis.sequence_design.oracle import (
    Models,
    Oracle,
    call_size,
    check_target,
    frozen,
    one_hot,
    tokens_of,
)
from cisweep.engine.policy import FastPathOff, attempt, taken
from cisweep.engine.propagation.assembly import assemble
from cisweep.engine.propagation.changes import Propagation
from cisweep.engine.propagation.reverts import Reverts
from cisweep.engine.recording import record
from cisweep.engine.running import resolve_device
from cisweep.engine.verify import PROPAGATED, check_agreement
from cisweep.errors import DesignError

_NAME = "greedy pruning"

PROPAGATE_FROM_BP = 1000
"""Window from which, on CPU, a revert is propagated as a change; else all go as one batch."""


class Holds(Protocol):
    """What says whether windows fulfil constraints (analysis/sequence_design/constraints.py)."""

    def holds(self, samples: np.ndarray) -> np.ndarray:
        """Return bool (n,) for tokens (n, length)."""


@dataclass
class PruningPath:
    """The edits of one design in the order in which they were taken back.

    Round k leaves n_edits − k edits; round 0 is the whole design.
    """

    positions: list[int]
    """Position of the edit taken back in rounds 1, 2, …; 0-based in the window."""
    predictions: np.ndarray
    """Predictions after rounds 0, 1, 2, …, shape (rounds + 1, K)."""
    drift: np.ndarray
    """Σ over outputs of |prediction − prediction of round 0|, shape (rounds + 1,)."""
    n_edits: int
    """Edits of the whole design."""
    tokens: np.ndarray
    """The window after the last round, uint8 (length,)."""

    @property
    def edits_kept(self) -> np.ndarray:
        """Number of edits left after each round, shape (rounds + 1,)."""
        return self.n_edits - np.arange(len(self.drift))


def greedy_pruning(
    model: Models,
    X: torch.Tensor,
    X_hat: torch.Tensor,
    threshold: float = 1,
    target: int | None = None,
    verbose: bool = False,
    *,
    constraints: Holds | Sequence[Holds | None] | None = None,
    device: str | torch.device | None = None,
    windows_per_call: int | None = None,
) -> torch.Tensor:
    """Return designs without the edits that move the prediction least, shape of `X_hat`.

    Time and again the edit whose return to X leaves the prediction nearest to that of the whole
    design is taken back, as long as this drift, Σ over outputs of |Δ|, stays below `threshold`.

    Parameters
    ----------
    model : module giving predictions (batch, …), or a list of modules whose outputs are joined.
    X : unedited windows, one-hot (n, 4, length), or (1, 4, length) for all designs.
    X_hat : designs, one-hot (n, 4, length); each is pruned by itself, all in the same batches.
    threshold : limit of the drift, exclusive; 0 takes nothing back, infinity everything.
    target : output to slice out; None = the sum over all outputs.
    verbose : print each edit taken back.
    constraints : bound `Constraints` that a pruned design still fulfils; a list has one per design.
    device : where to compute; None = the GPU if there is one, else the CPU.
    windows_per_call : windows of each call of the model; None as in `design`.

    Raises
    ------
    DesignError : shapes, target or threshold that are wrong.

    Source: Ledidi 2.2.0 `greedy_pruning`, with all single reverts of a round as one batch. It
    differs where X is N: what was filled in there is no edit and stays. Ties: lowest position.
    """
    paths = pruning_paths(
        model, X, X_hat, threshold, target, constraints=constraints, device=device,
        windows_per_call=windows_per_call,
    )  # fmt: skip
    if verbose:
        for i, path in enumerate(paths):
            for k, position in enumerate(path.positions, 1):
                print(f"design={i}\tpruned={k}/{path.n_edits}\tposition={position}\t"
                      f"drift={path.drift[k]:.4g}")  # fmt: skip
    return one_hot(np.stack([path.tokens for path in paths]), X_hat)


def pruning_paths(
    model: Models,
    X: torch.Tensor,
    X_hat: torch.Tensor,
    threshold: float = float("inf"),
    target: int | None = None,
    *,
    constraints: Holds | Sequence[Holds | None] | None = None,
    device: str | torch.device | None = None,
    windows_per_call: int | None = None,
) -> list[PruningPath]:
    """Return how each design loses its edits, and the predictions on the way.

    With the default threshold all edits go, which gives the curve of edits kept against goal
    reached. Parameters as in `greedy_pruning`.
    """
    if not threshold >= 0:
        raise DesignError(f"threshold must not be negative, not {threshold}")
    check_target(target)
    templates, designs = tokens_of(X), tokens_of(X_hat, "X_hat")
    if templates.shape[1] != designs.shape[1] or len(templates) not in (1, len(designs)):
        raise DesignError(
            f"X {tuple(X.shape)} and X_hat {tuple(X_hat.shape)} do not fit",
            mend="give one X for all designs, or one for each",
        )
    rules = list(constraints) if isinstance(constraints, Sequence) else [constraints] * len(designs)
    if len(rules) != len(designs):
        raise DesignError(f"{len(rules)} constraints for {len(designs)} designs")
    dtype = X_hat.dtype if X_hat.is_floating_point() else torch.float32
    like = torch.empty(0, dtype=dtype, device=resolve_device(device))
    oracle = Oracle(model, target, like, windows_per_call or call_size(like, X.shape[-1]))
    with frozen(oracle.models, like.device):
        short = designs.shape[1] < PROPAGATE_FROM_BP or like.device.type != "cpu"
        templates = np.broadcast_to(templates, designs.shape)
        if not short and all(rule is None for rule in rules):
            found = attempt(_NAME, lambda: _prune_all(oracle, templates, designs, threshold))
            if found is not None:
                return found
        return _prune(oracle, templates, designs.copy(), threshold, rules)


def _prune_all(
    oracle: Oracle, templates: np.ndarray, designs: np.ndarray, threshold: float
) -> list[PruningPath]:
    """Return the paths by propagated changes; raises FastPathOff where they cannot be used."""
    if len(oracle.models) != 1:
        raise FastPathOff("the oracle has several models")
    tolerance = PROPAGATED.of(oracle.like.dtype)
    propagation = assemble(record(oracle.models[0], one_hot(designs[:1], oracle.like)))
    return [
        _prune_by_changes(oracle, propagation, (template, design.copy()), threshold, tolerance)
        for template, design in zip(templates, designs)
    ]


def _prune(
    oracle: Oracle, templates: np.ndarray, designs: np.ndarray, threshold: float,
    rules: Sequence[Holds | None],
) -> list[PruningPath]:  # fmt: skip
    y_full = oracle.predict(designs)
    edited = (designs != templates) & (templates != 4)
    paths = [
        PruningPath([], y[None].numpy(force=True), np.zeros(1), int(e.sum()), d)
        for y, e, d in zip(y_full, edited, designs)
    ]
    active = [i for i, path in enumerate(paths) if path.n_edits]
    while active:
        owner, position, windows = _reverts(active, edited, templates, designs, rules)
        y = oracle.predict(windows) if len(windows) else y_full[:0]
        drift = (y - y_full[owner]).abs().sum(1).numpy(force=True)
        still = []
        for i in active:
            rows = np.flatnonzero(owner == i)
            if not len(rows):
                continue
            best = rows[np.argmin(drift[rows])]  # the first of equal ones: the lowest position
            if not drift[best] < threshold:
                continue
            path = paths[i]
            designs[i], edited[i, position[best]] = windows[best], False
            path.positions.append(int(position[best]))
            path.predictions = np.vstack([path.predictions, y[best].numpy(force=True)])
            path.drift = np.append(path.drift, drift[best])
            if edited[i].any():
                still.append(i)
        active = still
    return paths


def _reverts(
    active: list[int], edited: np.ndarray, templates: np.ndarray, designs: np.ndarray,
    rules: Sequence[Holds | None],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Return (design, position, window) of every single revert of the active designs."""
    row, position = np.nonzero(edited[active])
    owner = np.asarray(active)[row]
    windows = designs[owner]
    windows[np.arange(len(owner)), position] = templates[owner, position]
    allowed = np.ones(len(owner), bool)
    for i in active:
        rule, mine = rules[i], owner == i
        if rule is not None and mine.any():
            allowed[mine] = rule.holds(windows[mine])
    return owner[allowed], position[allowed], windows[allowed]


def _prune_by_changes(
    oracle: Oracle, propagation: Propagation, windows: tuple[np.ndarray, np.ndarray],
    threshold: float, tolerance: float,
) -> PruningPath:  # fmt: skip
    template, design = windows
    edits = (design != template) & (template != 4)
    # An N of the template stays as it was filled in.
    goal = np.where(edits, template, design)
    reverts = Reverts(propagation, *(one_hot(each[None], oracle.like) for each in (design, goal)))
    y_full = oracle.targeted(reverts.unchanged())
    path = PruningPath([], y_full.numpy(force=True), np.zeros(1), int(edits.sum()), design)
    checked = [(design.copy(), y_full[0])]
    while edits.any():
        places = np.flatnonzero(edits)
        y = oracle.targeted(reverts.predict(places))
        if len(checked) == 1:  # all edits are there: the batches are as large as they become
            for i in {0, len(places) - 1}:
                window = design.copy()
                window[places[i]] = template[places[i]]
                checked.append((window, y[i]))
        drift = (y - y_full).abs().sum(1).numpy(force=True)
        best = int(np.argmin(drift))  # the first of equal ones: the lowest position
        if not drift[best] < threshold:
            break
        at = int(places[best])
        reverts.make(at)
        design[at], edits[at] = template[at], False
        path.positions.append(at)
        path.predictions = np.vstack([path.predictions, y[best].numpy(force=True)])
        path.drift = np.append(path.drift, drift[best])
    last = torch.as_tensor(path.predictions[-1], dtype=y_full.dtype, device=y_full.device)
    _check(oracle, [*checked, (design, last)], tolerance)
    taken(_NAME)
    return path


def _check(oracle: Oracle, pairs: list[tuple[np.ndarray, torch.Tensor]], tolerance: float) -> None:
    """Check predictions (K,) of windows against the oracle; raises FastPathOff."""
    windows, found = zip(*pairs)
    expected = oracle.predict(np.stack(windows))
    check_agreement([torch.stack(found)], [expected], tolerance, "predictions of reverts")
