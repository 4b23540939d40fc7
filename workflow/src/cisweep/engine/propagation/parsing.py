"""From a recorded call to its rule: which operations keep a change local, and how.

A function is known by itself (`torch.relu`, `Tensor.relu` and `F.relu` are three), its arguments
are read by its own signature. What is not known here is run on whole tensors.
"""

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cisweep.engine.calls import Batch, Call, Ref, has_batch
from cisweep.engine.convolution.dispatch import one_number
from cisweep.engine.propagation.rules import (
    Channels,
    Concatenation,
    Convolution,
    Function,
    Operation,
    Reduction,
    Scaled,
    Sum,
)
from cisweep.engine.recording import Recording

_Parse = Callable[[Call, Recording, set[int]], Any]


def local_rule(call: Call, recording: Recording, local: set[int]) -> Any:
    """Return the rule of a call that keeps changes local or sums over them; None if there is none.

    Parameters
    ----------
    call: an operation of the recording that depends on the sequence.
    recording: for the shapes.
    local: numbers of the tensors whose change is local.
    """
    parse = _PARSERS.get(call.function)
    if parse is None or len(call.outputs) != 1 or not local.intersection(call.inputs):
        return None
    if not call.args:  # called by names alone
        return None
    first, *others = recording.sizes[call.outputs[0]]
    if first != Batch(1) or has_batch(others) or has_batch((call.args, call.kwargs)):
        return None
    return parse(call, recording, local)


def _argument(call: Call, index: int, name: str, default: Any = None) -> Any:
    return call.args[index] if len(call.args) > index else call.kwargs.get(name, default)


def _number(value: Any, local: set[int]) -> int | None:
    return value.number if isinstance(value, Ref) and value.number in local else None


def _parse_convolution(call: Call, recording: Recording, local: set[int]) -> Any:
    names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
    defaults = (None, None, None, 1, 0, 1, 1)
    x, weight, bias, stride, padding, dilation, groups = (
        _argument(call, i, name, default) for i, (name, default) in enumerate(zip(names, defaults))
    )
    number = _number(x, local)
    if number is None or not isinstance(weight, Tensor) or isinstance(bias, Ref):
        return None
    stride, dilation = one_number(stride), one_number(dilation)
    reach = dilation * (weight.shape[2] - 1)
    if isinstance(padding, str):
        padding = 0 if padding == "valid" else reach // 2 if reach % 2 == 0 else None
    else:
        padding = one_number(padding)
    if stride != 1 or groups != 1 or padding is None or padding > reach:
        return None
    return Convolution(call, number, weight, bias, padding, dilation)


def _parse_function(function: Callable[..., Tensor]) -> _Parse:
    def parse(call: Call, recording: Recording, local: set[int]) -> Any:
        x, *others = call.args
        kwargs = {k: v for k, v in call.kwargs.items() if k != "inplace"}
        if function is F.relu or function is torch.relu:
            others, kwargs = [], {}
        number = _number(x, local)
        if number is None or any(isinstance(v, Ref | Tensor) for v in (*others, *kwargs.values())):
            return None
        if not others and not kwargs:
            return Function(call, number, function)
        return Function(call, number, lambda x: function(x, *others, **kwargs))

    return parse


def _parse_operation(function: Callable[..., Tensor], reverse: bool = False) -> _Parse:
    def parse(call: Call, recording: Recording, local: set[int]) -> Any:
        if call.kwargs or len(call.args) != 2:
            return None
        shape = recording.shapes[call.outputs[0]]
        if any(not _is_operand(v, recording, local, shape) for v in call.args):
            return None
        a, b = call.args[::-1] if reverse else call.args
        refs = [v for v in (a, b) if isinstance(v, Ref)]
        if len(refs) == 2 and function is operator.add:
            return Sum(call, [r.number for r in refs])
        if len(refs) == 2 or function not in (operator.add, operator.sub, operator.mul):
            return Operation(call, [a, b], function)
        scale = None
        if function is operator.mul:
            scale = b if isinstance(a, Ref) else a
        elif function is operator.sub and isinstance(b, Ref):
            scale = -1
        return Scaled(call, refs[0].number, scale)

    return parse


