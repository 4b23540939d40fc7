"""The change that one substitution makes, propagated through a recorded forward.

A substitution at position p changes a convolutional tensor only at positions near p. Each such
tensor is held as its change there, positions relative to p, for several p side by side; from
the first operation on for which this does not hold, whole tensors are computed. The idea is
fastISM's (Nair et al., Bioinformatics 2022); here changes, not values, go through the
convolutions, and positions that no later operation reads are left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from cisweep.engine.calls import Call
from cisweep.engine.constants import Stills
from cisweep.engine.executor import Program, every_tensor, execute
from cisweep.engine.recording import Recording

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


class Rule(Protocol):
    """How the change goes through one operation."""

    call: Call
    is_local: bool  # whether the output's change is local

    def needed(self, interval: Interval) -> dict[int, Interval]:
        """Return which positions of each local input are read for those of the output."""

    def run(self, state: "State") -> list[Local | Tensor]:
        """Return the outputs of the operation."""


@dataclass
class Propagation:
    """The rules of a recording; `assembly.assemble` makes it.

    `program` are the calls of the rules, `needed` the positions of each local tensor that are read,
    `largest` the numbers that one substitution changes at most in a tensor. `alike` are the still
    tensors that local rules read, of one window for all.
    """

    recording: Recording
    rules: list[Rule]
    program: Program
    needed: dict[int, Interval]
    largest: int
    alike: list[int]


class Example:
    """The tensors of the unchanged example, and stretches of them around neighbouring positions.

    Stretches reach at most as many positions beyond a tensor's ends as there are neighbours.
    """

    @torch.no_grad()
    def __init__(self, recording: Recording, inputs: Sequence[Tensor], neighbours: int):
        self.recording = recording
        self.values, self.stills = every_tensor(recording, inputs), Stills(recording, inputs)
        self.margin = neighbours
        self._padded: dict[Any, Tensor] = {}

    def output(self) -> Any:
        """Return the model's output of the unchanged example."""
        return self.recording.result(self.values.__getitem__)

    def unchanged(self, key: Any, p: int, n: int, start: int, width: int) -> Tensor:
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
        """Return overlapping stretches of a padded tensor, without a copy."""
        channels = padded.shape[1]
        offset = (p + start + self.margin) * channels
        return padded.as_strided((n, 1, width, channels), (channels, channels, channels, 1), offset)


class State:
    """The tensors of one batch: n neighbouring positions from p, m letters at each."""

    def __init__(self, propagation: Propagation, example: Example, p: int, first: Tensor):
        self.propagation, self.example, self.p = propagation, example, p
        self.n, self.m = first.shape[:2]
        if propagation.alike:
            example.stills.check_same_rows(propagation.alike, self.n * self.m)
        self.now: dict[int, Local | Tensor] = {0: Local(first, owned=False)}
        self.index = 0

    def run(self, made: Callable[[int, Local | Tensor], None] | None = None) -> Self:
        """Let the change go through all rules; `made` is called with each result."""
        rules = self.propagation.rules

        def run(index: int) -> list[Local | Tensor]:
            self.index = index
            return rules[index].run(self)

        execute(self.propagation.program, self.now, run, made=made)
        return self

    def output(self) -> Any:
        """Return the model's output (n · m, …), once all rules have run."""
        return self.propagation.recording.result(self.whole)

    def positions(self, device: torch.device) -> Tensor:
        """Return the substituted position of each row, (n,)."""
        return torch.arange(self.p, self.p + self.n, device=device)

    def local(self, number: int) -> Local:
        """Return the change of a tensor; of one that does not change, none."""
        found = self.now.get(number)
        return found if isinstance(found, Local) else Local(None)

    def owns(self, number: int) -> bool:
        """Return whether the current rule may overwrite the change of a tensor."""
        return self.local(number).owned and self.propagation.program.last.get(number) == self.index

    def clip(self, number: int, start: int, end: int) -> Interval:
        """Return the relative positions in [start, end) of a tensor that are read for any p."""
        low, high = self.propagation.needed.get(number, EMPTY)
        return max(start, low - (self.p + self.n - 1)), min(end, high - self.p)

    def unchanged(self, number: int, start: int, end: int) -> Tensor:
        """Return the unchanged values of a tensor at relative positions [start, end)."""
        return self.example.unchanged(number, self.p, self.n, start, end - start)

    def fresh(self, number: int, start: int, end: int) -> Tensor:
        """Return a copy (n, m, width, channels) of the unchanged values, to be overwritten."""
        found = self.unchanged(number, start, end)
        return found.new_empty((self.n, self.m, *found.shape[2:])).copy_(found)

    def less(self, data: Tensor, number: int, start: int) -> Tensor:
        """Return new values from `start` on less the unchanged ones, in place."""
        return data.sub_(self.unchanged(number, start, start + data.shape[2]))

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
        if local.is_value and local.data is not None:
            return local.data
        values, change = self.unchanged(number, start, end), self.change(number, start, end)
        return values if change is None else values + change

    def finish(self, number: int, data: Tensor, start: int) -> Local:
        """Return the change of an output, with what lies beyond the tensor's ends set to zero."""
        length = self.propagation.recording.shapes[number][2]
        width = data.shape[2]
        if self.p + start < 0 or self.p + self.n - 1 + start + width > length:
            # filled, not multiplied: beyond the ends even a quotient of zeros may stand
            data = data.masked_fill(~self.inside(length, start, width), 0)
        return Local(data, start)

    def inside(self, length: int, start: int, width: int) -> Tensor:
        """Return whether each position (n, 1, width, 1) of the stretches is within a tensor."""
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
        if number not in self.propagation.recording.active:
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
        first = self.positions(rows.device)
        left = left[(first + start).clamp(0, len(rows))]
        right = right[(first + end).clamp(0, len(rows))]
        return torch.maximum(left, right)[:, None]


@torch.no_grad()
def propagate(propagation: Propagation, example: Example, p: int, first: Tensor) -> Any:
    """Return the model's output (n · m, …) for substitutions at p … p + n − 1.

    Parameters
    ----------
    propagation: of the model's recording.
    example: the unchanged tensors.
    p: the first position.
    first: change of the one-hot sequence, (n, m, 1, 4): the new letter less the present one.
    """
    return State(propagation, example, p, first).run().output()
