"""How a local change goes through convolutions, pointwise operations, slices and reductions.

An output at position j reads the input at positions j + a … j + b. A change of the input at
[u, v) then changes the output at [u − b, v − a), and to read the output at [A, B) the input is
read at [A + a, B + b).
"""

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cisweep.models.changes import Interval, Local, State, Step
from cisweep.models.convolution import _layout, conv1d
from cisweep.models.tape import Call, Ref, Tape

_WIDE_CHANGE = 96  # from which one product a tap, added in place, is faster than one for all
_FEW_TAPS = 8  # up to which a product with every tap and shifted sums is the fastest


class _LocalStep:
    """A step whose inputs and output are local, with the offsets [a, b] that it reads."""

    is_local = True

    def __init__(self, call: Call, reads: dict[int, tuple[int, int]]):
        self.call, self.reads = call, reads
        self.out = call.outputs[0]

    def needed(self, interval: Interval) -> dict[int, Interval]:
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
        start, end = self.span(state)
        return [self.change(state, start, end) if start < end else Local(None)]

    def change(self, state: State, start: int, end: int) -> Local:
        raise NotImplementedError


class Convolution(_LocalStep):
    """A convolution of stride 1 with constant weights."""

    def __init__(self, call: Call, number: int, weight: Tensor, padding: int, dilation: int):
        reach = dilation * (weight.shape[2] - 1)
        super().__init__(call, {number: (-padding, reach - padding)})
        self.number, self.weight, self.padding, self.dilation = number, weight, padding, dilation
        self.as_value = False

    def feed(self, steps: list[Step], is_output: bool) -> None:
        """Give values, not changes, where the only reader is a pointwise function of them."""
        self.as_value = not is_output and len(steps) == 1 and isinstance(steps[0], _Function)

    def change(self, state: State, start: int, end: int) -> Local:
        """Return the change of the output at relative positions [start, end)."""
        local = state.local(self.number)
        n_out, _, width = self.weight.shape
        first = local.start + self.padding - self.dilation * (width - 1)
        if width > _FEW_TAPS and local.data.shape[2] > 1:
            data = self._convolved(local.data)[:, :, start - first : end - first]
            if self.as_value:
                data = data + state.windows(self.out, start, end)
        else:
            size = (state.n, state.m, end - start, n_out)
            if self.as_value:
                data = local.data.new_empty(size).copy_(state.windows(self.out, start, end))
            else:
                data = local.data.new_zeros(size)
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
        taps = _layout(self.weight, "by_tap", _by_tap)
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


class _Function(_LocalStep):
    """A pointwise function of one tensor."""

    def __init__(self, call: Call, number: int, function: Callable[[Tensor], Tensor]):
        super().__init__(call, {number: (0, 0)})
        self.number, self.function = number, function

    def change(self, state: State, start: int, end: int) -> Local:
        new = state.value(self.number, start, end)
        fresh = state.local(self.number).data is not None
        if fresh and self.function is torch.relu:
            new = new.relu_()
        else:
            new = self.function(new)
        return state.finish(self.out, new.sub_(state.windows(self.out, start, end)), start)


class _Operation(_LocalStep):
    """A pointwise operation of several tensors; `compute` gets one value for each operand."""

    def __init__(self, call: Call, operands: list[Any], compute: Callable[..., Tensor]):
        numbers = [o.number for o in operands if isinstance(o, Ref)]
        super().__init__(call, {i: (0, 0) for i in numbers})
        self.operands, self.compute = operands, compute

    def change(self, state: State, start: int, end: int) -> Local:
        values = [
            state.value(o.number, start, end) if isinstance(o, Ref) else o for o in self.operands
        ]
        new = self.compute(*values)
        return state.finish(self.out, new - state.windows(self.out, start, end), start)


class Sum(_LocalStep):
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
        covers = local.data is not None and (local.start, local.end) == (start, end)
        if covers and state.owns(wide) and narrow != wide:
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


class _Scaled(_LocalStep):
    """The change is multiplied by a number or by one number a channel (None: by 1)."""

    def __init__(self, call: Call, number: int, scale: Any = None, shift: int = 0):
        super().__init__(call, {number: (shift, shift)})
        self.number, self.scale, self.shift = number, scale, shift

    def change(self, state: State, start: int, end: int) -> Local:
        data = state.change(self.number, start + self.shift, end + self.shift)
        state.local(self.number).owned = False
        if data is None:
            return Local(None)
        if self.scale is not None:
            return Local(data * self.scale, start)
        if self.shift == 0:
            return Local(data, start, owned=False)
        kept = state.finish(self.out, data, start)
        kept.owned = kept.data is not data
        return kept


