"""Which bases drive a target: DeepLIFT/SHAP by operation, and two plain gradient methods.

`attribute` is the engine: every target, hypothetical and projected values, their spread over
references and the convergence deltas from one pass; `attribute_along_path` and
`attribute_by_gradient` have its arguments and results. `deep_lift_shap` gives it tangermeme's
signature. The rules are in `cisweep.analysis.attribution.rescale`.
"""

import warnings
from collections import namedtuple
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from cisweep.analysis.attribution.rescale.blocks import Attributions, Options, explain_blocks
from cisweep.analysis.attribution.rescale.drawing import (
    ReferenceFunction,
    draw_references,
    references_by_name,
)
from cisweep.analysis.attribution.rescale.gradients import path_gradients
from cisweep.analysis.attribution.rescale.passes import OfEachRow, Target, Targets, explainer
from cisweep.sequence.shuffling import dinucleotide_shuffle

__all__ = [
    "Attributions",
    "attribute",
    "attribute_along_path",
    "attribute_by_gradient",
    "deep_lift_shap",
    "input_x_gradient",
    "integrated_gradients",
    "references_by_name",
]


def attribute(
    model: nn.Module,
    X: Tensor,
    references: Tensor,
    targets: Sequence[Target] | Tensor = (0,),
    *,
    additional_nonlinear_ops: dict[Any, Any] | None = None,
    **options: Any,
) -> Attributions:
    """Return DeepLIFT/SHAP attributions of all targets, on the CPU, from one pass.

    Parameters
    ----------
    model: returns (N, T), or anything that every target is a function of.
    X: (N, 4, L) one-hot, zeros for N.
    references: (N, n, 4, L).
    targets: columns of the output, or functions of the output that give (N,); or, where each
        example has T targets of its own, their columns (N, T) int64.
    additional_nonlinear_ops: rules for what has none, by class of module, torch function or
        name of an operation: "rescale", "linear", or `rule(module, grad_input, grad_output)` as
        tangermeme's, with the examples' half before the references' half.
    options: the fields of `Options`:
        args, further inputs of the model, N rows each, shared by an example's references;
        batch_size (32), the largest number of pairs that go through the model at once, on which
        the values do not depend, and on a CPU fewer go where sequences are long;
        device, where to compute, None for the GPU if there is one, else the CPU; dtype, in which
        precision, None for the model's;
        multipliers (False), whether to keep those of every pair; verbose; only_warn.

    Raises
    ------
    AttributionError: an operation has no rule, is detached, or branches on values.

    Source: Shrikumar et al. 2017 (rescale rule), Lundberg & Lee 2017; equal to tangermeme 1.6
    where its rules see every operation.
    """
    wanted, options = _of_each_row(targets, options)
    return explain_blocks(
        model,
        X,
        references,
        Options(**options),
        lambda device, dtype: explainer(
            model, wanted, additional_nonlinear_ops, device=device, dtype=dtype
        ),
    )


def attribute_along_path(
    model: nn.Module,
    X: Tensor,
    references: Tensor,
    targets: Sequence[Target] | Tensor = (0,),
    *,
    n_steps: int = 20,
    gradient_correction: bool = False,
    **options: Any,
) -> Attributions:
    """Return integrated gradients of all targets, with the arguments and results of `attribute`.

    The integral from reference to example is taken at `n_steps` Gauss-Legendre nodes; deltas
    say what they miss. gradient_correction: see `integrated_gradients`.
    Source: Sundararajan et al. 2017.
    """
    wanted, options = _of_each_row(targets, options)
    return explain_blocks(
        model,
        X,
        references,
        Options(**options),
        lambda device, dtype: path_gradients(
            model, wanted, n_steps, device=device, dtype=dtype, corrected=gradient_correction
        ),
    )


def attribute_by_gradient(
    model: nn.Module,
    X: Tensor,
    references: Tensor | None = None,
    targets: Sequence[Target] | Tensor = (0,),
    *,
    gradient_correction: bool = False,
    **options: Any,
) -> Attributions:
    """Return input × gradient of all targets, with the results of `attribute`.

    The hypothetical values are the gradient itself, with gradient_correction less its mean over
    the four bases (see `input_x_gradient`). There is one reference of zeros, whatever
    `references` says; deltas are f(X) − f(0) − Σ attribution, 0 only for a linear model.
    """
    wanted, options = _of_each_row(targets, options)
    return explain_blocks(
        model,
        X,
        torch.zeros_like(X)[:, None],
        Options(**options),
        lambda device, dtype: path_gradients(
            model, wanted, None, device=device, dtype=dtype, corrected=gradient_correction
        ),
    )


def _of_each_row(
    targets: Sequence[Target] | Tensor, options: dict[str, Any]
) -> tuple[Targets, dict[str, Any]]:
    """Return targets and options; the columns of each example's own targets go with its inputs."""
    if not isinstance(targets, Tensor):
        return targets, options
    args = (*(options.get("args") or ()), targets)
    return OfEachRow(targets.shape[1]), options | {"args": args}


@cache
def _result_type(fields: tuple[str, ...]) -> type:
    return namedtuple("DeepLiftShapResult", fields)


