"""Max pooling: each pooling window is a maximum that near ties share, as `ties` has it.

Windows may overlap: the multipliers of a position are added up over the windows that it is in.
Without near ties this is the rule of captum and tangermeme 1.6 for max pooling.
"""

import ctypes
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F

from cisweep import kernels
from cisweep.analysis.attribution.rescale.rules.ties import multipliers, reach_of, tie_of
from cisweep.analysis.attribution.rescale.tracing import Trace, bare

_pointer, _long = ctypes.c_void_p, ctypes.c_int64
_shares = kernels.kernel("window_shares", None, [*[_pointer] * 5, ctypes.c_float, *[_long] * 6])
_sums = kernels.kernel("window_sums", None, [*[_pointer] * 4, *[_long] * 6])
_LANES = 16  # windows that the kernel takes at once


class WindowShares(torch.autograd.Function):
    """Maxima over windows of a reference, explained by the winners of each window."""

    @staticmethod
    def forward(ctx: Any, x: Any, values: Any, table: Any, x_e: Any):
        """Return `values` (…, outputs); x (…, positions), table (outputs, size) as `_table` has."""
        found = compiled_multipliers(x.detach(), x_e, table)
        ctx.compiled = found is not None
        ctx.save_for_backward(multipliers_of(x.detach(), x_e, table) if found is None else found)
        ctx.shape, ctx.table = x.shape, table
        return values

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor):
        """Return the multiplier of every position."""
        (found,) = ctx.saved_tensors
        add_up = compiled_sums if ctx.compiled else sums_of
        return add_up(found, gradient, ctx.table, ctx.shape), None, None, None


def max_pooling(dims: int) -> Callable:
    """Return the handler of max pooling over windows of `dims` axes, with its winners."""

    def handle(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
        x, options = args[0], bare(args[1:])

        def example() -> tuple[Any, list[Any]]:
            return func(x.inner, *options, **kwargs), [x.inner.flatten(-dims)]

        def reference(saved: list[Any]) -> Any:
            with torch.no_grad():
                values, winners = func(x.inner, *options, **kwargs)
            made = tuple(values.shape[-dims:])
            table = _table(_named(func, options, kwargs), tuple(x.shape[-dims:]), made, x.device)
            flat = x.inner.flatten(-dims)
            found = WindowShares.apply(flat, values.flatten(-dims), table, *saved)
            return found.unflatten(-1, made), winners

        return trace.operation(func, (x,), example, reference)

    return handle


def _named(func: Any, options: tuple, kwargs: dict) -> tuple[tuple[str, Any], ...]:
    """Return what a call of pooling says of its windows: names of the schema and values."""
    names = [argument.name for argument in func._schema.arguments[1:]]
    given = {**dict(zip(names, options, strict=False)), **kwargs}
    return tuple((n, tuple(v) if isinstance(v, (list, tuple)) else v) for n, v in given.items())


@lru_cache(maxsize=16)
def _table(options: tuple, shape: tuple, made: tuple, device: torch.device) -> torch.Tensor:
    """Return the flat positions (outputs, size) of each window, −1 where it leaves the input.

    shape: axes of the input, made: of the output. Without a kernel_size windows are adaptive.
    """
    given, dims = dict(options), len(shape)

    def of_axis(name: str, axis: int, default: Any) -> Any:
        values = given.get(name) or default  # an empty stride is the kernel's size
        values = values if isinstance(values, tuple) else (values,)
        return values[axis] if len(values) == dims else values[0]

    table = torch.zeros(1, 1, dtype=torch.int64)
    for axis, (length, outputs) in enumerate(zip(shape, made, strict=True)):
        out = torch.arange(outputs)[:, None]
        if "kernel_size" in given:
            size = of_axis("kernel_size", axis, None)
            start = out * of_axis("stride", axis, given["kernel_size"])
            start = start - of_axis("padding", axis, 0)
            at = start + torch.arange(size) * of_axis("dilation", axis, 1)
            inside = (at >= 0) & (at < length)
        else:
            start, end = out * length // outputs, -(-(out + 1) * length // outputs)
            at = start + torch.arange(int((end - start).max()))
            inside = at < end
        here = torch.where(inside, at, -1)
        before, here = table[:, None, :, None], here[None, :, None, :]
        table = torch.where((before < 0) | (here < 0), -1, before * length + here)
        table = table.flatten(2).flatten(0, 1)
    return table.contiguous().to(device)


def multipliers_of(x: torch.Tensor, x_e: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Return the multiplier (…, outputs, size) of every position in every window."""

    def side(flat: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        # What is outside is masked; index −1 takes it, as the last position.
        parts = F.pad(flat, (0, 1), value=-torch.inf)[..., table]
        values = parts.amax(-1, keepdim=True)
        return parts, values, reach_of(parts, values)

    return multipliers(side(x), side(x_e))


def sums_of(
    found: torch.Tensor, gradient: torch.Tensor, table: torch.Tensor, shape: torch.Size
) -> torch.Tensor:
    """Return gradient (…, outputs) times multipliers, added up at the positions of `shape`."""
    sums = found.new_zeros(*shape[:-1], shape[-1] + 1)
    at = table.where(table >= 0, shape[-1]).flatten()
    # What is masked in both sequences has no share, whatever the gradient of −inf is.
    shares = (found * gradient[..., None]).masked_fill_(found == 0, 0.0)
    return sums.index_add_(-1, at, shares.flatten(-2))[..., :-1]


def compiled_multipliers(
    x: torch.Tensor, x_e: torch.Tensor, table: torch.Tensor
) -> torch.Tensor | None:
    """Return `multipliers_of` from the kernel, or None where it does not take the tensors.

    It takes float32 on the CPU, positions or channels last without gaps, in both alike.
    """
    if (
        x.device.type != "cpu"
        or {x.dtype, x_e.dtype} != {torch.float32}
        or x.shape != x_e.shape
        or x.stride() != x_e.stride()
        or x.ndim < 2
    ):
        return None
    axis = next((a for a in (-1, -2) if x.movedim(-1, a).is_contiguous()), None)
    if axis is None:
        return None
    inner, positions = (x.shape[-2] if axis == -2 else 1), x.shape[-1]
    outputs, size = table.shape
    found = x.new_empty(x.numel() // max(1, positions * inner), outputs, size, inner)
    given = [t.data_ptr() for t in (x, x_e, table, found)]

    def run(begin: int, end: int) -> None:
        scratch = x.new_empty(3 * size * _LANES)
        to = scratch.data_ptr()
        _shares(*given, to, tie_of(x.dtype), positions, outputs, size, inner, begin, end)

    threads = min(torch.get_num_threads(), 1 + found.numel() // 65536)
    kernels.in_threads(run, found.shape[0] * outputs, threads)
    return found


def compiled_sums(
    found: torch.Tensor, gradient: torch.Tensor, table: torch.Tensor, shape: torch.Size
) -> torch.Tensor:
    """Return `sums_of` for the multipliers (outer, outputs, size, inner) of the kernel."""
    outer, outputs, size, inner = found.shape
    last = inner > 1
    gradient = (gradient.mT if last else gradient).contiguous()
    order = (*shape[:-2], shape[-1], shape[-2]) if last else shape
    sums = found.new_empty(order)
    given = [t.data_ptr() for t in (found, gradient, table, sums)]

    def run(begin: int, end: int) -> None:
        _sums(*given, shape[-1], outputs, size, inner, begin, end)

    kernels.in_threads(run, outer, min(torch.get_num_threads(), 1 + found.numel() // 65536))
    return sums.mT if last else sums
