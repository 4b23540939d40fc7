"""What a forward pass uses instead of torch's own operations, and a context that does so."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from cisweep.engine.convolution.dispatch import ALIGNED, conv1d, needs_gradient
from cisweep.engine.convolution.layouts import laid_out, stamp_of
from cisweep.engine.policy import OPERATIONS, policy_of


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return torch.nn.functional.linear, with bits that do not depend on a row's position.

    A library's product of the same row can differ in the last bit from one row to the next. With
    sizes filled up to a multiple of 16 it does not, so a window's result does not depend on
    the row of the batch in which it stands.
    """
    x = input  # called as torch calls it, which models may do by name
    n_out, n_in = weight.shape if weight.ndim == 2 else (0, 0)
    if (
        n_out == 0
        or x.device.type != "cpu"
        or (n_out % ALIGNED == 0 and n_in % ALIGNED == 0)
        or (torch.is_grad_enabled() and (x.requires_grad or needs_gradient(weight, bias)))
    ):
        return F.linear(x, weight, bias)
    pad_out, pad_in = -n_out % ALIGNED, -n_in % ALIGNED
    padded = laid_out(weight, "aligned", lambda w: F.pad(w, (0, pad_in, 0, pad_out)))
    y = F.linear(F.pad(x, (0, pad_in)) if pad_in else x, padded)[..., :n_out]
    # Autocast made y half; a sum with the bias as it is would be float32 again.
    return y if bias is None else y + bias.to(y.dtype)


def _batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return batch_norm; of channels-last x, for which torch has no fast kernel, by its formula."""
    x = input
    if training or x.ndim != 3 or x.stride(1) != 1 or running_mean is None or running_var is None:
        return F.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (weight, bias)):
        scale, shift = _affine(running_mean, running_var, weight, bias, eps)
    else:
        name = (eps, *map(stamp_of, (running_var, weight, bias)))
        scale, shift = laid_out(
            running_mean, name, lambda mean: _affine(mean, running_var, weight, bias, eps)
        )
    return torch.addcmul(shift, x, scale).to(x.dtype)


def _affine(
    mean: Tensor, var: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor]:
    """Return scale and shift (channels, 1) of a batch norm in evaluation."""
    scale = torch.rsqrt(var + eps)
    if weight is not None:
        scale = scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    return scale[:, None], shift[:, None]


def _view(self: Tensor, *shape: Any, **kwargs: Any) -> Tensor:
    """Return x.view(shape), by a copy where the other strides of a fast convolution need one."""
    x = self
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

# Products of two tensors: which bits a row has can depend on its position in the batch.
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
        self._replaced = {} if policy_of(OPERATIONS) == "off" else REPLACED

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Return the result of `func`, or of what replaces it."""
        if func in PRODUCTS:
            self.saw_products = True
        result = self._replaced.get(func, func)(*args, **(kwargs or {}))
        if torch.is_grad_enabled() and getattr(func, "__name__", "") in _STEERED:
            steer_gradient(result)
        return result
