"""The maximum along an axis by the rescale rule, where near ties share it.

Positions within `_TIE` of the maximum (copies of a motif, repeats) share the difference of the
maxima, less the farther they are from it, and none more than its own difference. So the shares
are continuous: rounding does not choose among winners.
"""

import ctypes
from typing import Any

import torch

from cisweep import kernels

_TIE = 1e-3  # of the largest input; a rounding of 1e-7 moves 1e-4 of one maximum's share
_STEEP = 1.0625  # as `part_of` in _csrc/maximum.c
_shares = kernels.kernel("maximum_shares", None, [ctypes.c_void_p] * 7 + [ctypes.c_int64] * 4)


class TiedShares(torch.autograd.Function):
    """The maximum along the last axis, explained by the winners of the larger side alike."""

    @staticmethod
    def forward(ctx: Any, x: Any, values: Any, reach: Any, x_e: Any, values_e: Any, reach_e: Any):
        """Return `values` (…, 1); x (…, positions), reach as of `reach_of`."""
        reference, example = (x.detach(), values, reach), (x_e, values_e, reach_e)
        found = compiled_multipliers(reference, example)
        ctx.save_for_backward(multipliers(reference, example) if found is None else found)
        return values

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor):
        """Return the multiplier of every position."""
        return ctx.saved_tensors[0] * gradient, None, None, None, None, None


def reach_of(flat: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Return how far below `values` (…, 1), the maxima of `flat` (…, positions), winners are."""
    size = torch.maximum(values.abs(), flat.amin(-1, keepdim=True).abs())
    if not size.isfinite().all():  # masked positions say nothing of the size
        size = flat.abs().nan_to_num_(0.0, 0.0, 0.0).amax(-1, keepdim=True)
    return size.mul_(tie_of(flat.dtype))


def tie_of(dtype: torch.dtype) -> float:
    """Return how far below a maximum winners are, of the largest input."""
    return max(_TIE, 8 * torch.finfo(dtype).eps)


Side = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Values (…, positions) of one sequence, their maxima (…, 1), and the reach (…, 1) of winners."""


def multipliers(reference: Side, example: Side) -> torch.Tensor:
    """Return the multiplier (…, positions) of every position."""
    change, difference = example[0] - reference[0], example[1] - reference[1]
    parts_e = _parts(*example)
    parts = torch.where(difference > 0, parts_e, _parts(*reference))
    share, room = difference.abs(), change * difference.sign()
    # The winner's own difference is at least the share, so the sum is 1 or more.
    total = _sum((room / share).nan_to_num_(0.0, 0.0, 0.0).clamp_(0, 1).mul_(parts))
    found = (share / room).clamp_(max=1).mul_(parts).div_(total).masked_fill_(room <= 0, 0.0)
    slope = parts_e / _sum(parts_e)
    return torch.where(change == 0, slope, found).nan_to_num_(0.0, 0.0, 0.0)


def _sum(parts: torch.Tensor) -> torch.Tensor:
    """Return the sums (…, 1), added up in double precision: the same in whatever order."""
    return parts.sum(-1, keepdim=True, dtype=torch.float64).to(parts.dtype)


def _parts(x: torch.Tensor, values: torch.Tensor, reach: torch.Tensor) -> torch.Tensor:
    """Return how far each position wins: 1 near the maximum, falling to 0 at `reach` below it.

    Within a seventeenth of the reach it is 1: an exact tie stays one after rounding.
    """
    return ((x - values) / reach).add_(1).mul_(_STEEP).clamp_(0, 1).masked_fill_(x == values, 1.0)


def compiled_multipliers(reference: Side, example: Side) -> torch.Tensor | None:
    """Return `multipliers` from the kernel, or None where it does not take the tensors.

    It takes float32 on the CPU whose positions lie anywhere among the other axes, without gaps
    or repeats, in both sequences alike.
    """
    x, x_e = reference[0], example[0]
    axis = next((d for d in range(x.ndim) if x.movedim(-1, d).is_contiguous()), None)
    if (
        axis is None
        or x.device.type != "cpu"
        or {side.dtype for side in (*reference, *example)} != {torch.float32}
        or x.shape != x_e.shape
        or x.stride() != x_e.stride()
    ):
        return None
    found = torch.empty_like(x)
    maxima = [t.contiguous() for t in (reference[1], example[1], reference[2], example[2])]
    given = [t.data_ptr() for t in (x, x_e, *maxima, found)]
    positions, inner = x.shape[-1], x.shape[axis:-1].numel()

    def run(begin: int, end: int) -> None:
        _shares(*given, positions, inner, begin, end)

    threads = min(torch.get_num_threads(), 1 + x.numel() // 65536)
    kernels.in_threads(run, x.numel() // positions, threads)
    return found
