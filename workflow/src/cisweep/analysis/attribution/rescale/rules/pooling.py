"""Maxima over axes or of two tensors, and values chosen by rank.

With out and out_ref the maxima of example and reference, the difference goes to the winner of the
larger side, divided by its own difference; near ties share it (`ties`). Without near ties this is
the rule of captum and tangermeme 1.6 for max pooling. A share is never larger than the difference
that it is divided by, so only an exact zero needs the derivative instead.
"""

from collections.abc import Callable
from typing import Any

import torch

from cisweep.analysis.attribution.rescale.rules.ties import TiedShares, reach_of
from cisweep.analysis.attribution.rescale.tracing import Trace, reentrant

_SMALLER = frozenset({"min", "minimum", "fmin", "clamp_max"})


def maximum_over_axes(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    """Handle amax, amin, max and min, over given axes or over all.

    Over all axes and over the batch axis examples would be mixed, as they would be without us.
    """
    x = args[0]
    name = func._schema.name
    smallest = name.endswith("min")
    with_winners = func._overloadname == "dim"
    dims = kwargs.get("dim", args[1] if len(args) > 1 else None)
    keepdim = kwargs.get("keepdim", args[2] if len(args) > 2 else False)
    dims = [dims] if isinstance(dims, int) else list(dims or range(x.ndim))
    dims = sorted(d % x.ndim for d in dims)
    sign = -1.0 if smallest else 1.0
    rest = [d for d in range(x.ndim) if d not in dims]

    def arrange(value: torch.Tensor) -> torch.Tensor:
        value = value.permute(*rest, *dims).flatten(len(rest))
        return value.neg() if smallest else value

    def finish(values: torch.Tensor, winners: torch.Tensor) -> Any:
        shape = [1 if d in dims else x.shape[d] for d in range(x.ndim)]
        if not keepdim:
            shape = [x.shape[d] for d in rest]
        found = (values * sign if smallest else values).reshape(shape)
        return (found, winners.reshape(shape)) if with_winners else found

    def example() -> tuple[Any, list[Any]]:
        flat = arrange(x.inner)
        values, winners = flat.max(-1, keepdim=True)
        return finish(values, winners), [flat, values, reach_of(flat, values)]

    def reference(saved: list[Any]) -> Any:
        flat = arrange(x.inner)
        with torch.no_grad():
            values, winners = flat.max(-1, keepdim=True)
            reach = reach_of(flat, values)
        return finish(TiedShares.apply(flat, values, reach, *saved), winners)

    return trace.operation(func, (x,), example, reference)


class LargestSums(torch.autograd.Function):
    """Σ of the k largest along the last axis, for k = 1 to K, by the rule of the maximum.

    With S and S_ref the sums, the difference goes to the k largest of the example where S is
    larger, else to those of the reference, as one factor in [0, 1] times each one's difference.
    For k = 1 it is the maximum's rule.
    """

    @staticmethod
    def forward(ctx: Any, x: Any, order: Any, x_e: Any, order_e: Any):
        """Return the sums (…, K); order: indices of the K largest in turn."""
        change = x_e - x
        sums, sums_e = (v.gather(-1, o).cumsum(-1) for v, o in ((x, order), (x_e, order_e)))
        larger = torch.maximum(sums, sums_e)
        factors = []
        for share, winners in ((larger - sums, order_e), (sums_e - larger, order)):
            possible = change.gather(-1, winners).cumsum(-1)
            factors.append((share / possible).nan_to_num_(0.0, 0.0, 0.0).clamp_(0, 1))
        # Equal sums of equal numbers: the derivative.
        factors[0] = torch.where(change.gather(-1, order_e).cumsum(-1) == 0, 1.0, factors[0])
        ctx.save_for_backward(*factors, order_e, order)
        ctx.shape = x.shape
        return sums

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor):
        """Return the multiplier of every position."""
        of_example, of_reference, order_e, order = ctx.saved_tensors
        found = gradient.new_zeros(ctx.shape)
        for factor, winners in ((of_example, order_e), (of_reference, order)):
            # The number of rank i is in the sums from i on.
            later = (gradient * factor).flip(-1).cumsum(-1).flip(-1)
            found.scatter_add_(-1, winners, later)
        return found, None, None, None


