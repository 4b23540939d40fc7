"""Attributions of the windows of a job: averaged over strands, references and folds.

A `-` window is reverse-complemented for the model and its attributions stored in + orientation.
Averages over strands are inside each fold's module (cisweep.models.targets.StrandMean); here they
are taken over folds. Because the mean is taken in the space in which the target is explained, a
sum of averaged attributions is a difference of averaged predictions.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Self

import numpy as np
import torch
from tqdm import tqdm

from cisweep.analysis.attribution.deep_lift_shap import (
    attribute,
    attribute_along_path,
    attribute_by_gradient,
)
from cisweep.analysis.attribution.references import ReferenceMaker
from cisweep.analysis.mutagenesis.windows import attribute_by_mutagenesis
from cisweep.bases import one_hot
from cisweep.contracts import Windows
from cisweep.models.ensemble import Ensemble
from cisweep.sequence.encoding import one_hot_tokens


@dataclass(frozen=True)
class WindowAttributions:
    """Attributions of windows in + orientation, averaged over references and folds.

    projected: (T, N, L) float32, of the observed bases; hypothetical: (T, N, 4, L) float32;
    sd, fold_sd: (T, N, L) float32, over references (the root mean square over folds) and over folds
    (0 for one); deltas: (T, N) float32, largest convergence
    delta of the window's pairs; dy: (T, N) float32, mean |f(window) - f(reference)|.

    Of pairs (`attribute_pairs`) P stands in place of T, N.
    """

    projected: np.ndarray
    hypothetical: np.ndarray
    sd: np.ndarray
    fold_sd: np.ndarray
    deltas: np.ndarray
    dy: np.ndarray

    def take(self, pairs: slice) -> Self:
        """Return some rows of the first axis."""
        return type(self)(*(getattr(self, each.name)[pairs] for each in fields(self)))


@dataclass(frozen=True)
class PairAttributions:
    """Attributions of pairs of a window and a target, those of a target side by side.

    wanted: (N, T) bool, which pairs there are; values: of these P pairs, by target, then window.
    """

    wanted: np.ndarray
    values: WindowAttributions

    def of(self, target_idx: int) -> tuple[np.ndarray, WindowAttributions]:
        """Return a target's windows, (n,) int64 rows, and their attributions, (n, L) and so on."""
        ends = np.cumsum(self.wanted.sum(axis=0))
        begin = ends[target_idx] - self.wanted[:, target_idx].sum()
        rows = np.flatnonzero(self.wanted[:, target_idx])
        return rows, self.values.take(slice(int(begin), int(ends[target_idx])))


METHODS: dict[str, Callable] = {
    "deep_lift_shap": attribute,
    "integrated_gradients": attribute_along_path,
    "input_x_gradient": attribute_by_gradient,
    "ism": attribute_by_mutagenesis,
}
"""Name in the config: (module, X, references, targets (N, K), *, args, device) -> Attributions.
Those of gradients take gradient_correction too."""


def attribute_windows(
    model: Ensemble,
    windows: Windows,
    tokens: np.ndarray,
    inputs: list[np.ndarray],
    references: ReferenceMaker,
    *,
    batch_size: int,
    method: str = "deep_lift_shap",
    gradient_correction: bool = False,
) -> WindowAttributions:
    """Return the attributions of windows, all targets of each: see `attribute_pairs`."""
    shape = len(model.config.targets), len(windows)
    found = attribute_pairs(
        model, windows, tokens, inputs, references, np.ones(shape[::-1], dtype=bool),
        batch_size=batch_size, method=method, gradient_correction=gradient_correction,
    ).values  # fmt: skip
    arrays = (getattr(found, each.name) for each in fields(found))
    return WindowAttributions(*(array.reshape(*shape, *array.shape[1:]) for array in arrays))


