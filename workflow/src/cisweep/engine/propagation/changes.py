"""The change that one substitution makes, propagated through a recorded forward.

A substitution at position p changes a convolutional tensor only at positions near p. Each such
tensor is held as its change there, positions relative to p, for several p side by side; from
the first operation on for which this does not hold, whole tensors are computed. The idea is
fastISM's (Nair et al., Bioinformatics 2022); here changes, not values, go through the
convolutions, and positions that no later operation reads are left out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from cisweep.engine.constants import Stills
from cisweep.engine.operations import fast_convolutions
from cisweep.engine.tape import Call, Ref, Tape, refs_in, run_call, walk

Interval = tuple[int, int]  # positions [start, end) of a tensor
EMPTY: Interval = (0, 0)


@dataclass
class Local:
    """The change of a tensor (batch, channels, positions) around each substituted position.

    `data` (n, m, width, channels): for the i-th of n neighbouring positions p and the j-th of m
    letters, row k is position p + start + k. It is the change, or the new value if `is_value`.
    None where nothing that is read changes.
    """

    data: Tensor | None
    start: int = 0
    is_value: bool = False
    owned: bool = True  # nothing else holds the data, so that it may be overwritten

    @property
    def end(self) -> int:
        """First relative position after the change."""
        return self.start + (0 if self.data is None else self.data.shape[2])


class Step(Protocol):
    """How the change goes through one operation."""

    call: Call
    is_local: bool  # whether the output's change is local

    def needed(self, interval: Interval) -> dict[int, Interval]:
        """Return which positions of each local input are read for those of the output."""

    def run(self, state: "State") -> list[Local | Tensor]:
        """Return the outputs of the operation."""


@dataclass
class Plan:
    """The steps of a tape.

    `needed` are the positions of each local tensor that are read, `last_use` the index of the
    last step that reads a tensor, `largest` the numbers that one substitution changes at most in
    a tensor. `alike` are the still tensors that local steps read, of one window for all.
    """

    tape: Tape
    steps: list[Step]
    needed: dict[int, Interval]
    last_use: dict[int, int]
    largest: int
    alike: list[int]


def tensors_of(tape: Tape, inputs: Sequence[Tensor]) -> dict[int, Tensor]:
    """Return every tensor of a forward, by its number."""
    values = dict(enumerate(inputs))
    for call in tape.calls:
        with fast_convolutions():
            results = run_call(call, values, inputs[0].shape[0])
        values.update(zip(call.outputs, results, strict=True))
    return values


class Example:
    """The tensors of the unchanged example, and windows of them around neighbouring positions.

    Windows reach at most as many positions beyond a tensor's ends as there are neighbours.
    """

    @torch.no_grad()
    def __init__(self, tape: Tape, inputs: Sequence[Tensor], neighbours: int):
        self.values, self.stills = tensors_of(tape, inputs), Stills(tape, inputs)
        self.margin = neighbours
        self._padded: dict[Any, Tensor] = {}

    def windows(self, key: Any, p: int, n: int, start: int, width: int) -> Tensor:
        """Return the values (n, 1, width, channels) of a tensor around positions p … p + n − 1.

        `key` is a tensor's number. Positions beyond its ends are 0.
        """
        return self.around(self.padded(key), p, n, start, width)

    def padded(self, number: int) -> Tensor:
        """Return a tensor as (positions + 2 margins, channels), made once."""
        if number not in self._padded:
            self._padded[number] = self.pad(self.values[number], 0.0)
        return self._padded[number]

    def change(self, number: int, start: int, part: Tensor, is_value: bool) -> None:
        """Add `part` (width, channels) to a tensor from a position on, or put it there."""
        length = self.values[number].shape[2]
        held = self.padded(number)[self.margin : self.margin + length]
        self.values[number] = held.transpose(0, 1)[None]
        rows = held[start : start + len(part)]
        rows.copy_(part) if is_value else rows.add_(part)

    def forget(self) -> None:
        """Leave what was derived from tensors that are about to change."""
        self._padded = {key: t for key, t in self._padded.items() if isinstance(key, int)}

    def pad(self, tensor: Tensor, value: float) -> Tensor:
        """Return a tensor (1, channels, positions) as (positions + 2 margins, channels)."""
        rows = tensor[0].transpose(0, 1)
        return torch.nn.functional.pad(rows, (0, 0, self.margin, self.margin), value=value)

    def around(self, padded: Tensor, p: int, n: int, start: int, width: int) -> Tensor:
        """Return overlapping windows of a padded tensor, without a copy."""
        channels = padded.shape[1]
        offset = (p + start + self.margin) * channels
        return padded.as_strided((n, 1, width, channels), (channels, channels, channels, 1), offset)


class State:
    """The tensors of one batch: n neighbouring positions from p, m letters at each."""

    def __init__(self, plan: Plan, example: Example, p: int, first: Tensor):
        self.plan, self.example, self.p = plan, example, p
        self.n, self.m = first.shape[:2]
        if plan.alike:
            example.stills.check_same_rows(plan.alike, self.n * self.m)
        self.now: dict[int, Local | Tensor] = {0: Local(first, owned=False)}
        self.index = 0

    def local(self, number: int) -> Local:
        """Return the change of a tensor; of one that does not change, none."""
        found = self.now.get(number)
        return found if isinstance(found, Local) else Local(None)

    def owns(self, number: int) -> bool:
        """Return whether the current step may overwrite the change of a tensor."""
        return self.local(number).owned and self.plan.last_use.get(number) == self.index

    def clip(self, number: int, start: int, end: int) -> Interval:
        """Return the relative positions in [start, end) of a tensor that are read for any p."""
        low, high = self.plan.needed.get(number, EMPTY)
        return max(start, low - (self.p + self.n - 1)), min(end, high - self.p)

    def windows(self, number: int, start: int, end: int) -> Tensor:
        """Return the unchanged values of a tensor at relative positions [start, end)."""
        return self.example.windows(number, self.p, self.n, start, end - start)

    def fresh(self, number: int, start: int, end: int) -> Tensor:
        """Return a copy (n, m, width, channels) of the unchanged values, to be overwritten."""
        windows = self.windows(number, start, end)
        return windows.new_empty((self.n, self.m, *windows.shape[2:])).copy_(windows)

    def less(self, data: Tensor, number: int, start: int) -> Tensor:
        """Return new values from `start` on less the unchanged ones, in place."""
        return data.sub_(self.windows(number, start, start + data.shape[2]))

    def change(self, number: int, start: int, end: int) -> Tensor | None:
        """Return the change of a tensor at exactly [start, end), zeros where there is none."""
        local = self.local(number)
        low, high = max(start, local.start), min(end, local.end)
        if local.data is None or low >= high:
            return None
        part = local.data[:, :, low - local.start : high - local.start]
        if (low, high) == (start, end):
            return part
        return torch.nn.functional.pad(part, (0, 0, low - start, end - high))

    def value(self, number: int, start: int, end: int) -> Tensor:
        """Return the new values of a tensor at relative positions [start, end)."""
        local = self.local(number)
        if local.is_value:
            return local.data
        values, change = self.windows(number, start, end), self.change(number, start, end)
        return values if change is None else values + change

    def finish(self, number: int, data: Tensor, start: int) -> Local:
        """Return the change of an output, with what lies beyond the tensor's ends set to zero."""
        length = self.plan.tape.shapes[number][2]
        width = data.shape[2]
        if self.p + start < 0 or self.p + self.n - 1 + start + width > length:
            # filled, not multiplied: beyond the ends even a quotient of zeros may stand
            data = data.masked_fill(~self.inside(length, start, width), 0)
        return Local(data, start)

    def inside(self, length: int, start: int, width: int) -> Tensor:
        """Return whether each position (n, 1, width, 1) of the windows is within a tensor."""
        device = self.example.values[0].device
        first = torch.arange(self.p + start, self.p + start + self.n, device=device)
        positions = first[:, None] + torch.arange(width, device=device)
        return ((positions >= 0) & (positions < length))[:, None, :, None]

    def whole(self, number: int) -> Tensor:
        """Return the whole new tensor (n · m, …), whatever it is held as."""
        found = self.now.get(number)
        size = self.n * self.m
        if isinstance(found, Tensor):
            return found
        if number not in self.plan.tape.active:
            return self.example.stills.get(number, size)
        value = self.example.values[number]  # of a local tensor, whose first axis is the batch
        if found is None or found.data is None:
            return value.expand(size, *value.shape[1:])
        length, margin = value.shape[2], self.example.margin
        rows = self.example.pad(value, 0.0).repeat(self.n, self.m, 1, 1)
        for i in range(self.n):
            at = self.p + i + found.start + margin
            rows[i, :, at : at + found.data.shape[2]] += found.data[i]
        rows = rows[:, :, margin : margin + length].reshape(size, length, -1)
        return rows.transpose(1, 2)

    def before(self, number: int) -> Tensor:
        """Return the unchanged values (n or 1, 1, channels) of a tensor without positions."""
        return self.example.values[number].reshape(1, 1, -1)

    def outside(self, number: int, start: int, end: int) -> Tensor:
        """Return the maxima (n, 1, channels) of the unchanged values beyond [start, end)."""
        padded, key = self.example._padded, ("running", number)
        rows = self.example.values[number][0].transpose(0, 1)
        if key not in padded:
            none = rows.new_full((1, rows.shape[1]), -torch.inf)
            left = torch.cat([none, rows.cummax(dim=0).values])
            right = torch.cat([rows.flip(0).cummax(dim=0).values.flip(0), none])
            padded[key] = torch.stack([left, right])
        left, right = padded[key]
        first = torch.arange(self.n, device=rows.device) + self.p
        left = left[(first + start).clamp(0, len(rows))]
        right = right[(first + end).clamp(0, len(rows))]
        return torch.maximum(left, right)[:, None]