def _largest(
    trace: Trace, func: Any, x: Any, dim: int, n: int, finish: Callable, *, smallest: bool = False
) -> Any:
    """Return `finish(values, order)` of the n largest (or smallest) along `dim`, in order.

    The k-th is the difference of two sums of `LargestSums`. Equal values stand by position.
    """
    sign = -1.0 if smallest else 1.0

    def ordered(flat: torch.Tensor) -> torch.Tensor:
        return torch.sort(flat, dim=-1, descending=True, stable=True).indices[..., :n]

    def turned(values: torch.Tensor, order: torch.Tensor) -> Any:
        return finish((values * sign).movedim(-1, dim), order.movedim(-1, dim))

    def example() -> tuple[Any, list[Any]]:
        flat = x.inner.movedim(dim, -1) * sign
        order = ordered(flat)
        return turned(flat.gather(-1, order), order), [flat, order]

    def reference(saved: list[Any]) -> Any:
        flat = x.inner.movedim(dim, -1) * sign
        with torch.no_grad():
            order = ordered(flat)
        sums = LargestSums.apply(flat, order, *saved)
        values = torch.cat([sums[..., :1], sums[..., 1:] - sums[..., :-1]], -1)
        with torch.no_grad():
            exact = flat.gather(-1, order)
        return turned(Same.apply(values, exact), order)

    return trace.operation(func, (x,), example, reference)


class Same(torch.autograd.Function):
    """A value with less rounding than the one that the gradient is of."""

    @staticmethod
    def forward(ctx: Any, rough: torch.Tensor, exact: torch.Tensor) -> torch.Tensor:
        """Return `exact`."""
        return exact.clone()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor):
        """Return the gradient as it is."""
        return gradient, None


def _given(func: Any, args: tuple, kwargs: dict) -> dict[str, Any]:
    """Return the arguments of an ATen call by name, with the schema's defaults."""
    named = {a.name: a.default_value for a in func._schema.arguments if a.has_default_value()}
    named.update({a.name: value for a, value in zip(func._schema.arguments, args)})
    return {**named, **kwargs}


def sort(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    """Handle sort along an axis."""
    given = _given(func, args, kwargs)
    x, dim, smallest = given["self"], given["dim"], not given["descending"]
    n = x.shape[dim]
    return _largest(trace, func, x, dim, n, lambda v, i: (v, i), smallest=smallest)


def topk(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    """Handle the k largest or smallest along an axis."""
    given = _given(func, args, kwargs)
    x, dim, smallest = given["self"], given["dim"], not given["largest"]
    return _largest(trace, func, x, dim, given["k"], lambda v, i: (v, i), smallest=smallest)


def kth_value(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    """Handle the k-th smallest along an axis, and the median, which is the lower of two."""
    given = _given(func, args, kwargs)
    x, whole = given["self"], "dim" not in given
    if whole:  # over all axes, examples too, as torch does
        with reentrant():
            x = x.flatten()
    dim, keepdim = given.get("dim", 0), given.get("keepdim", False)
    k = given.get("k", (x.shape[dim] + 1) // 2)

    def finish(values: torch.Tensor, order: torch.Tensor) -> Any:
        found = [each.select(dim, k - 1) for each in (values, order)]
        found = [each.unsqueeze(dim) for each in found] if keepdim else found
        return found[0] if whole else tuple(found)

    return _largest(trace, func, x, dim, k, finish, smallest=True)


def maximum_of_two(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    """Handle maximum and minimum of two activations as a window of two."""
    name = func._schema.name.removeprefix("aten::")
    with reentrant():
        pair = torch.stack(torch.broadcast_tensors(*args[:2]), -1)
        return pair.amin(-1) if name in _SMALLER else pair.amax(-1)
