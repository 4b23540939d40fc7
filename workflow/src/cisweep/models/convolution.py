"""Convolutions over sequences that run near the machine's peak, and a context that uses them.

On a CPU in float32 a conv1d over letters adds weights up (`letter_convolution.py`), another one is
done by tiles (`tile_convolution.py`) or, where that does not pay, as a channels-last conv2d of
height one; a wide kernel with few outputs (a profile head) is one matrix product and a sum of
shifted copies. Weights are laid out once. Gradients with respect to the input are the same
convolutions with turned weights. What is not better or not supported is torch's own conv1d.
"""

import weakref
from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from cisweep.models import letter_convolution, tile_convolution
from cisweep.models.letter_convolution import LetterConvolution
from cisweep.models.tile_convolution import TileConvolution

# From these sizes the product with shifted sums is faster (64 -> 2, width 75: 12 times).
_FEW_OUTPUTS, _WIDE = 4, 16
# From this many channels channels-last is never slower, and with wide or dilated kernels up to
# 2.8 times faster, forward and backward.
_MANY_CHANNELS = 16
# Rows of a matrix product whose sizes are multiples of this have the same bits wherever they
# stand: shorter rows begin at addresses for which the library takes other code.
_ALIGNED = 16


class _Prepared(NamedTuple):
    alive: weakref.ref
    stamp: tuple[Any, ...]
    made: dict[Any, Any]


# By the weight's id: a look-up in a dictionary with weak keys costs as much as a small operation.
_prepared: dict[int, _Prepared] = {}


def _stamp(tensor: Tensor | None) -> tuple[Any, ...]:
    return () if tensor is None else (tensor._version, tensor.data_ptr(), tensor.dtype)


def _layout(weight: Tensor, name: Any, make: Callable[[Tensor], Any]) -> Any:
    """Return make(weight), kept as long as the weight lives and is not changed."""
    stamp, key = _stamp(weight), id(weight)
    entry = _prepared.get(key)
    if entry is None or entry.alive() is not weight or entry.stamp != stamp:

        def forget(gone: weakref.ref) -> None:
            if key in _prepared and _prepared[key].alive is gone:
                del _prepared[key]

        entry = _prepared[key] = _Prepared(weakref.ref(weight, forget), stamp, {})
    if name not in entry.made:
        with torch.no_grad():
            entry.made[name] = make(weight.detach())
    return entry.made[name]


def _channels_last(weight: Tensor) -> Tensor:
    return weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)


def _turned(weight: Tensor) -> Tensor:
    """Return the weights (in, out, width) of the convolution that is the transpose of this one."""
    return weight.transpose(0, 1).flip(2).contiguous()


def _taps(weight: Tensor) -> Tensor:
    """Return weights (out, in, width) as rows (out · width, in), sizes filled up with zeros."""
    n_out, n_in, width = weight.shape
    rows = weight.permute(0, 2, 1).reshape(n_out * width, n_in)
    return F.pad(rows, (0, -n_in % _ALIGNED, 0, -(n_out * width) % _ALIGNED)).contiguous()


def conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int] = 1,
    padding: int | tuple[int] | str = 0,
    dilation: int | tuple[int] = 1,
    groups: int = 1,
) -> Tensor:
    """Return torch.nn.functional.conv1d of the same arguments, faster where that is possible.

    Equal within 5e-6 of the largest value in float32; the result may have other strides. The
    gradient goes to `x`; with a weight that needs one, torch's own conv1d is used.

    Parameters
    ----------
    x: (N, channels, positions).
    weight: (outputs, channels / groups, width).
    """
    stride, dilation = _one(stride), _one(dilation)
    pad = _padding(padding, dilation * (weight.shape[-1] - 1), stride)
    if not _suits(x, weight, bias, stride, pad, dilation, groups):
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
    return conv1d(gradient, _layout(weight, "turned", _turned), None, 1, back, dilation)


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


def _one(value: int | tuple[int]) -> int:
    return value if isinstance(value, int) else value[0]


def _padding(padding: int | tuple[int] | str, reach: int, stride: int) -> int | None:
    """Return the padding on each side; None where it is not the same on both."""
    if padding == "valid":
        return 0
    if padding == "same":
        return reach // 2 if stride == 1 and reach % 2 == 0 else None
    return _one(padding)


def _suits(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int,
    pad: int | None,
    dilation: int,
    groups: int,
) -> bool:
    return (
        x.ndim == 3
        and x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and stride == 1
        and groups == 1
        and pad is not None
        and 0 <= pad <= dilation * (weight.shape[2] - 1) < x.shape[2] + 2 * pad
        and x.shape[0] > 0
        and x.shape[1] == weight.shape[1]
        and (max(weight.shape[:2]) >= _MANY_CHANNELS or _is_head(weight))
        and not (torch.is_grad_enabled() and _needs_gradient(weight, bias))
    )


def _is_head(weight: Tensor) -> bool:
    return weight.shape[0] <= _FEW_OUTPUTS and weight.shape[2] >= _WIDE