class Whole:
    """An operation that is run on whole tensors, one for each substitution."""

    is_local = False

    def __init__(self, call: Call, tape: Tape):
        self.call = call
        self.lengths = {i: tape.shapes[i][2] for i in call.inputs if len(tape.shapes[i]) == 3}

    def needed(self, interval: Interval) -> dict[int, Interval]:
        """Return all positions of every input."""
        return {i: (0, length) for i, length in self.lengths.items()}

    def run(self, state: State) -> list[Local | Tensor]:
        """Return the outputs for all substitutions of the batch."""
        values = {i: state.whole(i) for i in self.call.inputs}
        return list(run_call(self.call, values, state.n * state.m))


def make_plan(tape: Tape) -> Plan:
    """Return how a change goes through each operation that depends on the sequence."""
    from cisweep.engine.propagation.parsing import local_step

    local, steps = {0}, []
    for call in (c for c in tape.calls if c.active):
        step = local_step(call, tape, local) or Whole(call, tape)
        if step.is_local:
            local.update(call.outputs)
        steps.append(step)
    needed = {i: (0, tape.shapes[i][2]) for i in refs_in(tape.output) if i in local}
    last_use = {}
    for index in range(len(steps) - 1, -1, -1):
        step = steps[index]
        for i in step.call.inputs:
            last_use.setdefault(i, index)
        reads = step.needed(needed.get(step.call.outputs[0], EMPTY))
        for i, (low, high) in reads.items():
            if i in local and low < high:
                low, high = max(low, 0), min(high, tape.shapes[i][2])
                before = needed.get(i)
                needed[i] = (low, high) if before is None else _union(before, (low, high))
    for i in refs_in(tape.output):
        last_use[i] = len(steps)
    for index, step in enumerate(steps):
        feeds = [s for s in steps[index + 1 :] if step.call.outputs[0] in s.call.inputs]
        if hasattr(step, "feed"):
            step.feed(feeds, step.call.outputs[0] in refs_in(tape.output))
    read = {i for step in steps if step.is_local for i in step.call.inputs}
    alike = sorted(read & tape.by_batch)
    return Plan(tape, steps, needed, last_use, _largest(tape, steps, needed), alike)


