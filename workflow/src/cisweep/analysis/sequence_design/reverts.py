"""Predictions of single reverts of a design, by propagating only what each of them changes.

The propagation (engine/propagation/changes.py) takes neighbouring positions side by side; edits are
scattered, so here each row of a batch has a position of its own. The tensors of the design stay
from step to step: a revert that is made adds its own changes to them.
"""

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from cisweep.analysis.sequence_design.oracle import Oracle, one_hot
from cisweep.engine.operations import fast_convolutions
from cisweep.engine.policy import FastPathOff
from cisweep.engine.propagation.changes import (
    EMPTY,
    Example,
    Interval,
    Local,
    Plan,
    State,
    make_plan,
)
from cisweep.engine.recording import record
from cisweep.engine.tape import Ref, walk

BLOCK = 16
"""Reverts that are propagated at once: their largest change stays in cache."""
ANEW = 16
"""Reverts after which the tensors are computed anew, so that rounding does not add up."""
TOLERANCE = 1e-4
"""Largest relative difference from the model's own prediction that propagation may have."""


class _Scattered(State):
    """The tensors of one batch of substitutions, one at each of several ascending positions."""

    def __init__(self, plan: Plan, example: Example, places: np.ndarray, first: torch.Tensor):
        super().__init__(plan, example, 0, first)
        self.rows = [int(p) for p in places]
        self.places = torch.as_tensor(places, device=first.device)
        # Rules that add a row's number to p get that row's position.
        self.p = self.places - torch.arange(self.n, device=first.device)

    def clip(self, number: int, start: int, end: int) -> Interval:
        """Return the relative positions in [start, end) of a tensor that are read for any row."""
        low, high = self.plan.needed.get(number, EMPTY)
        return max(start, low - self.rows[-1]), min(end, high - self.rows[0])

    def _unchanged(self, number: int, start: int, end: int) -> list[torch.Tensor]:
        padded, margin = self.example.padded(number), self.example.margin
        return [padded[p + start + margin : p + end + margin] for p in self.rows]

    def windows(self, number: int, start: int, end: int) -> torch.Tensor:
        """Return the unchanged values (n, 1, width, channels) around each position."""
        return torch.stack(self._unchanged(number, start, end)).unsqueeze(1)

    fresh = windows

    def less(self, data: torch.Tensor, number: int, start: int) -> torch.Tensor:
        """Return new values from `start` on less the unchanged ones, in place."""
        for row, before in zip(data, self._unchanged(number, start, start + data.shape[2])):
            row.sub_(before)
        return data

    def finish(self, number: int, data: torch.Tensor, start: int) -> Local:
        """Return the change of an output, with what lies beyond the tensor's ends set to zero."""
        length, width = self.plan.tape.shapes[number][2], data.shape[2]
        for row, p in zip(data, self.rows):
            low, high = -(p + start), length - (p + start)
            if low > 0:
                row[:, :low] = 0
            if high < width:
                row[:, max(high, 0) :] = 0
        return Local(data, start)

    def inside(self, length: int, start: int, width: int) -> torch.Tensor:
        """Return whether each position (n, 1, width, 1) of the windows is within a tensor."""
        at = self.places[:, None] + torch.arange(start, start + width, device=self.places.device)
        return ((at >= 0) & (at < length))[:, None, :, None]

    def whole(self, number: int) -> torch.Tensor:
        """Return the whole new tensor (n, …), whatever it is held as."""
        found = self.now.get(number)
        if not isinstance(found, Local) or found.data is None:
            return super().whole(number)
        length, margin = self.plan.tape.shapes[number][2], self.example.margin
        rows = self.example.padded(number).repeat(self.n, 1, 1)
        for row, part, p in zip(rows, found.data, self.rows):
            at = p + found.start + margin
            row[at : at + part.shape[1]] += part[0]
        return rows[:, margin : margin + length].transpose(1, 2)


class RevertChanges:
    """Predicts a window with single bases of another one; made by `of`."""

    def __init__(self, oracle: Oracle, plan: Plan):
        self.oracle, self.plan = oracle, plan

    @classmethod
    def of(cls, oracle: Oracle, window: np.ndarray) -> "RevertChanges":
        """Return the propagation for an oracle of one module and windows like this one (length,).

        Raises
        ------
        FastPathOff: the oracle has several modules, or its module cannot be recorded.
        """
        like = oracle.like
        if len(oracle.models) != 1:
            raise FastPathOff("the oracle has several models")
        if like.dtype not in (torch.float32, torch.float64):
            raise FastPathOff(f"the oracle computes in {like.dtype}")
        return cls(oracle, make_plan(record(oracle.models[0], one_hot(window[None], like))))


