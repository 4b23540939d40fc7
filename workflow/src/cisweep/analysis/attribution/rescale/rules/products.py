"""Products of two activations by the midpoint rule, and what is linear where one is constant.

Δ(ab) = mean(a)·Δb + mean(b)·Δa holds for every bilinear operation, element by element, matrix
product or convolution. A product of three and more is taken from left to right, as written.
It is the mean of two ways from reference to example: over a·b_ref and over a_ref·b. Where one of
these is so large that the way back from it is made of rounding (x / |x| of a reference of zeros),
the other one is taken alone.
"""

from typing import Any

import torch

from cisweep.analysis.attribution.rescale.rules.elementwise import DETOUR
from cisweep.analysis.attribution.rescale.rules.linear import PRODUCTS
from cisweep.analysis.attribution.rescale.tracing import Trace, Tracked, bare, reentrant
from cisweep.errors import AttributionError


class Midpoint(torch.autograd.Function):
    """A bilinear operation whose derivative is taken at the midpoint of example and reference."""

    @staticmethod
    def forward(ctx: Any, product: Any, a: torch.Tensor, b: torch.Tensor, a_e: Any, b_e: Any):
        """Return `product(a, b)`."""
        ctx.product = product
        ctx.save_for_backward((a + a_e).mul_(0.5), (b + b_e).mul_(0.5))
        return product(a, b)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor):
        """Return the multipliers of both factors."""
        a, b = (mid.detach().requires_grad_() for mid in ctx.saved_tensors)
        with torch.enable_grad():
            of_a, of_b = torch.autograd.grad(ctx.product(a, b), (a, b), gradient)
        return None, of_a, of_b, None, None


class MidpointMul(torch.autograd.Function):
    """The elementwise case, which is worth its own lines."""

    @staticmethod
    def forward(ctx: Any, a: torch.Tensor, b: torch.Tensor, a_e: Any, b_e: Any):
        """Return a · b."""
        value = a * b
        middle_a, middle_b = (a + a_e).mul_(0.5), (b + b_e).mul_(0.5)
        first, second = (a_e * b).abs_(), (a * b_e).abs_()
        most = torch.maximum(value.abs(), (a_e * b_e).abs_())
        far = (torch.maximum(first, second) > DETOUR * most) & (most > 0)
        if far.any():
            direct = second <= first  # over a_ref · b_e
            middle_a = torch.where(far, torch.where(direct, a, a_e), middle_a)
            middle_b = torch.where(far, torch.where(direct, b_e, b), middle_b)
        ctx.save_for_backward(middle_a, middle_b)
        ctx.shapes = a.shape, b.shape
        return value

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor):
        """Return the multipliers of both factors."""
        a, b = ctx.saved_tensors
        of_a, of_b = (
            (gradient * other).sum_to_size(shape) for other, shape in zip((b, a), ctx.shapes)
        )
        return of_a, of_b, None, None


class Choice(torch.autograd.Function):
    """torch.where with a condition that depends on the input: c·a + (1 − c)·b by the midpoint.

    Where the branch that is not taken is no number, the whole change is the condition's.
    """

    @staticmethod
    def forward(ctx: Any, c: Any, a: Any, b: Any, c_e: Any, a_e: Any, b_e: Any):
        """Return the chosen values; all arguments have the result's shape."""
        value, value_e = torch.where(c > 0, a, b), torch.where(c_e > 0, a_e, b_e)
        swing = (a - b + (a_e - b_e)) / 2
        turned = c != c_e
        lost = turned & ~swing.isfinite()
        of_c = torch.where(lost, (value_e - value) / (c_e - c), swing).nan_to_num_(0.0, 0.0, 0.0)
        of_a = torch.where(lost, 0.0, (c + c_e) / 2)
        of_b = torch.where(lost, 0.0, 1 - (c + c_e) / 2)
        ctx.save_for_backward(torch.where(turned, of_c, 0.0), of_a, of_b)
        return value

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor):
        """Return the multipliers of the condition and both branches."""
        return *(gradient * multiplier for multiplier in ctx.saved_tensors), None, None, None


def choice(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    """Handle torch.where whose condition depends on the input."""

    def operands() -> list[torch.Tensor]:
        c, a, b = (x if isinstance(x, torch.Tensor) else torch.tensor(x) for x in bare(args))
        dtype = torch.promote_types(a.dtype, b.dtype)
        device = c.device
        return torch.broadcast_tensors(*(x.to(device, dtype) for x in (c, a, b)))

    def example() -> tuple[Any, list[Any]]:
        c, a, b = operands()
        return torch.where(c > 0, a, b), [c, a, b]

    def reference(saved: list[Any]) -> Any:
        return Choice.apply(*operands(), *saved)

    return trace.operation(func, args, example, reference)


def product(name: str, linear: Any) -> Any:
    """Return the handler of PRODUCTS[name]: `linear` with one active factor, midpoint with two."""
    places = PRODUCTS[name]

    def handle(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
        active = [i for i in places if i < len(args) and isinstance(args[i], Tracked)]
        if len(active) < 2:
            return linear(trace, func, args, kwargs)
        if len(active) > 2:
            raise AttributionError(f"{func} multiplies three activations at once")
        return _midpoint(trace, func, args, kwargs, active)

    return handle


def _midpoint(trace: Trace, func: Any, args: tuple, kwargs: dict, active: list[int]) -> Any:
    i, j = active
    a, b = args[i], args[j]
    # What is added to the product (addmm, a convolution's bias) is linear: split it off.
    others = bare([None if k in active else arg for k, arg in enumerate(args)])

    def multiply(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        given = list(others)
        given[i], given[j] = x, y
        return func(*given, **bare(kwargs))

    added = next(
        (k for k, arg in enumerate(args) if isinstance(arg, Tracked) and k not in active), None
    )
    if added is not None:
        return _split(func, args, kwargs, added)

    def example() -> tuple[Any, list[Any]]:
        return multiply(a.inner, b.inner), [a.inner, b.inner]

    def reference(saved: list[Any]) -> Any:
        if a.inner.shape and func._schema.name == "aten::mul":
            return MidpointMul.apply(a.inner, b.inner, *saved)
        return Midpoint.apply(multiply, a.inner, b.inner, *saved)

    return trace.operation(func, (args, kwargs), example, reference)


def _split(func: Any, args: tuple, kwargs: dict, added: int) -> Any:
    """Return c + a·b, all three active, as a product with c = 0 and a sum."""
    term = args[added]
    name = func._schema.name.removeprefix("aten::")
    bare_args = list(args)
    if name == "convolution":
        bare_args[added] = None
        with reentrant():
            value = func(*bare_args, **kwargs)
            return value + term.view(1, -1, *[1] * (value.ndim - 2))
    beta = kwargs.get("beta", 1)
    bare_args[added] = torch.zeros((), dtype=term.dtype, device=term.device)
    with reentrant():
        return func(*bare_args, **kwargs) + term * beta
