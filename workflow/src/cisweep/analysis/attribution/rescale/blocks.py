"""Examples in blocks of one shape: what is summed over references, and what is kept of each."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from tqdm import tqdm

from cisweep.analysis.attribution.rescale.agreement import Witness
from cisweep.engine.running import keep_heap, resolve_device, resolve_dtype
from cisweep.errors import AttributionError

# On a CPU, tensors that stay in the cache are faster than large batches.
_POSITIONS_PER_PASS = 8500
_MOST_ROWS_PER_PASS = 64


class Pairs(Protocol):
    """A method of attribution: multipliers of example-reference pairs.

    complete: whether they add up to a difference of outputs; unbounded: what to do where a
    multiplier is not finite.
    """

    complete: bool
    unbounded: str

    @property
    def of_each_row(self) -> bool:
        """Whether the targets of a row are its own."""

    def pairs(
        self, x: Tensor, references: Sequence[Tensor], args: tuple
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield for each of `references` (rows, 4, length) multipliers and both outputs."""

    def check(self, witness: Witness) -> None:
        """Raise AttributionError where the outputs of the block are not the model's own."""


@dataclass(frozen=True)
class Options:
    """How to run: see `cisweep.analysis.attribution.deep_lift_shap.attribute`."""

    args: tuple[Tensor, ...] | None = None
    batch_size: int = 32
    device: str | torch.device | None = None
    dtype: str | torch.dtype | None = None
    multipliers: bool = False
    verbose: bool = False
    only_warn: bool = False


@dataclass(frozen=True)
class Attributions:
    """Attributions of N examples of length L for T targets, against n references each.

    hypothetical: (T, N, 4, L), of each base at each position, mean over references;
    projected: (T, N, L), of the observed base (0 where the sequence has N);
    reference_sd: (T, N, L), standard deviation of the projected value over references (ddof 0);
    deltas: (T, N, n), f(x) − f(r) − Σ attribution, which is 0 but for rounding;
    delta_y: (T, N, n), f(x) − f(r), in the target's own scale;
    multipliers: (T, N, n, 4, L) before the one-hot correction, where asked for.
    """

    hypothetical: Tensor
    projected: Tensor
    reference_sd: Tensor
    deltas: Tensor
    delta_y: Tensor
    multipliers: Tensor | None = None

    @property
    def mean_abs_dy(self) -> Tensor:
        """Return (T,): mean |f(x) − f(r)| over all pairs, the measure of the deltas."""
        return self.delta_y.abs().mean(dim=(1, 2))


def explain_blocks(
    model: nn.Module,
    X: Tensor,
    references: Tensor,
    options: Options,
    method: Callable[[torch.device, torch.dtype], AbstractContextManager[Pairs]],
) -> Attributions:
    """Return the attributions of X by `method`, block by block."""
    _check(X, references, options.only_warn)
    device, dtype = _place(model, options.device, options.dtype)
    keep_heap(device)
    with method(device, dtype) as ready:
        blocks, per = _blocks(len(X), references.shape[1], X.shape[-1], options.batch_size, device)
        parts = [
            _explain(
                ready,
                X[rows].to(device, dtype),
                references[rows],
                tuple(_moved(a[rows], device, dtype) for a in options.args or ()),
                per,
                options.multipliers,
            )
            for rows in tqdm(blocks, disable=not options.verbose)
        ]
    joined = {
        name: None if parts[0][name] is None else torch.cat([p[name] for p in parts], dim=1)
        for name in parts[0]
    }
    return Attributions(**{k: v if v is None else v[:, : len(X)] for k, v in joined.items()})


