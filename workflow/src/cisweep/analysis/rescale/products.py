"""Products of two activations by the midpoint rule, and what is linear where one is constant.

Δ(ab) = mean(a)·Δb + mean(b)·Δa holds for every bilinear operation, element by element, matrix
product or convolution. A product of three and more is taken from left to right, as written.
"""

from typing import Any

import torch
from torch.overrides import enable_reentrant_dispatch

from cisweep.analysis.rescale.linear import PRODUCTS
from cisweep.analysis.rescale.tracing import Trace, Tracked, bare
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
    """The elementwise case, which is worth its own two lines."""

    @staticmethod
    def forward(ctx: Any, a: torch.Tensor, b: torch.Tensor, a_e: Any, b_e: Any):
        """Return a · b."""
        ctx.save_for_backward((a + a_e).mul_(0.5), (b + b_e).mul_(0.5))
        return a * b

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor):
        """Return the multipliers of both factors."""
        a, b = ctx.saved_tensors
        return (
            (gradient * b).sum_to_size(a.shape),
            (gradient * a).sum_to_size(b.shape),
            None,
            None,
        )


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
    rest = list(bare(args))

    def multiply(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        rest[i], rest[j] = x, y
        return func(*rest, **bare(kwargs))

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

    return trace.step(func, (args, kwargs), example, reference)


def _split(func: Any, args: tuple, kwargs: dict, added: int) -> Any:
    """Return c + a·b, all three active, as a product with c = 0 and a sum."""
    term = args[added]
    name = func._schema.name.removeprefix("aten::")
    bare_args = list(args)
    if name == "convolution":
        bare_args[added] = None
        with enable_reentrant_dispatch():
            value = func(*bare_args, **kwargs)
            return value + term.view(1, -1, *[1] * (value.ndim - 2))
    beta = kwargs.get("beta", 1)
    bare_args[added] = torch.zeros((), dtype=term.dtype, device=term.device)
    with enable_reentrant_dispatch():
        return func(*bare_args, **kwargs) + term * beta