class _Channels(_LocalStep):
    """Some of the channels."""

    def __init__(self, call: Call, number: int, index: Any):
        super().__init__(call, {number: (0, 0)})
        self.number, self.index = number, index

    def change(self, state: State, start: int, end: int) -> Local:
        data = state.change(self.number, start, end)
        state.local(self.number).owned = False
        return Local(None if data is None else data[..., self.index], start, owned=False)


class _Concatenation(_LocalStep):
    def __init__(self, call: Call, numbers: list[int], channels: list[int]):
        super().__init__(call, {i: (0, 0) for i in numbers})
        self.numbers, self.channels = numbers, channels

    def change(self, state: State, start: int, end: int) -> Local:
        parts = []
        like = next(state.local(i).data for i in self.numbers if state.local(i).data is not None)
        for number, channels in zip(self.numbers, self.channels):
            part = state.change(number, start, end)
            if part is None:
                part = like.new_zeros(state.n, state.m, end - start, channels)
            parts.append(part)
        return Local(torch.cat(parts, dim=3), start)


class _Reduction:
    """A sum, mean or maximum over all positions: the new value (n · m, channels)."""

    is_local = False

    def __init__(self, call: Call, number: int, kind: str, length: int, keepdim: bool):
        self.call, self.number, self.kind = call, number, kind
        self.length, self.keepdim = length, keepdim

    def needed(self, interval: Interval) -> dict[int, Interval]:
        return {self.number: (0, self.length)}

    def run(self, state: State) -> list[Local | Tensor]:
        local = state.local(self.number)
        before = state.example.values[self.call.outputs[0]].reshape(1, 1, -1)
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
        left, right = self._running(state)
        first = torch.arange(state.n, device=new.device) + state.p
        left = left[(first + local.start).clamp(0, self.length)]
        right = right[(first + local.end).clamp(0, self.length)]
        return torch.maximum(inside, torch.maximum(left, right)[:, None])

    def _running(self, state: State) -> tuple[Tensor, Tensor]:
        """Return the maxima (length + 1, channels) before and from each position on."""
        padded = state.example._padded
        key = ("running", self.number)
        if key not in padded:
            rows = state.example.values[self.number][0].transpose(0, 1)
            none = rows.new_full((1, rows.shape[1]), -torch.inf)
            left = torch.cat([none, rows.cummax(dim=0).values])
            right = torch.cat([rows.flip(0).cummax(dim=0).values.flip(0), none])
            padded[key] = torch.stack([left, right])
        return padded[key][0], padded[key][1]


# --- from a recorded call to its step ---------------------------------------------------------

Pointwise = _Function | _Operation | Sum

_Parse = Callable[[Call, Tape, set[int]], Any]


def local_step(call: Call, tape: Tape, local: set[int]) -> Any:
    """Return the step of a call that keeps changes local or sums over them; None if there is none.

    Parameters
    ----------
    call: an operation of the tape that depends on the sequence.
    tape: for the shapes.
    local: numbers of the tensors whose change is local.
    """
    parse = _PARSERS.get(call.function)
    if parse is None or len(call.outputs) != 1 or not local.intersection(call.inputs):
        return None
    return parse(call, tape, local)


def _argument(call: Call, index: int, name: str, default: Any = None) -> Any:
    return call.args[index] if len(call.args) > index else call.kwargs.get(name, default)


def _number(value: Any, local: set[int]) -> int | None:
    return value.number if isinstance(value, Ref) and value.number in local else None


def _parse_convolution(call: Call, tape: Tape, local: set[int]) -> Any:
    names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
    defaults = (None, None, None, 1, 0, 1, 1)
    x, weight, bias, stride, padding, dilation, groups = (
        _argument(call, i, name, default) for i, (name, default) in enumerate(zip(names, defaults))
    )
    number = _number(x, local)
    if number is None or not isinstance(weight, Tensor) or isinstance(bias, Ref):
        return None
    stride, dilation = (v if isinstance(v, int) else v[0] for v in (stride, dilation))
    reach = dilation * (weight.shape[2] - 1)
    if isinstance(padding, str):
        padding = 0 if padding == "valid" else reach // 2 if reach % 2 == 0 else None
    elif not isinstance(padding, int):
        padding = padding[0]
    if stride != 1 or groups != 1 or padding is None or padding > reach:
        return None
    return Convolution(call, number, weight, padding, dilation)


