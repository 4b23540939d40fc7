"""Predictions of single reverts of a design, by propagating only what each of them changes.

The propagation (models/changes.py) takes neighbouring positions side by side; edits are scattered,
so here each row of a batch has a position of its own.
"""

from typing import Any

import numpy as np
import torch

from cisweep.analysis.design_oracle import Oracle, one_hot
from cisweep.models.changes import EMPTY, Example, Interval, Local, Plan, State, make_plan
from cisweep.models.convolution import fast_convolutions
from cisweep.models.tape import Ref, Untraceable, record, walk

BLOCK = 8
"""Reverts that are propagated at once: their largest change stays in cache."""
TOLERANCE = 1e-4
"""Largest relative difference from the model's own prediction that propagation may have."""


class _Scattered(State):
    """The tensors of one batch of substitutions, one at each of several ascending positions."""

    def __init__(self, plan: Plan, example: Example, places: torch.Tensor, first: torch.Tensor):
        super().__init__(plan, example, 0, first)
        self.places = places
        self.lowest, self.highest = int(places[0]), int(places[-1])
        # Rules that add a row's number to p get that row's position.
        self.p = places - torch.arange(len(places), device=places.device)

    def clip(self, number: int, start: int, end: int) -> Interval:
        """Return the relative positions in [start, end) of a tensor that are read for any row."""
        low, high = self.plan.needed.get(number, EMPTY)
        return max(start, low - self.highest), min(end, high - self.lowest)

    def _at(self, start: int, width: int) -> torch.Tensor:
        return self.places[:, None] + torch.arange(start, start + width, device=self.places.device)

    def windows(self, number: int, start: int, end: int) -> torch.Tensor:
        """Return the unchanged values (n, 1, width, channels) around each position."""
        held = self.example._padded
        if number not in held:
            held[number] = self.example.pad(self.example.values[number], 0.0)
        return held[number][self._at(start, end - start) + self.example.margin].unsqueeze(1)

    def finish(self, number: int, data: torch.Tensor, start: int) -> Local:
        """Return the change of an output, with what lies beyond the tensor's ends set to zero."""
        length, width = self.plan.tape.shapes[number][2], data.shape[2]
        if self.lowest + start < 0 or self.highest + start + width > length:
            data = data.masked_fill(~self.inside(length, start, width), 0)
        return Local(data, start)

    def inside(self, length: int, start: int, width: int) -> torch.Tensor:
        """Return whether each position (n, 1, width, 1) of the windows is within a tensor."""
        at = self._at(start, width)
        return ((at >= 0) & (at < length))[:, None, :, None]

    def whole(self, number: int) -> torch.Tensor:
        """Return the whole new tensor (n, …), whatever it is held as."""
        found = self.now.get(number)
        if not isinstance(found, Local) or found.data is None:
            return super().whole(number)
        value = self.example.values[number]
        length, margin = value.shape[2], self.example.margin
        rows = self.example.pad(value, 0.0).repeat(self.n, self.m, 1, 1)
        for i, place in enumerate(self.places.tolist()):
            at = place + found.start + margin
            rows[i, :, at : at + found.data.shape[2]] += found.data[i]
        return rows[:, :, margin : margin + length].reshape(self.n, length, -1).transpose(1, 2)


class RevertChanges:
    """Predicts a window with single bases of another one; made by `of`."""

    def __init__(self, oracle: Oracle, plan: Plan):
        self.oracle, self.plan = oracle, plan

    @classmethod
    def of(cls, oracle: Oracle, window: np.ndarray) -> "RevertChanges | None":
        """Return the propagation for an oracle of one module, or None where it cannot be used.

        It is checked against the oracle itself at some substitutions of `window` (length,).
        """
        like = oracle.like
        if len(oracle.models) != 1 or like.dtype not in (torch.float32, torch.float64):
            return None
        try:
            changes = cls(oracle, make_plan(record(oracle.models[0], one_hot(window[None], like))))
            return changes if changes._agrees(window) else None
        except (Untraceable, RuntimeError, IndexError):
            # What the rules of the propagation do not cover is predicted in full.
            return None

    def _agrees(self, window: np.ndarray) -> bool:
        places = np.unique(np.linspace(0, len(window) - 1, 6).round().astype(int))
        places = places[window[places] != 4]
        if not len(places):
            return False
        other = window.copy()
        other[places] = (other[places] + 1) % 4
        trials = np.repeat(window[None], len(places), 0)
        trials[np.arange(len(places)), places] = other[places]
        found, expected = self.predict(window, other, places), self.oracle.predict(trials)
        limit = TOLERANCE * expected.abs().max().clamp_min(1e-30)
        return found.shape == expected.shape and bool((found - expected).abs().max() <= limit)

    @torch.no_grad()
    def predict(self, window: np.ndarray, other: np.ndarray, places: np.ndarray) -> torch.Tensor:
        """Return predictions (n, K) of `window` with the base of `other` at one of `places` each.

        `places` ascend.
        """
        x = one_hot(window[None], self.oracle.like)
        blocks = [places[i : i + BLOCK] for i in range(0, len(places), BLOCK)]
        margin = max(int(block[-1] - block[0]) + 1 for block in blocks)
        example = Example(self.plan.tape, [x], margin)
        steps = one_hot(other[None], x)[0].T - x[0].T
        parts = [self._propagate(example, block, steps) for block in blocks]
        y, target = torch.cat(parts), self.oracle.target
        return y if target is None else y[:, target : target + 1]

    def _propagate(self, example: Example, block: np.ndarray, steps: torch.Tensor) -> torch.Tensor:
        places = torch.as_tensor(block, device=steps.device)
        state = _Scattered(self.plan, example, places, steps[places][:, None, None])
        with fast_convolutions():
            for state.index, step in enumerate(self.plan.steps):
                for number, result in zip(step.call.outputs, step.run(state), strict=True):
                    state.now[number] = result
                for number in step.call.inputs:
                    if self.plan.last_use[number] == state.index:
                        state.now.pop(number, None)

        def value(leaf: Any) -> Any:
            return state.whole(leaf.number) if isinstance(leaf, Ref) else leaf

        return walk(self.plan.tape.output, value).reshape(len(block), -1)
