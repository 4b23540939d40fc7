"""Changes at one position of many sequences, propagated side by side.

`changes.py` holds neighbouring positions of one sequence; here each row is a sequence of its own,
and all change at the same position. One pass gives the tensors of a batch, a second one what
changes. Of many sequences only what the second pass reads is kept.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cisweep.engine.calls import tensors_in
from cisweep.engine.constants import Stills
from cisweep.engine.executor import every_tensor
from cisweep.engine.policy import FastPathOff
from cisweep.engine.propagation.changes import EMPTY, Example, Interval, Local, Propagation, State
from cisweep.engine.recording import Recording
from cisweep.engine.replay import Replay

Reads = dict[int, Interval]  # the positions of tensors that are read; (0, 0) without positions


def _extent(recording: Recording, number: int) -> Interval:
    shape = recording.shapes[number]
    return (0, shape[2]) if len(shape) == 3 else EMPTY


class SequenceBatch(Example):
    """The tensors of n unchanged sequences, or what of them is read; made by `SequenceBatches`."""

    def __init__(
        self, recording: Recording, n: int, values: dict[int, Tensor], stills: Stills,
        first: dict[int, int] | None = None,
    ):  # fmt: skip
        self.recording, self.n, self.values, self.stills = recording, n, values, stills
        self.first = first or {}  # the first position that is held of a tensor
        self.reads: Reads = {}  # what has been read

    def output(self) -> Any:
        """Return the model's output (n, …) of the sequences as they are."""

        def value(number: int) -> Tensor:
            active = number in self.recording.active
            return self.whole(number) if active else self.stills.get(number, self.n)

        return self.recording.result(value)

    def whole(self, number: int) -> Tensor:
        """Return a tensor (n, …) that depends on the sequence."""
        self.reads[number] = _extent(self.recording, number)
        return self.values[number]

    def unchanged(self, key: Any, p: int, n: int, start: int, width: int) -> Tensor:
        """Return the values (n, 1, width, channels) of a tensor from position p + start on.

        Positions beyond its ends are 0.
        """
        length = _extent(self.recording, key)[1]
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

    example: SequenceBatch

    def clip(self, number: int, start: int, end: int) -> Interval:
        """Return the relative positions in [start, end) of a tensor that are read."""
        low, high = self.propagation.needed.get(number, EMPTY)
        return max(start, low - self.p), min(end, high - self.p)

    def finish(self, number: int, data: Tensor, start: int) -> Local:
        """Return the change of an output, with what lies beyond the tensor's ends set to zero."""
        length, width = self.propagation.recording.shapes[number][2], data.shape[2]
        if self.p + start < 0 or self.p + start + width > length:
            data = data.masked_fill(~self.inside(length, start, width), 0)
        return Local(data, start)

    def inside(self, length: int, start: int, width: int) -> Tensor:
        """Return whether each position (1, 1, width, 1) of the stretches is within a tensor."""
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
        if number not in self.propagation.recording.active:
            return self.example.stills.get(number, self.n * self.m)
        value = self.example.whole(number)  # of a local tensor, whose first axis is the batch
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
def propagate_batch(propagation: Propagation, batch: SequenceBatch, p: int, first: Tensor) -> Any:
    """Return the model's output (n · m, …) for m substitutions at position p of n sequences.

    first: change of the one-hot sequences, (n, m, 1, 4): the new letter less the present one.
    """
    return BatchState(propagation, batch, p, first).run().output()


class SequenceBatches:
    """Makes batches of sequences for changes at the same positions.

    `at_once` sequences go through the model together. Of more than those only what the changes read
    is kept, which is found out by changes of one of them.
    """

    def __init__(self, propagation: Propagation, at_once: int):
        self.propagation, self.at_once = propagation, at_once
        self._replay = Replay(propagation.recording)
        self._stills: Stills | None = None
        if not propagation.recording.batched.issuperset(propagation.recording.outputs):
            raise FastPathOff("the batch is not the first axis of an output")
        self._reads: dict[tuple[int, ...], Reads] = {}

    @torch.no_grad()
    def batch(self, X: Tensor, positions: Sequence[int]) -> SequenceBatch:
        """Return the tensors of sequences X (n, 4, length) that change at these positions."""
        stills = self._stills
        if stills is None:
            stills = self._stills = Stills(self.propagation.recording, [X])
        if len(X) <= self.at_once:
            return self._whole(X, stills)
        reads = self._reads.get(tuple(positions))
        if reads is None:
            trial = self._whole(X[:1], stills)
            trial.output()
            for p in positions:
                propagate_batch(self.propagation, trial, p, X.new_zeros(1, 1, 1, X.shape[1]))
            reads = self._reads[tuple(positions)] = trial.reads
        return self._parts(X, stills, reads)

    def _whole(self, X: Tensor, stills: Stills) -> SequenceBatch:
        recording = self.propagation.recording
        return SequenceBatch(recording, len(X), every_tensor(recording, [X]), stills)

    def _parts(self, X: Tensor, stills: Stills, reads: Reads) -> SequenceBatch:
        recording = self.propagation.recording
        kept: dict[int, Tensor] = {}
        for start in range(0, len(X), self.at_once):

            def keep(number: int, tensor: Tensor, start: int = start) -> None:
                if number not in reads or number not in recording.active:
                    return
                low, high = reads[number]
                if _extent(recording, number) != EMPTY:
                    tensor = tensor.transpose(1, 2)[:, low:high]
                if number not in kept:
                    kept[number] = tensor.new_empty((len(X), *tensor.shape[1:]))
                kept[number][start : start + len(tensor)] = tensor

            output = self._replay(X[start : start + self.at_once], leaving=keep)
            for number, tensor in zip(recording.outputs, tensors_in(output), strict=True):
                keep(number, tensor)
        values = {
            i: tensor if _extent(recording, i) == EMPTY else tensor.transpose(1, 2)
            for i, tensor in kept.items()
        }
        first = {i: reads[i][0] for i in values}
        # Of a constant that is the same in each window, one window's.
        values |= {i: stills.get(i, 1) for i in reads if i not in recording.active}
        return SequenceBatch(recording, len(X), values, stills, first)