def _parse_function(function: Callable[..., Tensor]) -> _Parse:
    def parse(call: Call, tape: Tape, local: set[int]) -> Any:
        x, *others = call.args
        kwargs = {k: v for k, v in call.kwargs.items() if k != "inplace"}
        if function is F.relu or function is torch.relu:
            others, kwargs = [], {}
        number = _number(x, local)
        if number is None or any(isinstance(v, Ref | Tensor) for v in (*others, *kwargs.values())):
            return None
        if not others and not kwargs:
            return _Function(call, number, function)
        return _Function(call, number, lambda x: function(x, *others, **kwargs))

    return parse


def _parse_operation(function: Callable[..., Tensor], reverse: bool = False) -> _Parse:
    def parse(call: Call, tape: Tape, local: set[int]) -> Any:
        if call.kwargs or len(call.args) != 2:
            return None
        shape = tape.shapes[call.outputs[0]]
        if any(not _is_operand(v, tape, local, shape) for v in call.args):
            return None
        a, b = call.args[::-1] if reverse else call.args
        refs = [v for v in (a, b) if isinstance(v, Ref)]
        if len(refs) == 2 and function is operator.add:
            return Sum(call, [r.number for r in refs])
        if len(refs) == 2 or function not in (operator.add, operator.sub, operator.mul):
            return _Operation(call, [a, b], function)
        scale = None
        if function is operator.mul:
            scale = b if isinstance(a, Ref) else a
        elif function is operator.sub and isinstance(b, Ref):
            scale = -1
        return _Scaled(call, refs[0].number, scale)

    return parse


def _is_operand(value: Any, tape: Tape, local: set[int], shape: tuple[int, ...]) -> bool:
    """Return whether a value is a number, or a local or unchanging tensor of the output's shape."""
    if isinstance(value, Ref):
        i = value.number
        known = i in local or i not in tape.active
        return known and tape.shapes[i] == shape and i in tape.batched
    return isinstance(value, int | float) and not isinstance(value, bool)


def _parse_identity(call: Call, tape: Tape, local: set[int]) -> Any:
    number = _number(call.args[0], local)
    return None if number is None or len(call.args) > 1 else _Scaled(call, number)


def _parse_dropout(call: Call, tape: Tape, local: set[int]) -> Any:
    number = _number(call.args[0], local)
    if number is None or _argument(call, 2, "training", True):
        return None
    return _Scaled(call, number)


def _parse_batch_norm(call: Call, tape: Tape, local: set[int]) -> Any:
    names = ("input", "running_mean", "running_var", "weight", "bias", "training")
    x, _, variance, weight, _, training = (_argument(call, i, n) for i, n in enumerate(names))
    eps = _argument(call, 7, "eps", 1e-5)
    number = _number(x, local)
    if number is None or training or not isinstance(variance, Tensor) or isinstance(weight, Ref):
        return None
    scale = torch.rsqrt(variance + eps)
    return _Scaled(call, number, scale if weight is None else scale * weight)


def _parse_item(call: Call, tape: Tape, local: set[int]) -> Any:
    number, key = _number(call.args[0], local), call.args[1]
    if number is None or not isinstance(key, tuple):
        return None
    if key[:1] == (Ellipsis,) and len(key) == 2:
        key = (slice(None), slice(None), key[1])
    if len(key) == 2 and key[0] == slice(None) and isinstance(key[1], slice | list):
        return _Channels(call, number, key[1])
    if len(key) != 3 or key[:2] != (slice(None), slice(None)) or not isinstance(key[2], slice):
        return None
    start, end, step = key[2].indices(tape.shapes[number][2])
    return _Scaled(call, number, shift=start) if step == 1 and start < end else None


def _parse_pad(call: Call, tape: Tape, local: set[int]) -> Any:
    number, pad = _number(call.args[0], local), _argument(call, 1, "pad")
    mode = _argument(call, 2, "mode", "constant")
    if number is None or mode != "constant" or len(pad) != 2:
        return None
    return _Scaled(call, number, shift=-pad[0])


def _parse_cat(call: Call, tape: Tape, local: set[int]) -> Any:
    parts, dim = call.args[0], _argument(call, 1, "dim", 0)
    if dim not in (1, -2) or not all(isinstance(p, Ref) for p in parts):
        return None
    numbers = [p.number for p in parts]
    if any(len(tape.shapes[i]) != 3 or i not in tape.batched for i in numbers):
        return None
    if any(i in tape.active and i not in local for i in numbers):
        return None
    return _Concatenation(call, numbers, [tape.shapes[i][1] for i in numbers])