def attribute_pairs(
    model: Ensemble,
    windows: Windows,
    tokens: np.ndarray,
    inputs: list[np.ndarray],
    references: ReferenceMaker,
    wanted: np.ndarray,
    *,
    batch_size: int,
    method: str = "deep_lift_shap",
    gradient_correction: bool = False,
) -> PairAttributions:
    """Return the attributions of the wanted pairs of a window and a target.

    tokens: (N, L) uint8 in + orientation. References are made from the window in + orientation and
    turned with it, so that both strands of a place share them, and all targets of a window share
    references and forward passes. wanted: (N, T) bool. Windows are explained in blocks of
    `batch_size`, the last one filled up with N, so every block has one shape, and a pair has the
    same values whatever else is wanted. gradient_correction: of methods that are gradients, see
    `integrated_gradients`.
    """
    explain, rank = METHODS[method], np.full(wanted.shape, -1)
    if gradient_correction:
        explain = partial(explain, gradient_correction=True)
    n_pairs, length = int(wanted.sum()), tokens.shape[1]
    rank.T[wanted.T] = np.arange(n_pairs)
    n_wanted = wanted.sum(axis=1)
    hypothetical = np.zeros((n_pairs, 4, length))
    square, variance = np.zeros((2, n_pairs, length))
    deltas, dy = np.zeros((2, n_pairs))
    used = model.uses(windows)
    x_all = one_hot(tokens)
    for fold, module in enumerate(model.folds):
        rows_of_fold = np.flatnonzero(used[fold] & (n_wanted > 0))
        # Side by side stand windows with as many targets, so that few slots of a block are idle.
        rows_of_fold = rows_of_fold[np.argsort(-n_wanted[rows_of_fold], kind="stable")]
        starts = range(0, len(rows_of_fold), batch_size)
        for begin in tqdm(starts, desc=f"attribute, fold {fold}", mininterval=5):
            rows = rows_of_fold[begin : begin + batch_size]
            columns, is_asked = _slots(wanted[rows])
            part = _explain_block(
                module,
                model,
                windows.take(rows),
                tokens[rows],
                inputs,
                rows,
                references,
                batch_size,
                explain,
                columns,
            )
            slot, row = np.nonzero(is_asked.T)
            pairs = rank[rows[row], columns[row, slot]]
            found = part.hypothetical[slot, row]
            hypothetical[pairs] += found
            square[pairs] += (found * x_all[rows[row]]).sum(axis=1) ** 2
            variance[pairs] += part.sd[slot, row].astype(np.float64) ** 2
            deltas[pairs] = np.maximum(deltas[pairs], part.deltas[slot, row])
            dy[pairs] += part.dy[slot, row]
    window = np.nonzero(wanted.T)[1]
    count = np.maximum(used.sum(axis=0), 1)[window]
    hypothetical /= count[:, None, None]
    projected = (hypothetical * x_all[window]).sum(axis=1)
    between = square / count[:, None] - projected**2 if len(model.folds) > 1 else 0 * square
    as32 = np.float32
    values = WindowAttributions(
        projected.astype(as32),
        hypothetical.astype(as32),
        np.sqrt(variance / count[:, None]).astype(as32),
        np.sqrt(np.maximum(between, 0)).astype(as32),
        deltas.astype(as32),
        (dy / count).astype(as32),
    )
    return PairAttributions(wanted, values)


def _slots(wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the targets of each window (n, K), and which of them are asked for.

    K: most targets of a window; one with fewer has its first one again.
    """
    columns = np.argsort(~wanted, axis=1, kind="stable")[:, : int(wanted.sum(axis=1).max())]
    is_asked = np.take_along_axis(wanted, columns, axis=1)
    return np.where(is_asked, columns, columns[:, :1]), is_asked


def _explain_block(
    module, model, windows, tokens, inputs, rows, references, batch_size, explain, columns
) -> WindowAttributions:
    """Return one fold's attributions of at most batch_size windows, in + orientation.

    columns: (n, K) the targets of each; K stands in place of T.
    """
    refs = references(windows, tokens)
    x = one_hot_tokens(torch.from_numpy(np.ascontiguousarray(tokens)))
    minus = torch.from_numpy(windows.strand == "-")
    x[minus], refs[minus] = x[minus].flip(1, 2), refs[minus].flip(2, 3)
    args = model.oriented_inputs([values[rows] for values in inputs], minus.numpy()) or None
    targets = torch.from_numpy(columns)
    missing = batch_size - len(windows)
    if missing:
        x = torch.cat([x, x.new_zeros(missing, *x.shape[1:])])
        refs = torch.cat([refs, refs.new_zeros(missing, *refs.shape[1:])])
        args = args and tuple(torch.cat([a, a.new_zeros(missing, *a.shape[1:])]) for a in args)
        targets = torch.cat([targets, targets[:1].expand(missing, -1)])
    found = explain(module, x, refs, targets, args=args, device=model.device)
    keep = slice(0, len(windows))
    hypothetical = found.hypothetical[:, keep].double().cpu()
    sd = found.reference_sd[:, keep].cpu()
    hypothetical[:, minus] = hypothetical[:, minus].flip(2, 3)
    sd[:, minus] = sd[:, minus].flip(2)
    return WindowAttributions(
        np.empty(0),
        hypothetical.numpy(),
        sd.numpy(),
        np.empty(0),
        found.deltas[:, keep].abs().amax(dim=2).cpu().numpy(),
        found.delta_y[:, keep].abs().mean(dim=2).cpu().numpy(),
    )
