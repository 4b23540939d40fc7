"""How a local change goes through convolutions, pointwise operations, slices and reductions.

An output at position j reads the input at positions j + a … j + b. A change of the input at
[u, v) then changes the output at [u − b, v − a), and to read the output at [A, B) the input is
read at [A + a, B + b).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cisweep.engine.calls import Call, Ref
from cisweep.engine.convolution.dispatch import conv1d
from cisweep.engine.convolution.layouts import laid_out
from cisweep.engine.propagation.changes import Interval, Local, Rule, State

_WIDE_CHANGE = 96  # from which one product a tap, added in place, is faster than one for all
_FEW_TAPS = 8  # up to which a product with every tap and shifted sums is the fastest


class LocalRule:
    """A rule whose inputs and output are local, with the offsets [a, b] that it reads."""

    is_local = True

    def __init__(self, call: Call, reads: dict[int, tuple[int, int]]):
        self.call, self.reads = call, reads
        self.out = call.outputs[0]

    def needed(self, interval: Interval) -> dict[int, Interval]:
        """Return which positions of each input are read for those of the output."""
        low, high = interval
        if low >= high:
            return {}
        return {i: (low + a, high + b) for i, (a, b) in self.reads.items()}

    def span(self, state: State) -> Interval:
        """Return the relative positions of the output that change and are read."""
        spans = [
            (state.local(i).start - b, state.local(i).end - a)
            for i, (a, b) in self.reads.items()
            if state.local(i).data is not None
        ]
        if not spans:
            return 0, 0
        return state.clip(self.out, min(s[0] for s in spans), max(s[1] for s in spans))

    def run(self, state: State) -> list[Local | Tensor]:
        """Return the output of the operation."""
        start, end = self.span(state)
        return [self.change(state, start, end) if start < end else Local(None)]

    def change(self, state: State, start: int, end: int) -> Local:
        """Return the change of the output at relative positions [start, end)."""
        raise NotImplementedError


class Convolution(LocalRule):
    """A convolution of stride 1 with constant weights."""

    def __init__(
        self, call: Call, number: int, weight: Tensor, bias: Tensor | None, padding: int,
        dilation: int,
    ):  # fmt: skip
        reach = dilation * (weight.shape[2] - 1)
        super().__init__(call, {number: (-padding, reach - padding)})
        self.number, self.weight, self.bias = number, weight, bias
        self.padding, self.dilation = padding, dilation
        self.as_value = False

    def feed(self, rules: list[Rule], is_output: bool) -> None:
        """Give values, not changes, where the only reader is a pointwise function of them."""
        self.as_value = not is_output and len(rules) == 1 and isinstance(rules[0], Function)

    def change(self, state: State, start: int, end: int) -> Local:
        """Return the change of the output at relative positions [start, end)."""
        local = state.local(self.number)
        if local.data is None:
            return Local(None)
        n_out, _, width = self.weight.shape
        first = local.start + self.padding - self.dilation * (width - 1)
        if width > _FEW_TAPS and local.data.shape[2] > 1:
            data = self._convolved(local.data)[:, :, start - first : end - first]
            if self.as_value:
                data = data + state.unchanged(self.out, start, end)
        else:
            if self.as_value:
                data = state.fresh(self.out, start, end)
            else:
                data = local.data.new_zeros((state.n, state.m, end - start, n_out))
            self._add_taps(data, local.data, start - first)
        if self.as_value:
            return Local(data, start, is_value=True)
        return state.finish(self.out, data, start)

    def _convolved(self, data: Tensor) -> Tensor:
        n, m, width, channels = data.shape
        reach = self.dilation * (self.weight.shape[2] - 1)
        x = data.reshape(n * m, width, channels).transpose(1, 2)
        y = conv1d(x, self.weight, None, 1, reach, self.dilation)
        return y.transpose(1, 2).reshape(n, m, width + reach, -1)

    def _add_taps(self, data: Tensor, change: Tensor, skipped: int) -> None:
        """Add to `data` what each tap makes of each changed position.

        `skipped` positions of the whole output, which begins with the last tap, are left out.
        """
        n, m, width, channels = change.shape
        n_taps, n_out = self.weight.shape[2], self.weight.shape[0]
        taps = laid_out(self.weight, "by_tap", _by_tap)
        wide = width >= _WIDE_CHANGE
        if wide:
            flat, rows = data.view(n * m, -1, n_out), change.reshape(n * m, width, channels)
        else:
            made = (change.reshape(-1, channels) @ taps).view(n, m, width, n_taps, n_out)
        for tap in range(n_taps):
            at = (n_taps - 1 - tap) * self.dilation - skipped
            low, high = max(at, 0), min(at + width, data.shape[2])
            if low < high and wide:
                weight = taps[:, tap * n_out : (tap + 1) * n_out].expand(n * m, -1, -1)
                flat[:, low:high].baddbmm_(rows[:, low - at : high - at], weight)
            elif low < high:
                data[:, :, low:high] += made[:, :, low - at : high - at, tap]


def _by_tap(weight: Tensor) -> Tensor:
    """Return weights (out, in, width) as (in, width · out)."""
    n_out, n_in, width = weight.shape
    return weight.permute(1, 2, 0).reshape(n_in, width * n_out).contiguous()


class Function(LocalRule):
    """A pointwise function of one tensor."""

    def __init__(self, call: Call, number: int, function: Callable[[Tensor], Tensor]):
        super().__init__(call, {number: (0, 0)})
        self.number, self.function = number, function

    def change(self, state: State, start: int, end: int) -> Local:
        """Return the change of the output at relative positions [start, end)."""
        new = state.value(self.number, start, end)
        fresh = state.local(self.number).data is not None
        if fresh and self.function is torch.relu:
            new = new.relu_()
        else:
            new = self.function(new)
        return state.finish(self.out, state.less(new, self.out, start), start)


class Operation(LocalRule):
    """A pointwise operation of several tensors; `compute` gets one value for each operand."""

    def __init__(self, call: Call, operands: list[Any], compute: Callable[..., Tensor]):
        numbers = [o.number for o in operands if isinstance(o, Ref)]
        super().__init__(call, {i: (0, 0) for i in numbers})
        self.operands, self.compute = operands, compute

    def change(self, state: State, start: int, end: int) -> Local:
        """Return the change of the output at relative positions [start, end)."""
        values = [
            state.value(o.number, start, end) if isinstance(o, Ref) else o for o in self.operands
        ]
        new = self.compute(*values)
        return state.finish(self.out, new - state.unchanged(self.out, start, end), start)


class Sum(LocalRule):
    """x + y of two tensors of one shape: the changes add up."""

    def __init__(self, call: Call, numbers: list[int]):
        super().__init__(call, {i: (0, 0) for i in numbers})
        self.numbers = numbers

    def change(self, state: State, start: int, end: int) -> Local:
        """Return the change of the output at relative positions [start, end)."""
        # The wider change takes up the narrower one.
        numbers = sorted(self.numbers, key=lambda i: state.local(i).end - state.local(i).start)
        narrow, wide = numbers if len(numbers) == 2 else (numbers[0], numbers[0])
        local = state.local(wide)
        covers = (local.start, local.end) == (start, end)
        if local.data is not None and covers and state.owns(wide) and narrow != wide:
            data = local.data
        else:
            whole = state.change(wide, start, end)
            size = (state.n, state.m, end - start, -1)
            if whole is None:
                return Local(state.change(narrow, start, end), start, owned=False)
            data = whole.expand(size).clone()
        other = state.local(narrow)
        low, high = max(start, other.start), min(end, other.end)
        if other.data is not None and low < high:
            part = other.data[:, :, low - other.start : high - other.start]
            data[:, :, low - start : high - start] += part
        return Local(data, start)


class Scaled(LocalRule):
    """The change is multiplied by a number or by one number per channel (None: by 1)."""

    def __init__(self, call: Call, number: int, scale: Any = None, shift: int = 0):
        super().__init__(call, {number: (shift, shift)})
        self.number, self.scale, self.shift = number, scale, shift

    def change(self, state: State, start: int, end: int) -> Local:
        """Return the change of the output at relative positions [start, end)."""
        data = state.change(self.number, start + self.shift, end + self.shift)
        state.local(self.number).owned = False
        if data is None:
            return Local(None)
        if self.scale is not None:
            return Local(data * self.scale, start)
        # A slice that starts at 0 may end earlier, so this too is cut to the output.
        kept = state.finish(self.out, data, start)
        kept.owned = kept.data is not data
        return kept


class Channels(LocalRule):
    """Some of the channels."""

    def __init__(self, call: Call, number: int, index: Any):
        super().__init__(call, {number: (0, 0)})
        self.number, self.index = number, index

    def change(self, state: State, start: int, end: int) -> Local:
        """Return the change of the output at relative positions [start, end)."""
        data = state.change(self.number, start, end)
        state.local(self.number).owned = False
        return Local(None if data is None else data[..., self.index], start, owned=False)


class Concatenation(LocalRule):
    """Channels of several tensors side by side."""

    def __init__(self, call: Call, numbers: list[int], channels: list[int]):
        super().__init__(call, {i: (0, 0) for i in numbers})
        self.numbers, self.channels = numbers, channels

    def change(self, state: State, start: int, end: int) -> Local:
        """Return the change of the output at relative positions [start, end)."""
        parts = []
        changes = (state.local(i).data for i in self.numbers)
        like = next(data for data in changes if data is not None)
        for number, channels in zip(self.numbers, self.channels):
            part = state.change(number, start, end)
            if part is None:
                part = like.new_zeros(state.n, state.m, end - start, channels)
            parts.append(part)
        return Local(torch.cat(parts, dim=3), start)


class Reduction:
    """A sum, mean or maximum over all positions: the new value (n · m, channels)."""

    is_local = False

    def __init__(self, call: Call, number: int, kind: str, length: int, keepdim: bool):
        self.call, self.number, self.kind = call, number, kind
        self.length, self.keepdim = length, keepdim

    def needed(self, interval: Interval) -> dict[int, Interval]:
        """Return which positions of each input are read for those of the output."""
        return {self.number: (0, self.length)}

    def run(self, state: State) -> list[Local | Tensor]:
        """Return the output of the operation."""
        local = state.local(self.number)
        before = state.before(self.call.outputs[0])
        if local.data is None:
            new = before.expand(state.n, state.m, -1)
        elif self.kind == "max":
            new = self._maximum(state, local)
        else:
            change = local.data.sum(dim=2)
            new = before + (change / self.length if self.kind == "mean" else change)
        new = new.reshape(state.n * state.m, -1)
        return [new.unsqueeze(2) if self.keepdim else new]

    def _maximum(self, state: State, local: Local) -> Tensor:
        new = state.value(self.number, local.start, local.end)
        within = state.inside(self.length, local.start, new.shape[2])
        inside = new.masked_fill(~within, -torch.inf).amax(dim=2)
        return torch.maximum(inside, state.outside(self.number, local.start, local.end))


Pointwise = Function | Operation | Sum