def deep_lift_shap(
    model: nn.Module,
    X: Tensor,
    args: tuple[Tensor, ...] | None = None,
    target: Target | Sequence[Target] = 0,
    batch_size: int = 32,
    references: Tensor | ReferenceFunction = dinucleotide_shuffle,
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
    references: a tensor (N, n, 4, L) or a function, see `draw_references`.
    n_shuffles: references per example, where they are drawn.
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
    The attributions, in the unit of the target, or a named tuple (attributions[, references]
    [, deltas]). Above 0 the base raises the target beyond its value for the references.

    Notes
    -----
    There is no gradient_correction here (Majdandzic et al. 2023; see `integrated_gradients`): a
    value is the multiplier of the base less that of the reference's base, so that what all four
    bases share is gone wherever the reference is a sequence or 0.25 of each base. Against a
    reference of zeros the correction would break the sum, f(x) − f(reference). Mutagenesis has
    nothing to correct: it asks the model about sequences alone.

    Raises
    ------
    AttributionError: as `attribute`; or references that are not (N, n, 4, L).

    Source: as `attribute`.
    """
    drawn = draw_references(X, references, n_shuffles, random_state)
    found = attribute(
        model,
        X,
        drawn,
        _as_list(target),
        additional_nonlinear_ops=additional_nonlinear_ops,
        args=args,
        batch_size=batch_size,
        device=device,
        dtype=dtype,
        multipliers=raw_outputs,
        verbose=verbose,
        only_warn=only_warn,
    )
    _report(found, warning_threshold, print_convergence_deltas)
    values = found.multipliers if raw_outputs else _bases(found, X, hypothetical)
    extra = {"references": drawn} if return_references else {}
    if return_deltas:
        extra["deltas"] = _per_target(found.deltas, target)
    return _named(_per_target(values, target), extra)


def integrated_gradients(
    model: nn.Module,
    X: Tensor,
    args: tuple[Tensor, ...] | None = None,
    target: Target | Sequence[Target] = 0,
    batch_size: int = 32,
    references: Tensor | ReferenceFunction = dinucleotide_shuffle,
    n_shuffles: int = 20,
    n_steps: int = 20,
    hypothetical: bool = False,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    random_state: int | None = None,
    *,
    return_deltas: bool = False,
    gradient_correction: bool = False,
) -> Any:
    """Return integrated gradients (N, 4, L), the mean over references; see `deep_lift_shap`.

    n_steps: Gauss-Legendre nodes of the path from each reference to the example. Attributions are
    in the unit of the target.

    gradient_correction: take the mean over the four bases off each gradient, the part that points
    off the simplex of sequences, where training data say nothing about the model (Majdandzic et al.
    2023, Genome Biology 24). It matters against references of zeros, and where a reference has
    N, and there the values no longer add up to f(x) − f(reference). Every other way from
    reference to example stays on the simplex, so that the correction changes rounding alone.

    Raises AttributionError for X or references of another shape, and
    for a target without a gradient. Source: Sundararajan et al. 2017.
    """
    drawn = draw_references(X, references, n_shuffles, random_state)
    found = attribute_along_path(
        model, X, drawn, _as_list(target), n_steps=n_steps,
        gradient_correction=gradient_correction, args=args, batch_size=batch_size, device=device,
        dtype=dtype,
    )  # fmt: skip
    extra = {"deltas": _per_target(found.deltas, target)} if return_deltas else {}
    return _named(_per_target(_bases(found, X, hypothetical), target), extra)


def input_x_gradient(
    model: nn.Module,
    X: Tensor,
    args: tuple[Tensor, ...] | None = None,
    target: Target | Sequence[Target] = 0,
    batch_size: int = 32,
    hypothetical: bool = False,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    *,
    gradient_correction: bool = False,
) -> Tensor:
    """Return the gradient at the observed bases (N, 4, L); `hypothetical`: at all four.

    Arguments as in `deep_lift_shap`; in the unit of the target. gradient_correction: take the mean
    over the four bases off each position's gradient (Majdandzic et al. 2023, Genome Biology 24),
    as `saliency` does unless told otherwise. Raises AttributionError for X of
    another shape, and for a target without a gradient. Source: Shrikumar et al. 2017, where it is
    compared with DeepLIFT.
    """
    found = attribute_by_gradient(
        model, X, None, _as_list(target), gradient_correction=gradient_correction, args=args,
        batch_size=batch_size, device=device, dtype=dtype,
    )  # fmt: skip
    return _per_target(_bases(found, X, hypothetical), target)


def _as_list(target: Target | Sequence[Target]) -> list[Target]:
    return list(target) if isinstance(target, Sequence) else [target]


def _per_target(values: Tensor, target: Target | Sequence[Target]) -> Tensor:
    """Return values (T, …) as they are for a list of targets, without the axis for one."""
    return values if isinstance(target, Sequence) else values[0]


def _bases(found: Attributions, X: Tensor, hypothetical: bool) -> Tensor:
    """Return (T, N, 4, L): all four bases, or zeros but for the observed one."""
    return found.hypothetical if hypothetical else found.hypothetical * X.cpu()


def _named(attributions: Tensor, extra: dict[str, Tensor]) -> Any:
    """Return the attributions alone, or a named tuple of them and `extra`."""
    if not extra:
        return attributions
    return _result_type(("attributions", *extra))(attributions, *extra.values())


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