def _is_operand(value: Any, recording: Recording, local: set[int], shape: tuple[int, ...]) -> bool:
    """Return whether a value is a number, or a local or unchanging tensor of the output's shape."""
    if isinstance(value, Ref):
        i = value.number
        known = i in local or i not in recording.active
        return known and recording.shapes[i] == shape and i in recording.batched
    return isinstance(value, int | float) and not isinstance(value, bool)


def _parse_identity(call: Call, recording: Recording, local: set[int]) -> Any:
    number = _number(call.args[0], local)
    return None if number is None or len(call.args) > 1 else Scaled(call, number)


def _parse_dropout(call: Call, recording: Recording, local: set[int]) -> Any:
    number = _number(call.args[0], local)
    if number is None or _argument(call, 2, "training", True):
        return None
    return Scaled(call, number)


def _parse_batch_norm(call: Call, recording: Recording, local: set[int]) -> Any:
    names = ("input", "running_mean", "running_var", "weight", "bias", "training")
    x, _, variance, weight, _, training = (_argument(call, i, n) for i, n in enumerate(names))
    eps = _argument(call, 7, "eps", 1e-5)
    number = _number(x, local)
    if number is None or training or not isinstance(variance, Tensor) or isinstance(weight, Ref):
        return None
    scale = torch.rsqrt(variance + eps)
    return Scaled(call, number, scale if weight is None else scale * weight)


def _parse_item(call: Call, recording: Recording, local: set[int]) -> Any:
    number, key = _number(call.args[0], local), call.args[1]
    if number is None or not isinstance(key, tuple):
        return None
    if key[:1] == (Ellipsis,) and len(key) == 2:
        key = (slice(None), slice(None), key[1])
    if len(key) == 2 and key[0] == slice(None) and isinstance(key[1], slice | list):
        return Channels(call, number, key[1])
    if len(key) != 3 or key[:2] != (slice(None), slice(None)) or not isinstance(key[2], slice):
        return None
    start, end, step = key[2].indices(recording.shapes[number][2])
    return Scaled(call, number, shift=start) if step == 1 and start < end else None


def _parse_pad(call: Call, recording: Recording, local: set[int]) -> Any:
    number, pad = _number(call.args[0], local), _argument(call, 1, "pad")
    mode = _argument(call, 2, "mode", "constant")
    if number is None or mode != "constant" or len(pad) != 2:
        return None
    return Scaled(call, number, shift=-pad[0])


def _parse_cat(call: Call, recording: Recording, local: set[int]) -> Any:
    parts, dim = call.args[0], _argument(call, 1, "dim", 0)
    if dim not in (1, -2) or not all(isinstance(p, Ref) for p in parts):
        return None
    numbers = [p.number for p in parts]
    if any(len(recording.shapes[i]) != 3 or i not in recording.batched for i in numbers):
        return None
    if any(i in recording.active and i not in local for i in numbers):
        return None
    return Concatenation(call, numbers, [recording.shapes[i][1] for i in numbers])


def _parse_reduction(kind: str) -> _Parse:
    def parse(call: Call, recording: Recording, local: set[int]) -> Any:
        number = _number(call.args[0], local)
        dim = _argument(call, 1, "dim", call.kwargs.get("axis"))
        keepdim = _argument(call, 2, "keepdim", call.kwargs.get("keepdims", False))
        dims = tuple(dim) if isinstance(dim, list | tuple) else (dim,)
        if number is None or dims not in ((2,), (-1,)) or call.kwargs.get("dtype") is not None:
            return None
        return Reduction(call, number, kind, recording.shapes[number][2], bool(keepdim))

    return parse


def _parse_global_pool(kind: str) -> _Parse:
    def parse(call: Call, recording: Recording, local: set[int]) -> Any:
        number, size = _number(call.args[0], local), _argument(call, 1, "output_size")
        if number is None or size not in (1, (1,), [1]):
            return None
        return Reduction(call, number, kind, recording.shapes[number][2], True)

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
