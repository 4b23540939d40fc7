"""Changes at one position of many sequences, propagated side by side.

`changes.py` holds neighbouring positions of one sequence; here each row is a sequence of its own,
and all change at the same position. One pass gives the tensors of a batch, a second one what
changes.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cisweep.models.changes import EMPTY, Example, Interval, Local, Plan, State, run_steps
from cisweep.models.tape import Ref, Tape, walk


class SequenceBatch(Example):
    """The tensors of n unchanged sequences.

    inputs: (n, 4, length) one-hot, and further inputs of n rows.
    """

    def __init__(self, tape: Tape, inputs: Sequence[Tensor]):
        super().__init__(tape, inputs, 0)

    def output(self, tape: Tape) -> Any:
        """Return the model's output (n, …) of the sequences as they are."""
        return walk(tape.output, lambda v: self.values[v.number] if isinstance(v, Ref) else v)

    def windows(self, key: Any, p: int, n: int, start: int, width: int) -> Tensor:
        """Return the values (n, 1, width, channels) of a tensor from position p + start on.

        Positions beyond its ends are 0.
        """
        rows = self.values[key].transpose(1, 2)
        length, low, high = rows.shape[1], p + start, p + start + width
        part = rows[:, max(low, 0) : min(max(high, 0), length)]
        if low < 0 or high > length:
            before = min(max(-low, 0), width)
            part = torch.nn.functional.pad(part, (0, 0, before, width - before - part.shape[1]))
        return part[:, None]


class BatchState(State):
    """The tensors of one batch: position p of n sequences, m letters at each."""

    def clip(self, number: int, start: int, end: int) -> Interval:
        """Return the relative positions in [start, end) of a tensor that are read."""
        low, high = self.plan.needed.get(number, EMPTY)
        return max(start, low - self.p), min(end, high - self.p)

    def finish(self, number: int, data: Tensor, start: int) -> Local:
        """Return the change of an output, with what lies beyond the tensor's ends set to zero."""
        length, width = self.plan.tape.shapes[number][2], data.shape[2]
        if self.p + start < 0 or self.p + start + width > length:
            data = data.masked_fill(~self.inside(length, start, width), 0)
        return Local(data, start)

    def inside(self, length: int, start: int, width: int) -> Tensor:
        """Return whether each position (1, 1, width, 1) of the windows is within a tensor."""
        positions = torch.arange(width, device=self.example.values[0].device) + self.p + start
        return ((positions >= 0) & (positions < length))[None, None, :, None]

    def before(self, number: int) -> Tensor:
        """Return the unchanged values (n, 1, channels) of a tensor without positions."""
        return self.example.values[number].reshape(self.n, 1, -1)

    def outside(self, number: int, start: int, end: int) -> Tensor:
        """Return the maxima (n, 1, channels) of the unchanged values beyond [start, end)."""
        value = self.example.values[number]
        length = value.shape[2]
        low, high = (min(max(self.p + at, 0), length) for at in (start, end))
        parts = [part.amax(dim=2) for part in (value[..., :low], value[..., high:]) if part.numel()]
        if not parts:
            return value.new_full((self.n, 1, value.shape[1]), -torch.inf)
        return (parts[0] if len(parts) == 1 else torch.maximum(*parts))[:, None]

    def whole(self, number: int) -> Tensor:
        """Return the whole new tensor (n · m, …), whatever it is held as."""
        found = self.now.get(number)
        if isinstance(found, Tensor):
            return found
        value = self.example.values[number]
        if number not in self.plan.tape.batched:
            return value
        whole = value.repeat_interleave(self.m, dim=0)
        if found is None or found.data is None:
            return whole
        rows = whole.view(self.n, self.m, *whole.shape[1:])
        length, width = value.shape[2], found.data.shape[2]
        low, high = max(self.p + found.start, 0), min(self.p + found.start + width, length)
        if low < high:
            skipped = low - self.p - found.start
            part = found.data[:, :, skipped : skipped + high - low].transpose(2, 3)
            rows[..., low:high] += part
        return whole


@torch.no_grad()
def propagate_batch(plan: Plan, batch: SequenceBatch, p: int, first: Tensor) -> Any:
    """Return the model's output (n · m, …) for m substitutions at position p of n sequences.

    first: change of the one-hot sequences, (n, m, 1, 4): the new letter less the present one.
    """
    return run_steps(BatchState(plan, batch, p, first))
