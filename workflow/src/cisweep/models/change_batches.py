"""Changes at one position of many sequences, propagated side by side.

`changes.py` holds neighbouring positions of one sequence; here each row is a sequence of its own,
and all change at the same position. One pass gives the tensors of a batch, a second one what
changes. Of many sequences only what the second pass reads is kept.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from cisweep.models.changes import EMPTY, Example, Interval, Local, Plan, State, run_steps
from cisweep.models.fast_operations import REPLACED
from cisweep.models.tape import Ref, Tape, refs_in, run_call, walk


class SequenceBatch(Example):
    """The tensors of n unchanged sequences, and what of them has been read.

    inputs: (n, 4, length) one-hot, and further inputs of n rows. reads: those of another batch, if
    nothing will be read but what was read there.
    """

    @torch.no_grad()
    def __init__(
        self, tape: Tape, inputs: Sequence[Tensor], reads: dict[int, Interval] | None = None
    ):
        self.tape = tape
        self.values: dict[int, Tensor] = dict(enumerate(inputs))
        self.first: dict[int, int] = {}  # the first position that is held of a tensor
        self.reads: dict[int, Interval] = {i: self._extent(i) for i in refs_in(tape.output)}
        last = {i: k for k, call in enumerate(tape.calls) for i in call.inputs}
        for k, call in enumerate(tape.calls):
            fast = REPLACED.get(call.function)
            results = run_call(call, self.values, inputs[0].shape[0], fast)
            self.values.update(zip(call.outputs, results, strict=True))
            if reads is not None:
                for i in (*call.inputs, *call.outputs):
                    if last.get(i, -1) <= k and i in self.values:
                        self._keep(i, reads)

    def _extent(self, number: int) -> Interval:
        shape = self.tape.shapes[number]
        return (0, shape[2]) if len(shape) == 3 else (0, 0)

    def _keep(self, number: int, reads: dict[int, Interval]) -> None:
        """Leave a tensor, but for the positions that will be read."""
        tensor = self.values.pop(number)
        if number in reads:
            low, high = reads[number]
            if (low, high) != self._extent(number):
                tensor = tensor.transpose(1, 2)[:, low:high].contiguous().transpose(1, 2)
                self.first[number] = low
            self.values[number] = tensor

    @classmethod
    def of(cls, plan: Plan, X: Tensor, positions: Iterable[int], at_once: int) -> "SequenceBatch":
        """Return a batch of the sequences X for changes at these positions.

        `at_once` of them go through the model together; of more than those only what the changes
        read is kept, which is found out by changes of one of them.
        """
        if len(X) <= at_once:
            return cls(plan.tape, [X])
        trial = cls(plan.tape, [X[:1]])
        for p in positions:
            propagate_batch(plan, trial, p, X.new_zeros(1, 1, 1, X.shape[1]))
        parts = [cls(plan.tape, [part], trial.reads) for part in X.split(at_once)]
        whole = parts[0]
        for i in whole.values:
            if i in plan.tape.batched:
                whole.values[i] = torch.cat([part.values[i] for part in parts])
        return whole

    def output(self) -> Any:
        """Return the model's output (n, …) of the sequences as they are."""
        return walk(self.tape.output, lambda v: self.values[v.number] if isinstance(v, Ref) else v)

    def whole(self, number: int) -> Tensor:
        """Return a tensor (n, …)."""
        self.reads[number] = self._extent(number)
        return self.values[number]

    def windows(self, key: Any, p: int, n: int, start: int, width: int) -> Tensor:
        """Return the values (n, 1, width, channels) of a tensor from position p + start on.

        Positions beyond its ends are 0.
        """
        length = self._extent(key)[1]
        low, high = (min(max(p + at, 0), length) for at in (start, start + width))
        before = self.reads.get(key, (low, high))
        self.reads[key] = min(low, before[0]), max(high, before[1])
        first = self.first.get(key, 0)
        part = self.values[key].transpose(1, 2)[:, low - first : high - first]
        if high - low < width:
            left = min(max(-p - start, 0), width)
            part = torch.nn.functional.pad(part, (0, 0, left, width - left - part.shape[1]))
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
        device = next(iter(self.example.values.values())).device
        positions = torch.arange(width, device=device) + self.p + start
        return ((positions >= 0) & (positions < length))[None, None, :, None]

    def before(self, number: int) -> Tensor:
        """Return the unchanged values (n, 1, channels) of a tensor without positions."""
        return self.example.whole(number).reshape(self.n, 1, -1)

    def outside(self, number: int, start: int, end: int) -> Tensor:
        """Return the maxima (n, 1, channels) of the unchanged values beyond [start, end)."""
        value = self.example.whole(number)
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
        value = self.example.whole(number)
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