def _parse_reduction(kind: str) -> _Parse:
    def parse(call: Call, tape: Tape, local: set[int]) -> Any:
        number = _number(call.args[0], local)
        dim = _argument(call, 1, "dim", call.kwargs.get("axis"))
        keepdim = _argument(call, 2, "keepdim", call.kwargs.get("keepdims", False))
        dims = tuple(dim) if isinstance(dim, list | tuple) else (dim,)
        if number is None or dims not in ((2,), (-1,)) or call.kwargs.get("dtype") is not None:
            return None
        return _Reduction(call, number, kind, tape.shapes[number][2], bool(keepdim))

    return parse


def _parse_global_pool(kind: str) -> _Parse:
    def parse(call: Call, tape: Tape, local: set[int]) -> Any:
        number, size = _number(call.args[0], local), _argument(call, 1, "output_size")
        if number is None or size not in (1, (1,), [1]):
            return None
        return _Reduction(call, number, kind, tape.shapes[number][2], True)

    return parse


_T = torch.Tensor
_POINTWISE: tuple[tuple[Callable[..., Any], ...], ...] = (
    (torch.relu, F.relu, _T.relu, torch.relu_, _T.relu_, torch.ops.aten.relu.default),
    (F.relu6,),
    (F.leaky_relu,),
    (F.elu,),
    (F.selu, torch.selu),
    (F.celu, torch.celu),
    (F.gelu,),
    (F.silu,),
    (F.mish,),
    (F.softplus,),
    (F.hardtanh,),
    (F.hardswish,),
    (F.logsigmoid,),
    (torch.sigmoid, F.sigmoid, _T.sigmoid, torch.ops.aten.sigmoid.default),
    (torch.tanh, F.tanh, _T.tanh, torch.ops.aten.tanh.default),
    (torch.exp, _T.exp, torch.ops.aten.exp.default),
    (torch.log1p, _T.log1p),
    (torch.abs, _T.abs, _T.__abs__),
    (torch.square, _T.square),
    (torch.clamp, _T.clamp, torch.clip, _T.clip),
)
_BINARY: tuple[tuple[Callable[..., Any], bool, tuple[Callable[..., Any], ...]], ...] = (
    (operator.add, False, (torch.add, _T.add, _T.__add__, _T.add_, _T.__iadd__)),
    (operator.add, False, (_T.__radd__, torch.ops.aten.add.Tensor)),
    (operator.sub, False, (torch.sub, _T.sub, _T.__sub__, torch.ops.aten.sub.Tensor)),
    (operator.sub, True, (_T.__rsub__,)),
    (operator.mul, False, (torch.mul, _T.mul, _T.__mul__, _T.__rmul__, torch.ops.aten.mul.Tensor)),
    (operator.truediv, False, (torch.div, _T.div, _T.__truediv__, torch.ops.aten.div.Tensor)),
    (torch.maximum, False, (torch.maximum, _T.maximum)),
    (torch.minimum, False, (torch.minimum, _T.minimum)),
)

_PARSERS: dict[Callable[..., Any], _Parse] = {
    torch.conv1d: _parse_convolution,
    torch.ops.aten.conv1d.default: _parse_convolution,
    F.batch_norm: _parse_batch_norm,
    F.dropout: _parse_dropout,
    F.dropout1d: _parse_dropout,
    F.pad: _parse_pad,
    _T.__getitem__: _parse_item,
    _T.contiguous: _parse_identity,
    _T.clone: _parse_identity,
    torch.cat: _parse_cat,
    torch.concat: _parse_cat,
    F.adaptive_avg_pool1d: _parse_global_pool("mean"),
    torch.adaptive_avg_pool1d: _parse_global_pool("mean"),
    F.adaptive_max_pool1d: _parse_global_pool("max"),
    **{f: _parse_function(group[0]) for group in _POINTWISE for f in group},
    **{f: _parse_operation(op, rev) for op, rev, group in _BINARY for f in group},
    **{f: _parse_reduction("mean") for f in (torch.mean, _T.mean)},
    **{f: _parse_reduction("sum") for f in (torch.sum, _T.sum)},
    **{f: _parse_reduction("max") for f in (torch.amax, _T.amax)},
}
