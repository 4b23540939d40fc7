"""Which bases drive a target: DeepLIFT/SHAP by operation, and two plain gradient methods.

`attribute` is the engine: every target, hypothetical and projected values, their spread over
references and the convergence deltas from one pass. `deep_lift_shap` gives it tangermeme's
signature. The rules are in `cisweep.analysis.rescale`.
"""

import warnings
from collections import namedtuple
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from cisweep.analysis.rescale.passes import Explainer, Target, explainer
from cisweep.errors import AttributionError

ReferenceFunction = Callable[..., Tensor]
References = Tensor | ReferenceFunction

_POSITIONS_PER_PASS = 4096
_MOST_ROWS_PER_PASS = 64


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


def attribute(
    model: nn.Module,
    X: Tensor,
    references: Tensor,
    targets: Sequence[Target] = (0,),
    *,
    args: tuple[Tensor, ...] | None = None,
    batch_size: int = 32,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    additional_nonlinear_ops: dict[Any, Any] | None = None,
    multipliers: bool = False,
    verbose: bool = False,
) -> Attributions:
    """Return DeepLIFT/SHAP attributions of all targets, on the CPU, from one pass.

    Parameters
    ----------
    model: returns (N, T), or anything that every target is a function of.
    X: (N, 4, L) one-hot, zeros for N.
    references: (N, n, 4, L).
    targets: columns of the output, or functions of the output that give (N,).
    args: further inputs of the model, N rows each; the references of an example share its rows.
    batch_size: largest number of pairs that go through the model at once; the values do not
        depend on it. On a CPU fewer go where the sequences are long.
    device, dtype: where and in which precision to compute; None for those of the model.
    additional_nonlinear_ops: rules for operations or classes of modules that have none.
    multipliers: whether to keep those of every pair.

    Raises
    ------
    AttributionError: an operation has no rule, is detached, or branches on values.

    Source: Shrikumar et al. 2017 (rescale rule), Lundberg & Lee 2017; equal to tangermeme 1.6
    where its rules see every operation.
    """
    _check(X, references)
    device, dtype = _place(model, device, dtype)
    with explainer(
        model, targets, device=device, dtype=dtype, additional=additional_nonlinear_ops
    ) as ready:
        blocks = _blocks(len(X), references.shape[1], X.shape[-1], batch_size, device)
        parts = [
            _explain(
                ready, X[rows], references[rows], _take(args, rows), per, device, dtype, multipliers
            )
            for rows, per in tqdm(blocks, disable=not verbose)
        ]
    joined = {
        name: None if parts[0][name] is None else torch.cat([p[name] for p in parts], dim=1)
        for name in parts[0]
    }
    return Attributions(**{k: v if v is None else v[:, : len(X)] for k, v in joined.items()})


def _check(X: Tensor, references: Tensor) -> None:
    if X.ndim != 3 or len(X) == 0:
        raise AttributionError(f"X has shape {tuple(X.shape)}, not (N, 4, length) with N > 0")
    if not (((X == 0) | (X == 1)).all() and (X.sum(dim=1) <= 1).all()):
        raise AttributionError("X is not one-hot", mend="give 0 and 1, at most one 1 a position")
    wanted = (len(X), "n", *X.shape[1:])
    if references.ndim != 4 or (len(references), *references.shape[2:]) != tuple(X.shape):
        raise AttributionError(
            f"references have shape {tuple(references.shape)}, not ({', '.join(map(str, wanted))})"
        )
    if references.shape[1] == 0:
        raise AttributionError("there are no references", mend="give at least one an example")


