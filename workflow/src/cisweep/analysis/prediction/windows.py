"""Predictions of the windows of a job: averaged over strands and folds.

A `-` window is reverse-complemented for the model and its tracks stored in + orientation. Averages
over strands are inside each fold's module (cisweep.models.targets.StrandMean); here they are taken
over folds.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from cisweep.analysis.prediction.predict import predict
from cisweep.config.targets import TrackConfig
from cisweep.contracts import TOKEN_N, Windows
from cisweep.models.ensemble import Ensemble


@dataclass(frozen=True)
class Predictions:
    """mean, sd: (N, T) float32 over folds, in the targets' own scale (sd 0 for one fold); tracks:
    name -> (N, strands, positions) float32, the mean over folds, in + orientation."""

    mean: np.ndarray
    sd: np.ndarray
    tracks: dict[str, np.ndarray] = field(default_factory=dict)


def _args(
    model: Ensemble, inputs: list[np.ndarray], minus: np.ndarray, rows: np.ndarray
) -> tuple[Tensor, ...] | None:
    return model.oriented_inputs([values[rows] for values in inputs], minus[rows]) or None


def predict_windows(
    model: Ensemble,
    windows: Windows,
    tokens: np.ndarray,
    inputs: list[np.ndarray],
    *,
    batch_size: int,
) -> Predictions:
    """Return the predictions of windows.

    tokens: (N, L) uint8 in + orientation; inputs: further inputs of the model, (N, …) each.
    """
    turned, minus = model.oriented(tokens, windows), windows.strand == "-"
    n, n_targets = len(windows), len(model.config.targets)
    total = np.zeros((n, n_targets))
    square = np.zeros((n, n_targets))
    tracks: dict[str, np.ndarray] = {}
    used = model.uses(windows)
    for fold, module in enumerate(model.folds):
        rows = np.flatnonzero(used[fold])
        if not len(rows):
            continue
        found = predict(
            module,
            torch.from_numpy(np.ascontiguousarray(turned[rows])),
            args=_args(model, inputs, minus, rows),
            batch_size=batch_size,
            device=model.device,
            verbose=True,
        )
        values, *bases = found if model.tracks else [found]
        values = values.double().numpy()
        total[rows] += values
        square[rows] += values**2
        for track, part in zip(model.tracks, bases):
            whole = tracks.setdefault(track.name, np.zeros((n, *part.shape[1:])))
            whole[rows] += _plus_orientation(part.double().numpy(), minus[rows], track, model)
    count = np.maximum(used.sum(axis=0), 1)[:, None]
    mean = total / count
    sd = np.sqrt(np.maximum(square / count - mean**2, 0)) if len(model.folds) > 1 else 0 * mean
    means = {name: (t / count[..., None]).astype(np.float32) for name, t in tracks.items()}
    return Predictions(mean.astype(np.float32), sd.astype(np.float32), means)


def _plus_orientation(
    values: np.ndarray, minus: np.ndarray, track: TrackConfig, model: Ensemble
) -> np.ndarray:
    """Return a track (N, strands, positions) in + orientation: where the window lies on the minus
    strand, positions are turned and the tasks of the two strands swapped."""
    permutation, turned = model.config.rc.task_permutation, values[minus][:, :, ::-1]
    if permutation is not None:
        turned = turned[:, [track.tasks.index(permutation[t]) for t in track.tasks]]
    values[minus] = turned
    return values


def track_shapes(model: Ensemble) -> dict[str, tuple[int, int]]:
    """Return name -> (strands, positions) of the model's tracks, from one window without bases."""
    if not model.tracks:
        return {}
    tokens = np.full((1, model.config.window_bp), TOKEN_N, np.uint8)
    inputs = [
        np.zeros((1, i.channels, i.length_bp or model.config.window_bp), np.float32)
        if i.kind == "bigwig"
        else np.zeros((1, 1), np.float32)
        for i in model.config.inputs
        if i.kind in ("bigwig", "column")
    ]
    args = tuple(map(torch.from_numpy, inputs)) or None
    module, device = model.folds[0], model.device
    found = predict(module, torch.from_numpy(tokens), args=args, batch_size=1, device=device)
    return {t.name: tuple(part.shape[1:]) for t, part in zip(model.tracks, found[1:])}