def _needs_gradient(weight: Tensor, bias: Tensor | None) -> bool:
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
        if letter_convolution.pays(*self.shape[:2]):
            return self._letters
        pays = tile_convolution.pays(*self.shape, self.dilation, n_positions)
        return self._tiles if pays else self._flat

    @cached_property
    @torch.no_grad()
    def _letters(self) -> LetterConvolution:
        return LetterConvolution(self._plain, self.pad, self.dilation)

    @cached_property
    @torch.no_grad()
    def _tiles(self) -> TileConvolution:
        return TileConvolution(self._plain, self.pad, self.dilation)

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
        rows = F.pad(x.transpose(1, 2), (0, -n_in % _ALIGNED, pad, pad)).contiguous()
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
    return _layout(weight, (pad, dilation), lambda w: _Fixed(w, pad, dilation))


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


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return torch.nn.functional.linear, with bits that do not depend on a row's place.

    A library's product of the same row can differ in the last bit from one row to the next. With
    sizes filled up to a multiple of 16 it does not, so a window's result does not depend on
    the row of the batch in which it stands.
    """
    n_out, n_in = weight.shape if weight.ndim == 2 else (0, 0)
    if (
        n_out == 0
        or x.device.type != "cpu"
        or (n_out % _ALIGNED == 0 and n_in % _ALIGNED == 0)
        or (torch.is_grad_enabled() and (x.requires_grad or _needs_gradient(weight, bias)))
    ):
        return F.linear(x, weight, bias)
    pad_out, pad_in = -n_out % _ALIGNED, -n_in % _ALIGNED
    padded = _layout(weight, "aligned", lambda w: F.pad(w, (0, pad_in, 0, pad_out)))
    y = F.linear(F.pad(x, (0, pad_in)) if pad_in else x, padded)[..., :n_out]
    return y if bias is None else y + bias


def _batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return batch_norm; of channels-last x, for which torch has no fast kernel, by its formula."""
    if training or x.ndim != 3 or x.stride(1) != 1 or running_mean is None or running_var is None:
        return F.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (weight, bias)):
        scale, shift = _affine(running_mean, running_var, weight, bias, eps)
    else:
        name = (eps, *map(_stamp, (running_var, weight, bias)))
        scale, shift = _layout(
            running_mean, name, lambda mean: _affine(mean, running_var, weight, bias, eps)
        )
    return torch.addcmul(shift, x, scale)


def _affine(
    mean: Tensor, var: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor]:
    """Return scale and shift (channels, 1) of a batch norm in evaluation."""
    scale = torch.rsqrt(var + eps)
    if weight is not None:
        scale = scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    return scale[:, None], shift[:, None]


def _view(x: Tensor, *shape: Any, **kwargs: Any) -> Tensor:
    """Return x.view(shape), by a copy where the other strides of a fast convolution need one."""
    if x.is_contiguous() or kwargs or (shape and isinstance(shape[0], torch.dtype)):
        return x.view(*shape, **kwargs)
    return x.reshape(*shape)


REPLACED: dict[Callable[..., Any], Callable[..., Any]] = {
    torch.conv1d: conv1d,
    torch.ops.aten.conv1d.default: conv1d,
    F.linear: linear,
    torch.ops.aten.linear.default: linear,
    F.batch_norm: _batch_norm,
    torch.Tensor.view: _view,
    torch.ops.aten.view.default: _view,
}

# Products of two tensors: which bits a row has can depend on its place in the batch.
PRODUCTS = frozenset(
    {
        torch.matmul,
        torch.Tensor.matmul,
        torch.Tensor.__matmul__,
        torch.Tensor.__rmatmul__,
        torch.bmm,
        torch.Tensor.bmm,
        torch.baddbmm,
        torch.Tensor.baddbmm,
        torch.mm,
        torch.Tensor.mm,
        torch.addmm,
        torch.Tensor.addmm,
        torch.einsum,
        torch.tensordot,
        torch.bilinear,
        torch._C._nn.scaled_dot_product_attention,
        F.multi_head_attention_forward,
        torch._transformer_encoder_layer_fwd,
        torch._native_multi_head_attention,
        torch.lstm,
        torch.gru,
        torch.rnn_tanh,
        torch.rnn_relu,
        torch.ops.aten.matmul.default,
        torch.ops.aten.bmm.default,
        torch.ops.aten.mm.default,
        torch.ops.aten.addmm.default,
        torch.ops.aten.einsum.default,
        torch.ops.aten.scaled_dot_product_attention.default,
    }
)


# Elementwise operations whose gradient is slow where its strides are not theirs.
_STEERED = frozenset(
    ["relu", "relu_", "relu6", "gelu", "silu", "elu", "selu", "celu", "mish", "leaky_relu",
     "softplus", "sigmoid", "tanh", "batch_norm", "add", "__add__", "__radd__", "mul", "__mul__",
     "__rmul__"]
)  # fmt: skip


def steer_gradient(x: Any) -> None:
    """Give the gradient of a channels-last activation on a CPU that layout.

    A cropped head's gradient has positions innermost and would go on down a residual trunk: torch's
    backward of a ReLU takes up to 30 times as long on the mixture, so it is turned once.
    """
    if (
        isinstance(x, Tensor)
        and x.requires_grad
        and x.ndim == 3
        and x.stride(1) == 1
        and x.stride(2) > 1
        and x.device.type == "cpu"
    ):
        x.register_hook(_in_channels_last)


def _in_channels_last(gradient: Tensor) -> Tensor:
    if gradient.stride(1) == 1:
        return gradient
    return gradient.transpose(1, 2).contiguous().transpose(1, 2)


class fast_convolutions(TorchFunctionMode):
    """Within `with fast_convolutions():` every conv1d, module or function, is the fast one.

    Linear layers give each row the same bits wherever it stands. `saw_products` tells afterwards
    whether operations ran for which that cannot be promised (attention, recurrent layers).
    Gradients keep the layout of the fast convolutions.

    Parameters
    ----------
    model: not needed, and not touched; for reading.
    """

    def __init__(self, model: torch.nn.Module | None = None):
        super().__init__()
        self.saw_products = False

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Return the result of `func`, or of what replaces it."""
        if func in PRODUCTS:
            self.saw_products = True
        result = REPLACED.get(func, func)(*args, **(kwargs or {}))
        if torch.is_grad_enabled() and getattr(func, "__name__", "") in _STEERED:
            steer_gradient(result)
        return result
