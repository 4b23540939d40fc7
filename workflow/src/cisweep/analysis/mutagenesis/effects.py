"""Effects of edits on one-hot sequences: substitutions, deletions, insertions.

Names, arguments, shapes and results are those of tangermeme 1.6.0. Windows cut from a genome with
variants from a file are the matter of variant_effects.py.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cisweep.analysis.mutagenesis.substitution import propagated_substitutions
from cisweep.analysis.perturbation.perturb import PerturbationResult, before_after, edit_rows
from cisweep.analysis.prediction.predict import predict
from cisweep.errors import SequenceError


def substitution_effect(
    model: torch.nn.Module,
    X: Tensor,
    substitutions: Tensor | np.ndarray,
    args: Sequence[Tensor] | None = None,
    func: Callable[..., Any] = predict,
    additional_func_kwargs: dict | None = None,
    **kwargs: Any,
) -> PerturbationResult:
    """Return `func` before and after substitutions.

    Where several substitutions of one sequence are predicted, only what each changes is computed,
    if the model's operations allow it and agree with the model itself at some of them.

    Parameters
    ----------
    model: torch.nn.Module
    X: (N, 4, length) one-hot.
    substitutions: (K, 3) integers: example, 0-based position, new base (0-3 = A C G T). All rows of
        an example are applied to it together.
    args: further inputs of the model, (N, …) each.
    func: function of (model, X, args=, **kwargs).
    additional_func_kwargs, kwargs: passed to `func`.

    Returns
    -------
    PerturbationResult: `func` of X and of the edited X.

    Raises
    ------
    SequenceError: two rows stand at one position of one example, or a row lies outside X.

    Source: tangermeme 1.6.0, substitution_effect.
    """
    rows = _rows(substitutions, 3, X, "substitutions")
    if len(torch.unique(rows[:, :2], dim=0)) != len(rows):
        raise SequenceError(
            "two rows stand at the same position of the same example",
            where="substitutions",
            mend="give each alternative its own copy of the example",
        )
    example, position, base = rows.to(X.device).unbind(1)
    options = {**kwargs, **(additional_func_kwargs or {})}
    if func is predict and args is None:
        found = propagated_substitutions(model, X, rows, options)
        if found is not None:
            return found
    edited = X.clone()
    edited[example, :, position] = 0
    edited[example, base, position] = 1
    return before_after(func, model, X, edited, {"args": args, **kwargs}, additional_func_kwargs)


def deletion_effect(
    model: torch.nn.Module,
    X: Tensor,
    deletions: Tensor | np.ndarray,
    left: bool = False,
    args: Sequence[Tensor] | None = None,
    func: Callable[..., Any] = predict,
    additional_func_kwargs: dict | None = None,
    **kwargs: Any,
) -> PerturbationResult:
    """Return `func` before and after deleting bases.

    Parameters
    ----------
    model: torch.nn.Module
    X: (N, 4, model length + most deletions of an example) one-hot: the spare bases fill the
        window after a deletion.
    deletions: (K, 2) integers: example, 0-based position.
    left: False: the window is the first bases of X, and bases come in on the right; True: the last
        bases, and they come in on the left.
    args: further inputs of the model, (N, …) each.
    func: function of (model, X, args=, **kwargs).
    additional_func_kwargs, kwargs: passed to `func`.

    Returns
    -------
    PerturbationResult: `func` of the trimmed X, and of the trimmed X without the deleted bases.

    Raises
    ------
    SequenceError: a row lies outside X, or nothing of an example is left.

    Source: tangermeme 1.6.0, deletion_effect.
    """
    rows = _rows(deletions, 2, X, "deletions")
    kept = torch.ones(X.shape[0], X.shape[-1], dtype=torch.bool)
    kept[rows[:, 0], rows[:, 1]] = False
    length = int(kept.sum(dim=1).min())
    if length == 0:
        raise SequenceError(
            f"all {X.shape[-1]} bases of an example are deleted",
            where="deletions",
            mend="make X longer than the model's window by the largest number of deletions in "
            "one example",
        )
    # The positions of the kept bases come first, in order.
    order = torch.argsort(~kept, dim=1, stable=True)
    counts = kept.sum(dim=1, keepdim=True)
    begin = counts - length if left else torch.zeros_like(counts)
    index = order.gather(1, begin + torch.arange(length)).to(X.device)
    edited = X.gather(2, index[:, None].expand(-1, X.shape[1], -1))
    trimmed = X[:, :, -length:] if left else X[:, :, :length]
    kwargs = {"args": args, **kwargs}
    return before_after(func, model, trimmed, edited, kwargs, additional_func_kwargs)


def insertion_effect(
    model: torch.nn.Module,
    X: Tensor,
    insertions: Tensor | np.ndarray,
    left: bool = False,
    args: Sequence[Tensor] | None = None,
    func: Callable[..., Any] = predict,
    additional_func_kwargs: dict | None = None,
    **kwargs: Any,
) -> PerturbationResult:
    """Return `func` before and after inserting bases.

    Parameters
    ----------
    model: torch.nn.Module
    X: (N, 4, length) one-hot.
    insertions: (K, 3) integers: example, 0-based position of the base before which the new base
        stands, new base (0-3 = A C G T). Of several rows at one position the last stands first.
    left: False: bases fall off on the right; True: on the left.
    args: further inputs of the model, (N, …) each.
    func: function of (model, X, args=, **kwargs).
    additional_func_kwargs, kwargs: passed to `func`.

    Returns
    -------
    PerturbationResult: `func` of X, and of X with the inserted bases, trimmed to its length.

    Raises
    ------
    SequenceError: a row lies outside X.

    Source: tangermeme 1.6.0, insertion_effect.
    """
    rows = _rows(insertions, 3, X, "insertions")
    edited = X.clone()
    for example in torch.unique(rows[:, 0]).tolist():
        mine = rows[rows[:, 0] == example].flip(0)
        mine = mine[torch.argsort(mine[:, 1], stable=True)]
        # Slot 2p is before base p, slot 2p + 1 is base p itself; a stable sort joins them.
        slots = torch.cat([2 * mine[:, 1], 2 * torch.arange(X.shape[-1]) + 1])
        order = torch.argsort(slots, stable=True)
        order = order[-X.shape[-1] :] if left else order[: X.shape[-1]]
        new = torch.eye(X.shape[1], dtype=X.dtype, device=X.device)[mine[:, 2].to(X.device)].T
        edited[example] = torch.cat([new, X[example]], dim=1)[:, order.to(X.device)]
    return before_after(func, model, X, edited, {"args": args, **kwargs}, additional_func_kwargs)


def _rows(table: Tensor | np.ndarray, width: int, X: Tensor, where: str) -> Tensor:
    if not len(X):
        raise SequenceError("X has no examples", where="X", mend="give at least one")
    return edit_rows(table, (X.shape[0], X.shape[2], X.shape[1])[:width], where)