def _place(model: nn.Module, device: Any, dtype: Any) -> tuple[torch.device, torch.dtype]:
    """Return device and dtype to compute in: those asked for, or else the model's own."""
    first = next(
        (p for p in [*model.parameters(), *model.buffers()] if p.is_floating_point()),
        torch.empty(0, dtype=torch.get_default_dtype()),
    )
    dtype = getattr(torch, dtype) if isinstance(dtype, str) else dtype
    device = first.device if device is None else torch.device(device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise AttributionError(f"device {str(device)!r} is not there", mend="give device='cpu'")
    return device, dtype or first.dtype


def _blocks(
    n: int, n_references: int, length: int, batch_size: int, device: torch.device
) -> list[tuple[Tensor, int]]:
    """Return (rows, references a pass) of each block; the last block repeats its last example.

    All blocks have one shape, so that an example's bytes do not depend on who shares its block.
    """
    most = batch_size
    if device.type == "cpu":
        # Tensors that stay in the cache are faster than large batches.
        most = min(most, _MOST_ROWS_PER_PASS, max(1, _POSITIONS_PER_PASS // length))
    size = max(1, min(most, n))
    per = max(1, min(most // size, n_references))
    indices = [torch.arange(i, i + size).clamp(max=n - 1) for i in range(0, n, size)]
    return [(rows, per) for rows in indices]


def _take(args: tuple | None, rows: Tensor) -> tuple[Tensor, ...]:
    return tuple(a[rows] for a in args or ())


def _explain(
    ready: Explainer,
    x: Tensor,
    references: Tensor,
    args: tuple[Tensor, ...],
    per: int,
    device: torch.device,
    dtype: torch.dtype,
    multipliers: bool,
) -> dict[str, Tensor | None]:
    """Return the fields of Attributions for one block of examples, `per` references a pass."""
    size, n = references.shape[:2]
    x = x.to(device, dtype)
    repeated = x.repeat_interleave(per, 0)
    args = tuple(
        a.to(device, dtype if a.is_floating_point() else None).repeat_interleave(per, 0)
        for a in args
    )
    # Whole passes: the last reference fills the last one up and is dropped again.
    places = torch.arange(-(-n // per) * per).clamp(max=n - 1).split(per)
    groups = [references[:, k].flatten(0, 1).to(device, dtype) for k in places]
    found: list[tuple[Tensor, ...]] = []
    total, kept = 0.0, []
    for k, (m, y_e, y_r) in enumerate(ready.pairs(repeated, groups, args)):
        r = groups[k]
        share = m - (m * r).sum(dim=2, keepdim=True)
        projected = (share * repeated).sum(dim=2)
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
    return {
        "hypothetical": hypothetical.to(dtype).cpu(),
        "projected": (hypothetical * x).sum(dim=2).to(dtype).cpu(),
        "reference_sd": projected.double().std(dim=2, correction=0).to(dtype).cpu(),
        "deltas": delta.cpu(),
        "delta_y": delta_y.cpu(),
        "multipliers": torch.cat(kept, dim=2) if multipliers else None,
    }


def dinucleotide_references(X: Tensor, n: int = 20, random_state: int | None = None) -> Tensor:
    """Return dinucleotide shuffles (N, n, 4, L) of X, the default references."""
    from cisweep.sequence import dinucleotide_shuffle

    return dinucleotide_shuffle(X, n=n, random_state=random_state)


def make_references(
    X: Tensor, references: References, n_shuffles: int, random_state: int | None
) -> Tensor:
    """Return references (N, n, 4, L): the given tensor, or n_shuffles draws of the given function.

    Draw k of every example has seed random_state + k and n = 1, as in tangermeme 1.6; a function
    is `references(X, n=…, random_state=…)`, without the last where random_state is None.
    """
    if isinstance(references, Tensor):
        return references
    draws = []
    for k in range(n_shuffles):
        if random_state is None:
            draws.append(references(X, n=1)[:, 0])
            continue
        seed = random_state + k
        draws.append(
            torch.cat(
                [references(X[i : i + 1], n=1, random_state=seed)[:, 0] for i in range(len(X))]
            )
        )
    return torch.stack(draws, dim=1)


@cache
def _result_type(fields: tuple[str, ...]) -> type:
    return namedtuple("DeepLiftShapResult", fields)


def deep_lift_shap(
    model: nn.Module,
    X: Tensor,
    args: tuple[Tensor, ...] | None = None,
    target: Target | Sequence[Target] = 0,
    batch_size: int = 32,
    references: References = dinucleotide_references,
    n_shuffles: int = 20,
    return_references: bool = False,
    hypothetical: bool = False,
    warning_threshold: float = 0.001,
    additional_nonlinear_ops: dict[Any, Any] | None = None,
    print_convergence_deltas: bool = False,
    raw_outputs: bool = False,
    only_warn: bool = False,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device | None = None,
    random_state: int | None = None,
    verbose: bool = False,
    *,
    return_deltas: bool = False,
) -> Any:
    """Return DeepLIFT/SHAP attributions (N, 4, L) of X, in the arguments of tangermeme 1.6.

    Parameters
    ----------
    model, X, args, batch_size, dtype, device, additional_nonlinear_ops: as in `attribute`.
    target: a column of the output or a function of the output; of a list of them all come from
        one forward pass, and the result has a first axis for them.
    references: a tensor (N, n, 4, L) or a function, see `make_references`.
    n_shuffles: references an example, where they are drawn.
    return_references: also return the references (N, n, 4, L).
    hypothetical: give all four bases their value, not only the observed one.
    warning_threshold: convergence delta above which a RuntimeWarning is given.
    print_convergence_deltas: print the absolute deltas (N, n).
    raw_outputs: return the multipliers (N, n, 4, L) of every pair instead.
    only_warn: warn, where X is not one-hot, instead of raising.
    random_state: draw k has seed random_state + k; None for new references in each call.
    return_deltas: also return the convergence deltas (N, n), with their sign.

    Returns
    -------
    The attributions, or a named tuple (attributions[, references][, deltas]).
    """
    several = isinstance(target, Sequence)
    drawn = make_references(X, references, n_shuffles, random_state)
    found = attribute(
        model,
        X,
        drawn,
        list(target) if several else [target],
        args=args,
        batch_size=batch_size,
        device=device,
        dtype=dtype,
        additional_nonlinear_ops=additional_nonlinear_ops,
        multipliers=raw_outputs,
        verbose=verbose,
    )
    _report(found, warning_threshold, print_convergence_deltas)
    values = found.multipliers if raw_outputs else found.hypothetical
    if not raw_outputs and not hypothetical:
        values = values * X.cpu()
    deltas = found.deltas
    result = {"attributions": values if several else values[0]}
    if return_references:
        result["references"] = drawn
    if return_deltas:
        result["deltas"] = deltas if several else deltas[0]
    return values_or_named(result)


def values_or_named(result: dict[str, Tensor]) -> Any:
    """Return the only value of `result`, or all of them as a named tuple."""
    if len(result) == 1:
        return result["attributions"]
    return _result_type(tuple(result))(**result)


def _report(found: Attributions, threshold: float, show: bool) -> None:
    size = found.deltas.abs()
    if show:
        print(size)
    if not (size <= threshold).all():  # NaN too
        warnings.warn(
            f"convergence deltas up to {size.max().item():.3g} (mean |f(x) - f(r)| "
            f"{found.mean_abs_dy.max().item():.3g})",
            RuntimeWarning,
            stacklevel=3,
        )
