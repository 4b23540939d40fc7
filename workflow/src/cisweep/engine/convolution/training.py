"""Convolutions that learn, faster on a CPU than torch's own, with the same gradients."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

from cisweep.engine.convolution import dispatch as fast
from cisweep.engine.policy import OPERATIONS, policy_of

# From these sizes a product with shifted sums is faster (64 -> 2, width 75: 12 times).
_FEW_OUTPUTS, _WIDE = 4, 16


def conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int] = 1,
    padding: int | tuple[int] | str = 0,
    dilation: int | tuple[int] = 1,
    groups: int = 1,
) -> Tensor:
    """Return torch.nn.functional.conv1d of the same arguments; gradients reach all of them.

    On a CPU in float32 it runs as engine/convolution/dispatch.py runs it, and a wide convolution to
    a few outputs (a profile head) as matrix products, forwards and backwards: equal within 1e-5 of
    the largest value. Anything else is torch's own conv1d. There is no second derivative.

    Parameters
    ----------
    x: (N, channels, positions); the result may have other strides.
    weight: (outputs, channels / groups, width).
    """
    one, pad = _single(dilation), _single(padding)
    if _suits(x, weight, bias) and _single(stride) == groups == 1 and isinstance(pad, int):
        if weight.shape[0] <= _FEW_OUTPUTS and weight.shape[2] >= _WIDE and one == 1:
            return _Head.apply(x, weight, bias, pad)
        if pad <= one * (weight.shape[2] - 1):
            return _Learned.apply(x, weight, bias, pad, one)
    return F.conv1d(x, weight, bias, stride, padding, dilation, groups)


def _single(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) else value


def _suits(x: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    return (
        x.ndim == 3
        and x.device.type == "cpu"
        and all(t.dtype == torch.float32 for t in (x, weight, bias) if t is not None)
        and not torch.is_autocast_enabled("cpu")
        and policy_of(OPERATIONS) != "off"
    )


class _Learned(torch.autograd.Function):
    """The fast convolution with the gradients of all that it reads."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, pad: int, dilation: int
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.pad, ctx.dilation = pad, dilation
        ctx.bias = None if bias is None else list(bias.shape)
        # no view of a tensor, so that it may be changed in place
        return fast.conv1d(x, weight, bias, padding=pad, dilation=dilation).data

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_x = fast.input_gradient(gradient, weight, ctx.pad, ctx.dilation)
        wanted = [False, *ctx.needs_input_grad[1:3]]
        if any(wanted):
            _, of_weight, of_bias = torch.ops.aten.convolution_backward(
                _last(gradient), _last(x), _last(weight), ctx.bias, [1, 1], [0, ctx.pad],
                [1, ctx.dilation], False, [0, 0], 1, wanted,
            )  # fmt: skip
            of_weight = of_weight.squeeze(2) if wanted[1] else None
        return of_x, of_weight, of_bias, None, None


def _last(x: Tensor) -> Tensor:
    return x.unsqueeze(2).contiguous(memory_format=torch.channels_last)


class _Head(torch.autograd.Function):
    """A wide convolution to a few outputs: its gradients are two matrix products."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, pad: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.pad = pad
        return fast.conv1d(x, weight, bias, padding=pad)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        n_out, n_in, width = weight.shape
        n, _, length = x.shape
        length += 2 * ctx.pad
        # Row p holds the gradients of all outputs that position p reaches, the last tap first.
        padded = F.pad(gradient, (width - 1, width - 1)).contiguous()
        size = padded.shape[2]
        reached = padded.as_strided((n, length, n_out, width), (n_out * size, 1, size, 1))
        reached = reached.reshape(n * length, n_out * width)
        of_x = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            taps = weight.flip(2).permute(0, 2, 1).reshape(n_out * width, n_in)
            of_x = (reached @ taps).view(n, length, n_in)
            of_x = of_x[:, ctx.pad : length - ctx.pad].transpose(1, 2)
        if ctx.needs_input_grad[1]:
            rows = F.pad(x.transpose(1, 2), (0, 0, ctx.pad, ctx.pad)).reshape(n * length, n_in)
            of_weight = (reached.T @ rows).view(n_out, width, n_in).flip(1).permute(0, 2, 1)
        if ctx.needs_input_grad[2]:
            of_bias = gradient.sum(dim=(0, 2))
        return of_x, of_weight, of_bias, None


class _Crop(torch.autograd.Function):
    """Some positions of all rows and channels; the gradient stays channels-last."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, start: int, stop: int) -> Tensor:
        ctx.margins = (0, 0, start, x.shape[2] - stop)
        return x.narrow(2, start, stop - start)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return F.pad(gradient.transpose(1, 2), ctx.margins).transpose(1, 2), None, None


def _take(x: Tensor, index: Any) -> Tensor:
    """Return x[index]; torch's own gradient of a crop would be channels-first."""
    everything = slice(None)
    if (
        isinstance(index, tuple)
        and len(index) == x.ndim == 3
        and index[0] == index[1] == everything
        and isinstance(index[2], slice)
        and x.device.type == "cpu"
    ):
        start, stop, step = index[2].indices(x.shape[2])
        if step == 1 and start < stop:
            return _Crop.apply(x, start, stop)
    return x[index]


_REPLACED = {torch.conv1d: conv1d, torch.Tensor.__getitem__: _take}


class fast_training(TorchFunctionMode):
    """Within `with fast_training():` convolutions and crops are those of this file."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Return the result of `func`, or of what replaces it."""
        return _REPLACED.get(func, func)(*args, **(kwargs or {}))
