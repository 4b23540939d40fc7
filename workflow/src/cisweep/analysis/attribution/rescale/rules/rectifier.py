"""ReLU and leaky ReLU by the rescale rule, in one pass over memory where the kernel can do it."""

import ctypes
from typing import Any

import torch
import torch.nn.functional as F

from cisweep import kernels
from cisweep.analysis.attribution.rescale.tracing import Trace, bare

_pointer, _long, _float = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float
_secant = kernels.kernel(
    "rectifier_secant",
    None,
    [_pointer, _pointer, _float, _pointer, _pointer, _long, _long],
)


class Rectified(torch.autograd.Function):
    """ReLU or leaky ReLU with its secant."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, x_e: torch.Tensor, slope: float):
        """Return the rectified reference `x`; `x_e` is the example, `slope` that below zero."""
        value, multiplier = rectified(x.detach(), x_e.detach(), slope)
        ctx.save_for_backward(multiplier)
        return value

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor):
        """Return the multiplier of `x`."""
        return ctx.saved_tensors[0] * gradient, None, None


def rectified(
    x: torch.Tensor, x_e: torch.Tensor, slope: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return x rectified and the secant from it to `x_e`, both of the shape of x."""
    value = torch.empty_like(x)
    if (
        x.device.type == "cpu"
        and x.dtype == x_e.dtype == torch.float32
        and x.shape == x_e.shape
        and x.stride() == x_e.stride() == value.stride()  # so neither has gaps nor repeats
    ):
        multiplier = torch.empty_like(x)

        def run(begin: int, end: int) -> None:
            _secant(
                x.data_ptr(), x_e.data_ptr(), slope, value.data_ptr(), multiplier.data_ptr(),
                begin, end,
            )  # fmt: skip

        kernels.in_threads(run, x.numel(), min(torch.get_num_threads(), 1 + x.numel() // 65536))
        return value, multiplier
    width = torch.sub(x_e, x).abs_()
    multiplier = torch.maximum(x_e, x).div_(width).clamp_(0, 1)
    if slope:
        multiplier = multiplier.mul_(1 - slope).add_(slope)
    return (F.leaky_relu(x, slope) if slope else torch.relu(x)), multiplier


def relu(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    """Handle ReLU and leaky ReLU without a threshold.

    For u, v the two inputs the secant of ReLU is max(u, v) / |u − v| cut to [0, 1]: 1 where both
    are positive, 0 where both are negative, and what DeepLIFT says where the sign changes. A zero
    of the example is moved to −tiny, so that 0 against 0 gives the derivative 0 and not 0/0.
    Leaky ReLU is slope · x + (1 − slope) · ReLU(x).
    """
    x = args[0]
    leaky = func._schema.name != "aten::relu"
    below = (bare(args[1]) if len(args) > 1 else 0.01) if leaky else 0.0

    def example() -> tuple[Any, list[Any]]:
        value = func(x.inner, *args[1:])
        nudge = -torch.finfo(value.dtype).tiny
        return value, [torch.where(x.inner == 0, nudge, x.inner)]

    def reference(saved: list[Any]) -> Any:
        return Rectified.apply(x.inner, saved[0], below)

    return trace.operation(func, args, example, reference)