class Reverts:
    """A window on its way to another one, base by base.

    Parameters: `window`, `other` uint8 (length,), 4 = N; only bases that differ may be taken over.
    """

    def __init__(self, changes: RevertChanges, window: np.ndarray, other: np.ndarray):
        self.changes, self.window, self.other = changes, window.copy(), other
        places = np.flatnonzero(window != other)
        self.margin = int(places[-1] - places[0]) + 1 if len(places) else 1
        self.steps = (
            one_hot(other[None], changes.oracle.like)[0]
            - one_hot(window[None], changes.oracle.like)[0]
        ).T
        self._compute()

    @torch.no_grad()
    def _compute(self) -> None:
        x = one_hot(self.window[None], self.changes.oracle.like)
        self.example, self.n_made = Example(self.changes.plan.tape, [x], self.margin), 0

    def unchanged(self) -> torch.Tensor:
        """Return the prediction (1, K) of the window as it is now."""

        def value(leaf: Any) -> Any:
            return self.example.values[leaf.number] if isinstance(leaf, Ref) else leaf

        return self._target(walk(self.changes.plan.tape.output, value).reshape(1, -1))

    def _target(self, y: torch.Tensor) -> torch.Tensor:
        target = self.changes.oracle.target
        return y if target is None else y[:, target : target + 1]

    @torch.no_grad()
    def predict(self, places: np.ndarray) -> torch.Tensor:
        """Return predictions (n, K) with the other window's base at one of `places` each.

        `places` ascend.
        """
        blocks = [places[i : i + BLOCK] for i in range(0, len(places), BLOCK)]
        y = torch.cat([self._output(self._propagate(block)) for block in blocks])
        return self._target(y)

    @torch.no_grad()
    def make(self, place: int) -> None:
        """Take over the other window's base at `place`."""
        self.window[place] = self.other[place]
        if self.n_made + 1 == ANEW:
            self._compute()
            return
        self.n_made += 1
        kept: dict[int, Local | torch.Tensor] = {}
        self._propagate(np.array([place]), kept)
        self.example.forget()
        for number, found in kept.items():
            if isinstance(found, torch.Tensor):
                self.example.values[number] = found
            else:
                self._change(number, place + found.start, found)

    def _change(self, number: int, start: int, made: Local) -> None:
        """Change a tensor from position `start` on, as far as it goes."""
        low = max(start, 0)
        high = min(start + made.data.shape[2], self.changes.plan.tape.shapes[number][2])
        if low < high:
            part = made.data[0, 0, low - start : high - start]
            self.example.change(number, low, part, made.is_value)

    def _propagate(
        self, block: np.ndarray, kept: dict[int, Local | torch.Tensor] | None = None
    ) -> _Scattered:
        """Return the state after all steps; copies of their results go to `kept`."""
        plan = self.changes.plan
        first = self.steps[torch.as_tensor(block, device=self.steps.device)][:, None, None]
        state = _Scattered(plan, self.example, block, first)
        if kept is not None:
            kept[0] = Local(first)
        for state.index, step in enumerate(plan.steps):
            # Local steps are fast by themselves; the context would cost them as much as they do.
            with nullcontext() if step.is_local else fast_convolutions():
                results = step.run(state)
            for number, result in zip(step.call.outputs, results, strict=True):
                state.now[number] = result
                # Later steps may overwrite what they read last.
                if kept is not None and isinstance(result, torch.Tensor):
                    kept[number] = result.clone()
                elif kept is not None and result.data is not None:
                    kept[number] = replace(result, data=result.data.clone())
            for number in step.call.inputs:
                if plan.last_use[number] == state.index:
                    state.now.pop(number, None)
        return state

    def _output(self, state: _Scattered) -> torch.Tensor:
        def value(leaf: Any) -> Any:
            return state.whole(leaf.number) if isinstance(leaf, Ref) else leaf

        return walk(self.changes.plan.tape.output, value).reshape(state.n, -1)
