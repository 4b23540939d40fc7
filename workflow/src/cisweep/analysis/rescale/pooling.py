"""Maxima over windows, over axes, or of two tensors: one rule for all of them.

With out and out_ref the maxima of example and reference and M the larger of the two, M − out_ref
goes to the example's winner and out − M to the reference's winner, each times the multiplier of
the output; the shares of a position are added up (windows may overlap) and divided by its own
difference. This is the rule of captum and tangermeme 1.6 for max pooling. A share is never larger
than the difference that it is divided by, so only an exact zero needs the derivative instead.
"""

from collections.abc import Callable
from typing import Any

import torch

from cisweep.analysis.rescale.tracing import Trace, bare, reentrant

_SMALLER = frozenset({"min", "minimum", "fmin", "clamp_max"})


class MaxShares(torch.autograd.Function):
    """Maxima of a reference along its last axis, explained by the winners of both sequences."""

    @staticmethod
    def forward(
        ctx: Any, x: Any, values: Any, winners: Any, x_e: Any, values_e: Any, winners_e: Any
    ):
        """Return `values`; x is (…, positions), values and winners are (…, outputs)."""
        larger = torch.maximum(values, values_e)
        shares = (larger - values, values_e - larger)
        # Windows that are masked in both sequences (−inf) do not differ.
        shares = tuple(share.nan_to_num_(0.0, torch.inf, -torch.inf) for share in shares)
        ctx.save_for_backward(x_e - x, *shares, winners_e, winners)
        return values

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor):
        """Return the multiplier of every position."""
        change, to_example, to_reference, winners_e, winners = ctx.saved_tensors
        shares = torch.zeros_like(change)
        shares.scatter_add_(-1, winners_e, gradient * to_example)
        shares.scatter_add_(-1, winners, gradient * to_reference)
        slope = torch.zeros_like(change).scatter_add_(-1, winners_e, gradient)
        same = change == 0
        multiplier = torch.where(same, slope, shares.div_(change.masked_fill(same, 1.0)))
        # What is masked in both, or in one, has no finite difference to give a share of.
        return multiplier.nan_to_num_(0.0, 0.0, 0.0), None, None, None, None, None


def _maximum_along_last(
    trace: Trace, func: Any, x: Any, arrange: Callable, pool: Callable, finish: Callable
) -> Any:
    """Arrange x as (…, positions), pool it to (values, winners), shape the result by `finish`."""

    def example() -> tuple[Any, list[Any]]:
        flat = arrange(x.inner)
        values, winners = pool(flat)
        return finish(values, winners), [flat, values, winners]

    def reference(saved: list[Any]) -> Any:
        flat = arrange(x.inner)
        with torch.no_grad():
            values, winners = pool(flat)
        return finish(MaxShares.apply(flat, values, winners, *saved), winners)

    return trace.step(func, (x,), example, reference)


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

    def pool(flat: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return flat.max(-1, keepdim=True)

    def finish(values: torch.Tensor, winners: torch.Tensor) -> Any:
        shape = [1 if d in dims else x.shape[d] for d in range(x.ndim)]
        if not keepdim:
            shape = [x.shape[d] for d in rest]
        found = (values * sign if smallest else values).reshape(shape)
        return (found, winners.reshape(shape)) if with_winners else found

    return _maximum_along_last(trace, func, x, arrange, pool, finish)


def maximum_of_two(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    """Handle maximum and minimum of two activations as a window of two."""
    name = func._schema.name.removeprefix("aten::")
    with reentrant():
        pair = torch.stack(torch.broadcast_tensors(*args[:2]), -1)
        return pair.amin(-1) if name in _SMALLER else pair.amax(-1)


def windows(dims: int) -> Callable:
    """Return the handler of max pooling over windows of `dims` axes, with its winners."""

    def handle(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
        x, settings = args[0], bare(args[1:])
        spatial = x.shape[-dims:]
        lead = x.shape[:-dims]
        shaped: list[torch.Size] = []

        def arrange(value: torch.Tensor) -> torch.Tensor:
            return value.flatten(-dims)

        def pool(flat: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            values, winners = func(flat.unflatten(-1, spatial), *settings, **kwargs)
            shaped[:] = [values.shape[-dims:]]
            return values.flatten(-dims), winners.flatten(-dims)

        def finish(values: torch.Tensor, winners: torch.Tensor) -> Any:
            shape = (*lead, *shaped[0])
            return values.view(shape), winners.view(shape)

        return _maximum_along_last(trace, func, x, arrange, pool, finish)

    return handle
