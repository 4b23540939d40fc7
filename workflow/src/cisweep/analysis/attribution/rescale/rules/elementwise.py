"""The rescale rule: the secant of a function of one activation in place of its derivative.

Multiplier of the input = multiplier of the output × Δout / Δin, with example minus reference
(Shrikumar et al. 2017, eq. 10). The derivative at the example takes its place where it explains
Δout up to rounding; tangermeme 1.6 takes it where |Δin| < 1e-6, which is wrong beside a pole or a
root's zero. Every multiplier is finite: where Δin is 0 the contribution is 0 whatever it is.
"""

from typing import Any

import torch

from cisweep.analysis.attribution.rescale.tracing import Trace, bare, reentrant

DETOUR = 100  # times the result: the rounding of this is 1e-5 of it in float32
_UNITS = 8  # the rounding of two values of a function of libm or a vector library, in eps


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


def rounding_of(value: torch.Tensor) -> torch.Tensor:
    """Return how far a difference to `value` may be off by rounding alone."""
    return value.abs().mul_(_UNITS * torch.finfo(value.dtype).eps)


def secant(
    rise: torch.Tensor,
    change: torch.Tensor,
    slope_e: torch.Tensor,
    rounding: torch.Tensor,
    x_e: torch.Tensor,
) -> torch.Tensor:
    """Return Δvalue / Δx, or `slope_e` (the derivative at the example) where that says the same.

    rise: Δvalue, which may be off by `rounding`, and by that of x itself where the function
    cancels (gelu below −3). Only for a Δx of about the root of eps can that be more than what
    curvature makes of the derivative. Equal inputs with an infinite derivative (a root at 0), and
    a Δvalue that is no number (outside the domain, where a torch.where may have left the value
    out) give 0, so that no 0 · inf can follow.
    """
    eps = torch.finfo(x_e.dtype).eps
    ratio = rise / change
    miss = (change * slope_e).sub_(rise).abs_()
    gap, size = change.abs_(), x_e.abs()
    near = gap <= 1.5 * eps**0.5 * size
    explained = (near | (gap <= 0.5 * eps**0.5)) & (miss <= rounding)
    explained |= near & (miss <= size.mul_(_UNITS * eps))
    return torch.where(explained, slope_e, ratio).nan_to_num_(0.0, 0.0, 0.0)


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
        first = _only(detached)
        return detached, [leaf.detach(), first, slope, rounding_of(first)]

    def reference(saved: list[Any]) -> Any:
        x_e, value_e, slope_e, rounding = saved
        x = args[place].inner.expand(value_e.shape)
        with torch.no_grad():
            value = value_at(x)
            multiplier = secant(value_e - _only(value), x_e - x, slope_e, rounding, x_e)
        first = Scaled.apply(x, _only(value), multiplier)
        return (first, *value[1:]) if isinstance(value, tuple) else first

    return trace.operation(func, (args, kwargs), example, reference)


class ScaledTwo(torch.autograd.Function):
    """As `Scaled`, of two activations."""

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any, value: Any, of_a: Any, of_b: Any):
        """Return `value`; all have its shape."""
        ctx.save_for_backward(of_a, of_b)
        return value

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor):
        """Return the multipliers of both."""
        return *(gradient * multiplier for multiplier in ctx.saved_tensors), None, None, None


def elementwise_of_two(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    """Handle a function of two activations, element by element, such as a power.

    Each gets the mean of its secants on the two ways from reference to example, which change one
    of them first; a way over no number, or over one that is far larger than both ends, is left
    out where the other is better. For a product this is the midpoint rule.
    """
    kwargs = bare(kwargs)

    def value_at(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return func(a, b, *bare(args[2:]), **kwargs)

    def example() -> tuple[Any, list[Any]]:
        a, b = torch.broadcast_tensors(args[0].inner, args[1].inner)
        with reentrant(), torch.enable_grad():
            leaves = [x.detach().clone().requires_grad_() for x in (a, b)]
            value = value_at(*leaves)
            slopes = torch.autograd.grad(value.sum(), leaves)
        value = value.detach()
        return value, [a, b, value, *slopes, rounding_of(value)]

    def reference(saved: list[Any]) -> Any:
        a_e, b_e, value_e, slope_a, slope_b, rounding = saved
        a, b = torch.broadcast_tensors(args[0].inner, args[1].inner)
        with torch.no_grad():
            value, over_a, over_b = value_at(a, b), value_at(a_e, b), value_at(a, b_e)
            first = _share_of_first_way(value, value_e, over_a, over_b)
            rise_a = torch.where(first == 0, 0.0, first * (over_a - value))
            rise_a += torch.where(first == 1, 0.0, (1 - first) * (value_e - over_b))
            rise_b = value_e - value - rise_a
            of_a = secant(rise_a, a_e - a, slope_a, rounding, a_e)
            of_b = secant(rise_b, b_e - b, slope_b, rounding, b_e)
        return ScaledTwo.apply(a, b, value, of_a, of_b)

    return trace.operation(func, (args, kwargs), example, reference)


def _share_of_first_way(
    value: torch.Tensor, value_e: torch.Tensor, over_a: torch.Tensor, over_b: torch.Tensor
) -> torch.Tensor:
    """Return 1/2 for the mean of both ways, 1 or 0 where only the one over `over_a` or the other
    is to be taken."""
    sizes = [v.abs().nan_to_num_(torch.inf, torch.inf) for v in (over_a, over_b)]
    most = torch.maximum(value.abs(), value_e.abs())
    far = (torch.maximum(*sizes) > DETOUR * most) & (most > 0) | torch.maximum(*sizes).isinf()
    half = torch.full_like(value, 0.5)
    return torch.where(far, torch.where(sizes[0] <= sizes[1], 1.0, 0.0), half)


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
            multiplier = (value_e - value).div_(change).nan_to_num_(0.0, 0.0, 0.0)
        return Scaled.apply(x, value, multiplier)

    return trace.operation(func, (args, kwargs), example, reference, dtype=torch.bool)


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

    return trace.operation(func, args, example, reference)


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
