"""What "the model" is, for every step: the folds that read a window, averaged.

Which folds read a window is said by its chromosome (`fold_policy`). Averages over strands are
inside each fold's module (cisweep.models.targets.StrandMean). A `-` window is reverse-complemented
for the model, with its further inputs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from cisweep.config.model import ModelConfig
from cisweep.config.targets import TargetConfig, TrackConfig
from cisweep.contracts import Windows
from cisweep.errors import ModelError
from cisweep.models.loading import load_model
from cisweep.models.targets import StrandMean, TargetModule, strand_mean, turned
from cisweep.models.tracks import SignalModule
from cisweep.sequence.tokens import reverse_complement_tokens

Readout = Callable[[nn.Module, Sequence[TargetConfig]], nn.Module]
"""(model, its targets) -> a module of what is read of the model's output."""


class FoldMean(nn.Module):
    """The mean over folds of a model's targets (N, T); of longer windows, of their centre.

    The centre is that of `Windows.centre`. minus: whether windows come reverse-complemented, so
    that the same bases of a place are read on both strands.
    """

    def __init__(self, folds: Sequence[nn.Module], window_bp: int, minus: bool = False):
        super().__init__()
        self.folds, self.window_bp, self.minus = nn.ModuleList(folds), window_bp, minus

    def forward(self, X: Tensor) -> Tensor:
        """Return the targets (N, T) of one-hot windows X (N, 4, length >= window_bp)."""
        first = X.shape[-1] // 2 - self.window_bp // 2
        if self.minus:
            first = X.shape[-1] - self.window_bp - first
        X = X[:, :, first : first + self.window_bp]
        return torch.stack([fold(X) for fold in self.folds]).mean(0)


@dataclass(frozen=True)
class Ensemble:
    """The target modules of all folds of a model, on one device; each gives (N, T) scalars, and
    with `tracks` a tuple of these and of each track."""

    config: ModelConfig
    folds: list[nn.Module]
    device: str = "cpu"
    tracks: tuple[TrackConfig, ...] = ()

    @classmethod
    def load(cls, config: ModelConfig, device: str = "cpu", *, tracks: bool = False) -> Self:
        """Return the loaded folds of a model of a run, which its rule prepare has loaded before;
        raises ModelError with file and mend.

        tracks: whether the model's tracks are read too.
        """
        wanted = tuple(config.tracks) if tracks else ()
        readout = cls.readout(wanted)
        folds = [
            strand_mean(
                load_model(config, fold, device, prepared=True), readout, config.targets, config.rc
            )
            for fold in range(len(config.folds))
        ]
        return cls(config, folds, device, wanted)

    @classmethod
    def readout(cls, tracks: Sequence[TrackConfig] = ()) -> Readout:
        """Return what makes a model's output that of a fold."""
        return partial(SignalModule, tracks=tracks) if tracks else TargetModule

    def uses(self, windows: Windows) -> np.ndarray:
        """Return (folds, N) bool: which folds read which windows (fold_policy)."""
        used = np.zeros((len(self.folds), len(windows)), dtype=bool)
        for chrom in dict.fromkeys(windows.chrom):
            used[np.ix_(self.folds_of(chrom), windows.chrom == chrom)] = True
        return used

    def folds_of(self, chrom: str) -> list[int]:
        """Return the folds that read a chromosome; raises ModelError if none holds it out."""
        found = self.config.folds_of(chrom)
        if not found:
            raise ModelError(
                f"no fold holds out chromosome {chrom!r}",
                where="folds",
                mend="add it to folds.test_chroms of a fold, or set regions.chroms or "
                "fold_policy: mean",
            )
        return found

    def module_of(self, chrom: str, *, minus: bool = False) -> FoldMean:
        """Return what the model is for a chromosome's windows as one module, of one-hot windows as
        the model reads them; minus: of those on the minus strand."""
        folds = [self.folds[i] for i in self.folds_of(chrom)]
        return FoldMean(folds, self.config.window_bp, minus)

    def strands(self, fold: int) -> list[nn.Module]:
        """Return the modules whose mean a fold is: of each strand, or of the window alone."""
        module = self.folds[fold]
        if isinstance(module, StrandMean):
            return [module.forward_strand, module.reverse_strand]
        return [module]

    def oriented(self, tokens: np.ndarray, windows: Windows) -> np.ndarray:
        """Return tokens (N, L) as the model reads them: reverse-complemented for `-` windows."""
        minus = windows.strand == "-"
        if not minus.any():
            return tokens
        found = tokens.copy()
        found[minus] = reverse_complement_tokens(np.ascontiguousarray(tokens[minus]))
        return found

    def oriented_inputs(
        self, inputs: Sequence[np.ndarray], minus: np.ndarray
    ) -> tuple[Tensor, ...]:
        """Return further inputs (N, …) as the model reads them: where `minus` (N,), positions are
        turned and the tracks of the two strands swapped."""
        rows, found = torch.from_numpy(np.flatnonzero(minus)), []
        for values in inputs:
            part = torch.from_numpy(np.array(values))
            if len(rows):
                part[rows] = turned(part[rows], self.config.rc.task_permutation)
            found.append(part)
        return tuple(found)
