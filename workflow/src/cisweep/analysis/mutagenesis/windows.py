"""Saturation mutagenesis of windows: every substitution, averaged over strands and folds.

Strands are mutated one by one, the reverse complement as a window of its own, so that a
substitution stays one substitution for the engine (mutagenesis.py). Each window is one call of the
engine, so its numbers do not depend on the windows beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from cisweep.analysis.attribution.rescale.blocks import Attributions
from cisweep.analysis.mutagenesis.saturation_mutagenesis import saturation_mutagenesis
from cisweep.bases import one_hot
from cisweep.contracts import Windows
from cisweep.engine.running import resolve_device
from cisweep.models.targets import strands_of
from cisweep.sequence.encoding import one_hot_tokens

Span = tuple[int, int]


@dataclass(frozen=True)
class Mutants:
    """What every substitution of N windows changes in T targets, in + orientation.

    original: (T, N) float32, predictions of the windows; effects: (T, N, 4, S) float32, mutant −
    original at the S mutated positions, 0 at the observed base; sd: (T, N, S) float32, standard
    deviation of the projected values over strands and folds; one_hot: (N, 4, S) of the windows.
    """

    original: np.ndarray
    effects: np.ndarray
    sd: np.ndarray
    one_hot: np.ndarray

    @property
    def hypothetical(self) -> np.ndarray:
        """(T, N, 4, S) float32: the effects less their mean over the four bases."""
        return self.effects - self.effects.mean(axis=2, keepdims=True)

    @property
    def projected(self) -> np.ndarray:
        """(T, N, S) float32: the hypothetical value of the observed base, 0 at N."""
        return (self.hypothetical * self.one_hot).sum(axis=2)


def mutate_windows(
    model: Any,
    windows: Windows,
    tokens: np.ndarray,
    inputs: list[np.ndarray],
    *,
    span: Span | None = None,
    batch_size: int = 32,
) -> Mutants:
    """Return what every substitution in windows changes, averaged over strands and folds.

    Parameters
    ----------
    model: a Ensemble.
    windows: N windows; a `-` window is turned for the model, its result is in + orientation.
    tokens: (N, L) uint8 in + orientation; at an N all four bases are put in.
    inputs: further inputs of the model, (N, …) each, in + orientation; they stay as they are.
    span: positions [start, end) of the window to mutate; None for all.
    batch_size: mutants on the device at once.

    Source: the definition of tangermeme 1.6 saturation_mutagenesis, for one target at a time.
    """
    start, end = span or (0, tokens.shape[1])
    n_targets, n = len(model.config.targets), len(windows)
    original = np.zeros((n_targets, n))
    effects = np.zeros((n_targets, n, 4, end - start))
    sd = np.zeros((n_targets, n, end - start))
    bases = one_hot(tokens[:, start:end])
    used = model.uses(windows)
    for i in tqdm(range(n), desc="mutate", mininterval=5):
        x = one_hot_tokens(torch.from_numpy(np.ascontiguousarray(tokens[i : i + 1])))
        minus = windows.strand[i] == "-"
        args = model.oriented_inputs(
            [v[i : i + 1] for v in inputs], windows.strand[i : i + 1] == "-"
        )
        members = []
        for fold in np.flatnonzero(used[:, i]):
            module = model.folds[fold]
            members += _members(module, x, args, (start, end), minus, batch_size, model.device)
        y0, found = (np.stack(parts) for parts in zip(*members))
        original[:, i], effects[:, i] = y0.mean(axis=0), found.mean(axis=0)
        hypothetical = found - found.mean(axis=2, keepdims=True)
        sd[:, i] = (hypothetical * bases[i]).sum(axis=2).std(axis=0)
    return Mutants(*(v.astype(np.float32) for v in (original, effects, sd)), bases)


def _members(
    module: nn.Module,
    x: Tensor,
    args: Sequence[Tensor],
    span: Span,
    minus: bool,
    batch_size: int,
    device: str | torch.device | None,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (original (T,), effects (T, 4, S)) of one window (1, 4, L) for each strand.

    x and the effects are in + orientation, args in that of the window.
    """
    length, found = x.shape[2], []
    if minus:
        x = x.flip(1, 2)
    for strand in strands_of(module):
        X, given = strand.inputs(x, args)
        turned = minus != (strand.turned is not None)
        start, end = (length - span[1], length - span[0]) if turned else span
        y0, y_hat = saturation_mutagenesis(
            strand.module, X, given or None, start, end, batch_size, raw_outputs=True,
            device=device,
        )  # fmt: skip
        effects = (y_hat[0].double() - y0[0].double()).permute(2, 0, 1)
        effects = effects.flip(1, 2) if turned else effects
        found.append((y0[0].double().numpy(), effects.numpy()))
    return found


def attribute_by_mutagenesis(
    model: nn.Module,
    X: Tensor,
    references: Tensor | None = None,
    targets: Sequence[int] | Tensor = (0,),
    *,
    args: tuple[Tensor, ...] | None = None,
    batch_size: int = 32,
    device: str | torch.device | None = None,
) -> Attributions:
    """Return saturation mutagenesis as attributions, with the results of `attribute`.

    The hypothetical values are the effects of the four bases, mutant − original, less their mean.
    There are no references, whatever `references` says, and nothing to which the values would add
    up: deltas and delta_y are NaN. A window of N's alone is left at 0.

    model: returns (N, T); X: (N, 4, L) one-hot, zeros for N; targets: columns of the output,
    the same of all windows or (N, T) of each.
    """
    device = resolve_device(device)
    columns = torch.as_tensor(targets).expand(len(X), -1)
    hypothetical = torch.zeros(columns.shape[1], *X.shape)
    for i in torch.nonzero(X.flatten(1).any(dim=1)).flatten().tolist():
        given = [a[i : i + 1] for a in args or ()]
        whole = (0, X.shape[2])
        members = _members(model, X[i : i + 1], given, whole, False, batch_size, device)
        effects = np.mean([e for _, e in members], axis=0)[columns[i].numpy()]
        centred = effects - effects.mean(axis=1, keepdims=True)
        hypothetical[:, i] = torch.from_numpy(centred).float()
    none = torch.full((columns.shape[1], len(X), 1), torch.nan)
    projected = (hypothetical * X.to(hypothetical.dtype)).sum(dim=2)
    return Attributions(hypothetical, projected, torch.zeros_like(projected), none, none.clone())