def _largest(tape: Tape, steps: list[Step], needed: dict[int, Interval]) -> int:
    """Return how many numbers one substitution changes in the tensor where it changes most."""
    spans: dict[int, Interval] = {0: (0, 1)}
    largest = 1
    for step in steps:
        out = step.call.outputs[0]
        shape = tape.shapes[out]
        if step.is_local:
            reads = [(i, a, b) for i, (a, b) in step.reads.items() if i in spans]
            low = min(spans[i][0] - b for i, _, b in reads)
            high = max(spans[i][1] - a for i, a, _ in reads)
            spans[out] = (low, high)
            low_needed, high_needed = needed.get(out, EMPTY)
            largest = max(largest, min(high - low, high_needed - low_needed) * shape[1])
        else:
            sizes = [tape.shapes[i] for i in (*step.call.outputs, *step.call.inputs)]
            if isinstance(step, Whole):
                largest = max(largest, *(math.prod(size[1:]) for size in sizes))
    return largest


def _union(a: Interval, b: Interval) -> Interval:
    return min(a[0], b[0]), max(a[1], b[1])


@torch.no_grad()
def propagate(plan: Plan, example: Example, p: int, first: Tensor) -> Any:
    """Return the model's output (n · m, …) for substitutions at p … p + n − 1.

    Parameters
    ----------
    plan: of the model's tape.
    example: the unchanged tensors.
    p: the first position.
    first: change of the one-hot sequence, (n, m, 1, 4): the new letter less the present one.
    """
    return run_steps(State(plan, example, p, first))


def run_steps(state: State) -> Any:
    """Return the model's output (n · m, …) for the changes of a state."""
    plan = state.plan
    with fast_convolutions():
        for state.index, step in enumerate(plan.steps):
            for number, result in zip(step.call.outputs, step.run(state), strict=True):
                state.now[number] = result
            for number in step.call.inputs:
                if plan.last_use[number] == state.index:
                    state.now.pop(number, None)
    return walk(
        plan.tape.output, lambda leaf: state.whole(leaf.number) if isinstance(leaf, Ref) else leaf
    )
