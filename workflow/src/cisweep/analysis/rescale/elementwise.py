"""The rescale rule: the secant of a function of one activation in place of its derivative.

Multiplier of the input = multiplier of the output × Δout / Δin, with example minus reference
(Shrikumar et al. 2017, eq. 10); where |Δin| is below `tiny_difference` the derivative at the
example takes its place, as in tangermeme 1.6, but with a threshold that follows the precision.
"""

from typing import Any

import torch

from cisweep.analysis.rescale.tracing import Trace, bare, reentrant

_TINY = {torch.float64: 1e-12, torch.float32: 1e-6, torch.bfloat16: 1e-2, torch.float16: 1e-3}


def tiny_difference(dtype: torch.dtype) -> float:
    """Return the |Δin| below which a secant would be made of rounding errors."""
    return _TINY.get(dtype, 1e-6)


class Scaled(torch.autograd.Function):
    """A value computed elsewhere whose multiplier with respect to `x` is known for each element."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, value: torch.Tensor, multiplier: torch.Tensor):
        """Return `value`; `multiplier` has its shape, which is that of `x`."""
        ctx.save_for_backward(multiplier)
        return value

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor):
        """Return the multiplier of `x`."""
        return ctx.saved_tensors[0] * gradient, None, None  # in the activation's layout


def secant(
    value: torch.Tensor, x: torch.Tensor, value_e: torch.Tensor, x_e: torch.Tensor, slope_e: Any
) -> torch.Tensor:
    """Return Δvalue / Δx, or `slope_e` (the derivative at the example) where Δx is tiny."""
    change = x_e - x
    ratio = (value_e - value).div_(change)
    found = torch.where(change.abs_() < tiny_difference(x.dtype), slope_e, ratio)
    # Outside a function's domain there is no number; a torch.where may have left it out.
    return found.nan_to_num_(0.0, torch.inf, -torch.inf)


def _only(value: Any) -> torch.Tensor:
    return value[0] if isinstance(value, tuple) else value


def elementwise(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    """Handle a function of one activation, element by element; its other arguments are constants.

    Constants may broadcast the activation. Functions that also return a buffer for their own
    derivative (log-sigmoid) give it back unchanged.
    """
    place = next(i for i, arg in enumerate(args) if getattr(arg, "trace", None) is trace)
    before, after, kwargs = bare(args[:place]), bare(args[place + 1 :]), bare(kwargs)

    def value_at(x: torch.Tensor) -> Any:
        return func(*before, x, *after, **kwargs)

    def example() -> tuple[Any, list[Any]]:
        x = args[place].inner
        with reentrant(), torch.enable_grad():
            leaf = x.detach().expand(_only(value_at(x)).shape).requires_grad_()
            value = value_at(leaf)
            total = _only(value).sum()
            # Where torch has no derivative, equal inputs count as a flat piece.
            known = total.requires_grad
            slope = torch.autograd.grad(total, leaf)[0] if known else torch.zeros_like(leaf)
        detached = bare(value)
        return detached, [leaf.detach(), _only(detached), slope]

    def reference(saved: list[Any]) -> Any:
        x_e, value_e, slope_e = saved
        x = args[place].inner.expand(value_e.shape)
        with torch.no_grad():
            value = value_at(x)
            multiplier = secant(_only(value), x, value_e, x_e, slope_e)
        first = Scaled.apply(x, _only(value), multiplier)
        return (first, *value[1:]) if isinstance(value, tuple) else first

    return trace.step(func, (args, kwargs), example, reference)


def step_function(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    """Handle a comparison of one activation with a constant: 0.0 or 1.0 inside, bool outside.

    Its secant, Δstep / Δin, is what makes `torch.where(x > 0, x, 0)` equal to ReLU.
    """
    place = next(i for i, arg in enumerate(args) if getattr(arg, "trace", None) is trace)
    before, after, kwargs = bare(args[:place]), bare(args[place + 1 :]), bare(kwargs)

    def value_at(x: torch.Tensor) -> torch.Tensor:
        return func(*before, x, *after, **kwargs).to(x.dtype)

    def example() -> tuple[Any, list[Any]]:
        x = args[place].inner
        value = value_at(x)
        return value, [x.expand(value.shape), value]

    def reference(saved: list[Any]) -> Any:
        x_e, value_e = saved
        x = args[place].inner.expand(value_e.shape)
        with torch.no_grad():
            value = value_at(x)
            change = torch.where(x_e == x, torch.ones_like(x), x_e - x)
            multiplier = (value_e - value).div_(change)
        return Scaled.apply(x, value, multiplier)

    return trace.step(func, (args, kwargs), example, reference, dtype=torch.bool)


def exponential(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    """Handle exp by its logarithmic mean, which needs no threshold."""
    x = args[0]

    def example() -> tuple[Any, list[Any]]:
        value = func(x.inner)
        return value, [x.inner, value]

    def reference(saved: list[Any]) -> Any:
        x_e, value_e = saved
        with torch.no_grad():
            value = func(x.inner)
            multiplier = logarithmic_mean(value_e, value, x_e - x.inner)
        return Scaled.apply(x.inner, value, multiplier)

    return trace.step(func, args, example, reference)


def logarithmic_mean(a: torch.Tensor, b: torch.Tensor, log_ratio: torch.Tensor) -> torch.Tensor:
    """Return (a − b) / log(a/b) for positive a, b with `log_ratio` = log a − log b, known apart.

    Written as max(a, b) · (1 − e^−|r|) / |r| it neither cancels nor overflows; where both are
    zero (masked logits) it is zero.
    """
    gap = log_ratio.abs()
    # |r| / (1 − e^−|r|) tends to 1 at 0; inf − inf of two masked entries is NaN and means 0.
    share = torch.where(gap > 0, torch.expm1(-gap).neg_().div_(gap), 1.0)
    mean = torch.maximum(a, b).mul_(share)
    return torch.where(torch.isnan(log_ratio), 0.0, mean)
