"""Outputs of single reverts of a design, by propagating only what each of them changes.

`changes.py` takes neighbouring positions side by side; edits are scattered, so here each row of a
batch has a position of its own. The tensors of the design stay from round to round: a revert that
is made adds its own changes to them.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from cisweep.engine.propagation.changes import EMPTY, Example, Interval, Local, Propagation, State

BLOCK = 16
"""Reverts that are propagated at once: their largest change stays in cache."""
ANEW = 16
"""Reverts after which the tensors are computed anew, so that rounding does not add up."""


class _Scattered(State):
    """The tensors of one batch of substitutions, one at each of several ascending positions."""

    def __init__(
        self, propagation: Propagation, example: Example, places: np.ndarray, first: Tensor
    ):
        super().__init__(propagation, example, 0, first)
        self.rows = [int(p) for p in places]
        self.places = torch.as_tensor(places, device=first.device)

    def positions(self, device: torch.device) -> Tensor:
        """Return the substituted position of each row, (n,)."""
        return self.places.to(device)

    def clip(self, number: int, start: int, end: int) -> Interval:
        """Return the relative positions in [start, end) of a tensor that are read for any row."""
        low, high = self.propagation.needed.get(number, EMPTY)
        return max(start, low - self.rows[-1]), min(end, high - self.rows[0])

    def _unchanged(self, number: int, start: int, end: int) -> list[Tensor]:
        padded, margin = self.example.padded(number), self.example.margin
        return [padded[p + start + margin : p + end + margin] for p in self.rows]

    def unchanged(self, number: int, start: int, end: int) -> Tensor:
        """Return the unchanged values (n, 1, width, channels) around each position."""
        return torch.stack(self._unchanged(number, start, end)).unsqueeze(1)

    fresh = unchanged

    def less(self, data: Tensor, number: int, start: int) -> Tensor:
        """Return new values from `start` on less the unchanged ones, in place."""
        for row, before in zip(data, self._unchanged(number, start, start + data.shape[2])):
            row.sub_(before)
        return data

    def finish(self, number: int, data: Tensor, start: int) -> Local:
        """Return the change of an output, with what lies beyond the tensor's ends set to zero."""
        length, width = self.propagation.recording.shapes[number][2], data.shape[2]
        for row, p in zip(data, self.rows):
            low, high = -(p + start), length - (p + start)
            if low > 0:
                row[:, :low] = 0
            if high < width:
                row[:, max(high, 0) :] = 0
        return Local(data, start)

    def inside(self, length: int, start: int, width: int) -> Tensor:
        """Return whether each position (n, 1, width, 1) of the stretches is within a tensor."""
        at = self.places[:, None] + torch.arange(start, start + width, device=self.places.device)
        return ((at >= 0) & (at < length))[:, None, :, None]

    def whole(self, number: int) -> Tensor:
        """Return the whole new tensor (n, …), whatever it is held as."""
        found = self.now.get(number)
        if not isinstance(found, Local) or found.data is None:
            return super().whole(number)
        length, margin = self.propagation.recording.shapes[number][2], self.example.margin
        rows = self.example.padded(number).repeat(self.n, 1, 1)
        for row, part, p in zip(rows, found.data, self.rows):
            at = p + found.start + margin
            row[at : at + part.shape[1]] += part[0]
        return rows[:, margin : margin + length].transpose(1, 2)


class Reverts:
    """A window on its way to another one, base by base.

    Parameters
    ----------
    propagation: of the model.
    window, other: one-hot (1, 4, length); only bases that differ may be taken over.
    """

    def __init__(self, propagation: Propagation, window: Tensor, other: Tensor):
        self.propagation, self.window, self.other = propagation, window.clone(), other
        places = torch.nonzero((window != other).any(dim=1)[0]).flatten().tolist()
        self.margin = places[-1] - places[0] + 1 if places else 1
        self.differences = (other[0] - window[0]).T
        self._compute()

    @torch.no_grad()
    def _compute(self) -> None:
        self.example = Example(self.propagation.recording, [self.window.clone()], self.margin)
        self.n_made = 0

    def unchanged(self) -> Tensor:
        """Return the outputs (1, K) of the window as it is now."""
        return self.example.output().reshape(1, -1)

    @torch.no_grad()
    def predict(self, places: np.ndarray) -> Tensor:
        """Return outputs (n, K) with the other window's base at one of `places` each.

        `places` ascend.
        """
        blocks = [places[i : i + BLOCK] for i in range(0, len(places), BLOCK)]
        states = (self._state(block).run() for block in blocks)
        return torch.cat([state.output().reshape(state.n, -1) for state in states])

    @torch.no_grad()
    def make(self, place: int) -> None:
        """Take over the other window's base at `place`."""
        self.window[:, :, place] = self.other[:, :, place]
        if self.n_made + 1 == ANEW:
            self._compute()
            return
        self.n_made += 1
        state = self._state(np.array([place]))
        kept: dict[int, Local | Tensor] = {0: state.now[0]}

        def keep(number: int, result: Local | Tensor) -> None:
            # Later rules may overwrite what they read last.
            if isinstance(result, Tensor):
                kept[number] = result.clone()
            elif result.data is not None:
                kept[number] = replace(result, data=result.data.clone())

        state.run(made=keep)
        self.example.forget()
        for number, found in kept.items():
            if isinstance(found, Tensor):
                self.example.values[number] = found
            elif found.data is not None:
                self._change(number, place + found.start, found.data, found.is_value)

    def _change(self, number: int, start: int, made: Tensor, is_value: bool) -> None:
        """Change a tensor from position `start` on, as far as it goes."""
        low = max(start, 0)
        high = min(start + made.shape[2], self.propagation.recording.shapes[number][2])
        if low < high:
            part = made[0, 0, low - start : high - start]
            self.example.change(number, low, part, is_value)

    def _state(self, block: np.ndarray) -> _Scattered:
        """Return the state of one revert a row, before its first rule."""
        first = self.differences[torch.as_tensor(block, device=self.differences.device)][
            :, None, None
        ]
        return _Scattered(self.propagation, self.example, block, first)