def _moved(tensor: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    return tensor.to(device, dtype if tensor.is_floating_point() else None)


def _check(X: Tensor, references: Tensor, only_warn: bool) -> None:
    if X.ndim != 3 or len(X) == 0:
        raise AttributionError(f"X has shape {tuple(X.shape)}, not (N, 4, length) with N > 0")
    if not (((X == 0) | (X == 1)).all() and (X.sum(dim=1) <= 1).all()):
        error = AttributionError(
            "X is not one-hot", mend="give 0 and 1 only, at most one 1 per position"
        )
        if not only_warn:
            raise error
        warnings.warn(str(error), RuntimeWarning, stacklevel=4)
    wanted = (len(X), "n", *X.shape[1:])
    if references.ndim != 4 or (len(references), *references.shape[2:]) != tuple(X.shape):
        raise AttributionError(
            f"references have shape {tuple(references.shape)}, not ({', '.join(map(str, wanted))})"
        )
    if references.shape[1] == 0:
        raise AttributionError("there are no references", mend="give at least one for each example")


def _place(model: nn.Module, device: Any, dtype: Any) -> tuple[torch.device, torch.dtype]:
    """Return device and dtype to compute in: of None the GPU if there is one, the model's dtype."""
    first = next(
        (p for p in [*model.parameters(), *model.buffers()] if p.is_floating_point()),
        torch.empty(0, dtype=torch.get_default_dtype()),
    )
    return resolve_device(device), resolve_dtype(dtype) or first.dtype


def _blocks(
    n: int, n_references: int, length: int, batch_size: int, device: torch.device
) -> tuple[list[Tensor], int]:
    """Return the rows of each block and the references a pass; the last block is filled up.

    All blocks have one shape, so that an example's bytes do not depend on who shares its block.
    """
    most = batch_size
    if device.type == "cpu":
        most = min(most, _MOST_ROWS_PER_PASS, max(1, _POSITIONS_PER_PASS // length))
    size = max(1, min(most, n))
    per = max(1, min(most // size, n_references))
    return [torch.arange(i, i + size).clamp(max=n - 1) for i in range(0, n, size)], per


def _explain(
    ready: Pairs,
    x: Tensor,
    references: Tensor,
    args: tuple[Tensor, ...],
    per: int,
    multipliers: bool,
) -> dict[str, Tensor | None]:
    """Return the fields of Attributions for one block of examples, `per` references a pass."""
    size, n = references.shape[:2]
    dtype = x.dtype
    repeated = x.repeat_interleave(per, 0)
    given = tuple(a.repeat_interleave(per, 0) for a in args)
    # Whole passes: the last reference fills the last one up and is dropped again.
    places = torch.arange(-(-n // per) * per).clamp(max=n - 1).split(per)
    groups = [references[:, k].flatten(0, 1).to(x.device, dtype) for k in places]
    found: list[tuple[Tensor, ...]] = []
    total, kept, first = 0.0, [], ()
    for k, (m, y_e, y_r) in enumerate(ready.pairs(repeated, groups, given)):
        r = groups[k]
        share = m - (m * r).sum(dim=2, keepdim=True)
        projected = (share * repeated).sum(dim=2)
        first = (y_e[:, ::per], y_r[:, ::per]) if k == 0 else first
        delta_y = y_e - y_r
        delta = delta_y - ((repeated - r) * m).sum(dim=(2, 3))
        use = min(per, n - k * per)
        share, projected, delta_y, delta, m = (
            t.unflatten(1, (size, per))[:, :, :use] for t in (share, projected, delta_y, delta, m)
        )
        # One by one and in double precision: the same sum for every number per pass.
        for i in range(use):
            total = total + share[:, :, i].double()
        found.append((projected, delta, delta_y))
        kept.append(m.cpu() if multipliers else None)
    projected, delta, delta_y = (torch.cat(parts, dim=2) for parts in zip(*found))
    hypothetical = total / n
    bases = x.flatten(1).any(1)  # blocks are filled up with windows of N
    _check_finite(ready, hypothetical[:, bases], first[0][:, bases], delta_y[:, bases])
    change = delta_y.abs().nan_to_num(0.0, 0.0, 0.0).mean(2)
    if not ready.of_each_row:
        change = change.mean(1, keepdim=True)
    ready.check(Witness(x, groups[0][::per], args, *first, change))
    return {
        "hypothetical": hypothetical.to(dtype).cpu(),
        "projected": (hypothetical * x).sum(dim=2).to(dtype).cpu(),
        "reference_sd": projected.double().std(dim=2, correction=0).to(dtype).cpu(),
        "deltas": delta.to(dtype).cpu(),
        "delta_y": delta_y.to(dtype).cpu(),
        "multipliers": torch.cat(kept, dim=2) if multipliers else None,
    }


def _check_finite(ready: Pairs, found: Tensor, y: Tensor, delta_y: Tensor) -> None:
    """Raise AttributionError for outputs or attributions that are infinite or no number."""
    if not y.isfinite().all() or (ready.complete and not delta_y.isfinite().all()):
        raise AttributionError(
            "the model's output is infinite or NaN for an example or a reference",
            mend="give a target that is finite for every sequence (add a small constant inside a "
            "logarithm, or to a divisor)",
        )
    if not found.isfinite().all():
        raise AttributionError(
            "the attributions are infinite or NaN although the outputs are finite",
            mend=ready.unbounded,
        )
