"""Attributions of the windows of a job: averaged over strands, references and folds.

A `-` window is reverse-complemented for the model and its attributions stored in + orientation.
Averages over strands are inside each fold's module (cisweep.models.targets.StrandMean); here they
are taken over folds. Because the mean is taken in the space in which the target is explained, a
sum of averaged attributions is a difference of averaged predictions.
"""

from collections.abc import Callable
from dataclasses import dataclass

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
    """

    projected: np.ndarray
    hypothetical: np.ndarray
    sd: np.ndarray
    fold_sd: np.ndarray
    deltas: np.ndarray
    dy: np.ndarray


METHODS: dict[str, Callable] = {
    "deep_lift_shap": attribute,
    "integrated_gradients": attribute_along_path,
    "input_x_gradient": attribute_by_gradient,
    "ism": attribute_by_mutagenesis,
}
"""Name in the config: (module, X, references, targets, *, args, device) -> Attributions."""


def attribute_windows(
    model: Ensemble,
    windows: Windows,
    tokens: np.ndarray,
    inputs: list[np.ndarray],
    references: ReferenceMaker,
    *,
    batch_size: int,
    method: str = "deep_lift_shap",
) -> WindowAttributions:
    """Return the attributions of windows, all targets at once.

    tokens: (N, L) uint8 in + orientation. References are made from the window in + orientation and
    turned with it, so that both strands of a place share them. Windows are explained in blocks of
    `batch_size`, the last one filled up with N, so every block has one shape.
    """
    explain = METHODS[method]
    n, length = tokens.shape
    n_targets = len(model.config.targets)
    hypothetical = np.zeros((n_targets, n, 4, length))
    square, variance = np.zeros((2, n_targets, n, length))
    deltas, dy = np.zeros((n_targets, n)), np.zeros((n_targets, n))
    used = model.uses(windows)
    x_all = one_hot(tokens)
    for fold, module in enumerate(model.folds):
        rows_of_fold = np.flatnonzero(used[fold])
        starts = range(0, len(rows_of_fold), batch_size)
        for begin in tqdm(starts, desc=f"attribute, fold {fold}", mininterval=5):
            rows = rows_of_fold[begin : begin + batch_size]
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
            )
            hypothetical[:, rows] += part.hypothetical
            projected = (part.hypothetical * x_all[rows]).sum(axis=2)
            square[:, rows] += projected**2
            variance[:, rows] += part.sd.astype(np.float64) ** 2
            deltas[:, rows] = np.maximum(deltas[:, rows], part.deltas)
            dy[:, rows] += part.dy
    count = np.maximum(used.sum(axis=0), 1)
    hypothetical /= count[:, None, None]
    projected = (hypothetical * x_all).sum(axis=2)
    between = square / count[:, None] - projected**2 if len(model.folds) > 1 else 0 * square
    as32 = np.float32
    return WindowAttributions(
        projected.astype(as32),
        hypothetical.astype(as32),
        np.sqrt(variance / count[:, None]).astype(as32),
        np.sqrt(np.maximum(between, 0)).astype(as32),
        deltas.astype(as32),
        (dy / count).astype(as32),
    )


def _explain_block(
    module, model, windows, tokens, inputs, rows, references, batch_size, explain
) -> WindowAttributions:
    """Return one fold's attributions of at most batch_size windows, in + orientation."""
    refs = references(windows, tokens)
    x = one_hot_tokens(torch.from_numpy(np.ascontiguousarray(tokens)))
    minus = torch.from_numpy(windows.strand == "-")
    x[minus], refs[minus] = x[minus].flip(1, 2), refs[minus].flip(2, 3)
    args = model.oriented_inputs([values[rows] for values in inputs], minus.numpy()) or None
    missing = batch_size - len(windows)
    if missing:
        x = torch.cat([x, x.new_zeros(missing, *x.shape[1:])])
        refs = torch.cat([refs, refs.new_zeros(missing, *refs.shape[1:])])
        args = args and tuple(torch.cat([a, a.new_zeros(missing, *a.shape[1:])]) for a in args)
    n_targets = len(model.config.targets)
    found = explain(module, x, refs, list(range(n_targets)), args=args, device=model.device)
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
