"""Convolutions over sequences that run near the machine's peak.

On a CPU in float32 a conv1d over letters adds weights up (`one_hot.py`), another one is
done by quads of outputs (`winograd.py`) or, where that does not pay, as a channels-last conv2d of
height one; a wide kernel with few outputs (a profile head) is one matrix product and a sum of
shifted copies. Weights are laid out once. Gradients with respect to the input are the same
convolutions with turned weights. What is not better or not supported is torch's own conv1d.
"""

import operator
from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cisweep.engine.convolution import one_hot as letter_convolution
from cisweep.engine.convolution import winograd
from cisweep.engine.convolution.layouts import laid_out
from cisweep.engine.convolution.one_hot import LetterConvolution
from cisweep.engine.convolution.winograd import WinogradConvolution
from cisweep.engine.policy import OPERATIONS, policy_of

# From these sizes the product with shifted sums is faster (64 -> 2, width 75: 12 times).
_FEW_OUTPUTS, _WIDE = 4, 16
# From this many channels channels-last is never slower, and with wide or dilated kernels up to
# 2.8 times faster, forward and backward.
_MANY_CHANNELS = 16
# Rows of a matrix product whose sizes are multiples of this have the same bits wherever they
# stand: shorter rows begin at addresses for which the library takes other code.
ALIGNED = 16


def _channels_last(weight: Tensor) -> Tensor:
    return weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)


def _turned(weight: Tensor) -> Tensor:
    """Return the weights (in, out, width) of the convolution that is the transpose of this one."""
    return weight.transpose(0, 1).flip(2).contiguous()


def _taps(weight: Tensor) -> Tensor:
    """Return weights (out, in, width) as rows (out · width, in), sizes filled up with zeros."""
    n_out, n_in, width = weight.shape
    rows = weight.permute(0, 2, 1).reshape(n_out * width, n_in)
    return F.pad(rows, (0, -n_in % ALIGNED, 0, -(n_out * width) % ALIGNED)).contiguous()


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int] = 1,
    padding: int | tuple[int] | str = 0,
    dilation: int | tuple[int] = 1,
    groups: int = 1,
) -> Tensor:
    """Return torch.nn.functional.conv1d of the same arguments, faster where that is possible.

    Equal within 5e-6 of the largest value in float32; the result may have other strides. The
    gradient goes to `input`; with a weight that needs one, torch's own conv1d is used.

    Parameters
    ----------
    input: (N, channels, positions); called as torch calls it, which models may do by name.
    weight: (outputs, channels / groups, width).
    """
    x = input
    stride, dilation = one_number(stride), one_number(dilation)
    pad = _padding(padding, dilation * (weight.shape[-1] - 1), stride)
    if pad is None or not _suits(x, weight, bias, stride, pad, dilation, groups):
        return F.conv1d(x, weight, bias, stride, padding, dilation, groups)
    fixed = _prepare(weight, pad, dilation)
    if torch.is_grad_enabled() and x.requires_grad:
        return _Conv1d.apply(x, fixed, bias)
    return fixed(x, bias)


def input_gradient(gradient: Tensor, weight: Tensor, padding: int, dilation: int) -> Tensor:
    """Return the gradient of the input of conv1d (stride 1), given that of its output.

    gradient: (N, outputs, positions). padding: at most dilation · (width − 1).
    """
    back = dilation * (weight.shape[2] - 1) - padding
    return conv1d(gradient, laid_out(weight, "turned", _turned), None, 1, back, dilation)


def fixed_conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int,
    padding: int,
    dilation: int,
    groups: int,
) -> Callable[[Tensor], Tensor]:
    """Return conv1d as a function of inputs like x alone, which looks nothing up again.

    Weights that are changed later are not noticed.
    """
    if not _suits(x, weight, bias, stride, padding, dilation, groups):
        return lambda x: F.conv1d(x, weight, bias, stride, padding, dilation, groups)
    fixed = _prepare(weight, padding, dilation)

    def run(x: Tensor) -> Tensor:
        return _Conv1d.apply(x, fixed, bias) if x.requires_grad else fixed(x, bias)

    return run


def one_number(value: Any) -> int:
    """Return a convolution's argument as it is or in a tuple, also an integer of NumPy."""
    if isinstance(value, int):
        return value
    return operator.index(value[0] if isinstance(value, tuple | list) else value)


def _padding(padding: int | tuple[int] | str, reach: int, stride: int) -> int | None:
    """Return the padding on each side; None where it is not the same on both."""
    if padding == "valid":
        return 0
    if padding == "same":
        return reach // 2 if stride == 1 and reach % 2 == 0 else None
    return one_number(padding)


def _suits(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int,
    pad: int,
    dilation: int,
    groups: int,
) -> bool:
    return (
        x.ndim == 3
        and x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and stride == 1
        and groups == 1
        and 0 <= pad <= dilation * (weight.shape[2] - 1) < x.shape[2] + 2 * pad
        and x.shape[0] > 0
        and x.shape[1] == weight.shape[1]
        and (max(weight.shape[:2]) >= _MANY_CHANNELS or _is_head(weight))
        and not (torch.is_grad_enabled() and needs_gradient(weight, bias))
        and policy_of(OPERATIONS) != "off"
    )


def _is_head(weight: Tensor) -> bool:
    return weight.shape[0] <= _FEW_OUTPUTS and weight.shape[2] >= _WIDE


def needs_gradient(weight: Tensor, bias: Tensor | None) -> bool:
    """Return whether weights learn."""
    return weight.requires_grad or (bias is not None and bias.requires_grad)


class _Fixed:
    """A convolution whose weights are laid out once, for the way that suits the input's length;
    `turned` is its transpose, made when asked for."""

    def __init__(self, weight: Tensor, pad: int, dilation: int):
        self.shape, self.pad, self.dilation = weight.shape, pad, dilation
        self._reach = dilation * (weight.shape[2] - 1)
        self._plain = weight
        self._by_length: dict[int, Callable[[Tensor, Tensor | None], Tensor]] = {}
        self._is_head = _is_head(weight)

    @cached_property
    @torch.no_grad()
    def turned(self) -> "_Fixed":
        """The convolution of the gradients that gives those of the input."""
        return _Fixed(_turned(self._plain), self._reach - self.pad, self.dilation)

    def __call__(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        way = self._by_length.get(x.shape[2])
        if way is None:
            way = self._by_length[x.shape[2]] = self._way(x.shape[2])
        return way(x, bias)

    def _way(self, length: int) -> Callable[[Tensor, Tensor | None], Tensor]:
        if self._is_head:
            return self._shifted_sums
        n_positions = length + 2 * self.pad - self._reach
        n_out, n_in, width = self.shape
        if letter_convolution.pays(n_out, n_in):
            return self._letters
        pays = winograd.pays(n_out, n_in, width, self.dilation, n_positions)
        return self._winograd if pays else self._flat

    @cached_property
    @torch.no_grad()
    def _letters(self) -> LetterConvolution:
        return LetterConvolution(self._plain, self.pad, self.dilation)

    @cached_property
    @torch.no_grad()
    def _winograd(self) -> WinogradConvolution:
        return WinogradConvolution(self._plain, self.pad, self.dilation)

    @cached_property
    @torch.no_grad()
    def _weight(self) -> Tensor:
        return _taps(self._plain) if self._is_head else _channels_last(self._plain)

    def _flat(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return the convolution as one of height one."""
        x = x.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        pad, dilation = (0, self.pad), (1, self.dilation)
        return torch.conv2d(x, self._weight, bias, (1, 1), pad, dilation).squeeze(2)

    def _shifted_sums(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return the convolution as products of every position with every tap, then summed."""
        n_out, n_in, width = self.shape
        pad, dilation = self.pad, self.dilation
        rows = F.pad(x.transpose(1, 2), (0, -n_in % ALIGNED, pad, pad)).contiguous()
        n, length, _ = rows.shape
        products = rows.view(n * length, -1) @ self._weight.T
        columns = products.shape[1]
        # The element (position, output, tap) lies `tap` dilated positions further on.
        diagonal = products.as_strided(
            (n, n_out, length - dilation * (width - 1), width),
            (length * columns, width, columns, dilation * columns + 1),
        )
        y = diagonal.sum(dim=-1)
        return y if bias is None else y + bias[:, None]


def _prepare(weight: Tensor, pad: int, dilation: int) -> _Fixed:
    return laid_out(weight, (pad, dilation), lambda w: _Fixed(w, pad, dilation))


class _Conv1d(torch.autograd.Function):
    """The fast convolution with its gradient, itself a fast convolution of the gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, fixed: _Fixed, bias: Tensor | None) -> Tensor:
        ctx.fixed = fixed
        return fixed(x, bias).data  # no view of a tensor, so that it may be changed in place

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            return _Conv1d.apply(gradient, ctx.fixed.turned, None), None, None
        return ctx.fixed.turned(gradient), None, None
