"""What predicts the alleles of variants: every fold and strand of a model, each by itself.

Averages over folds and strands are taken in each target's own scale, of profiles as probabilities.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from cisweep.analysis.prediction.predict import predict
from cisweep.config.model import FoldConfig, InputConfig, ModelConfig, RcConfig
from cisweep.config.targets import TargetConfig, TrackConfig
from cisweep.contracts import Windows
from cisweep.errors import ModelError
from cisweep.genome.signal import track_inputs, tracks_of
from cisweep.models.ensemble import Ensemble, Readout
from cisweep.models.targets import heads_of, read_target, strand_mean, track

PROFILE_REDUCTIONS = ("profile", "profile_bpnetlite")


class EffectReadout(nn.Module):
    """A model whose output is its scalar targets (N, T), then each profile (N, tracks, P).

    A profile is the softmax of its target's logits over tracks and positions together.
    """

    def __init__(self, model: nn.Module, targets: Sequence[TargetConfig]):
        super().__init__()
        self.model, self.targets = model, list(targets)
        self.profiles = [t for t in self.targets if t.reduce in PROFILE_REDUCTIONS]

    def forward(self, X: Tensor, *args: Tensor) -> tuple[Tensor, ...]:
        """Return scalars and profiles of one-hot windows X (N, 4, length)."""
        output = self.model(X, *args)
        scalars = [read_target(output, t) for t in self.targets]
        for target, value in zip(self.targets, scalars):
            if value.ndim != 1:
                raise ModelError(
                    f"target {target.name!r} has {tuple(value.shape[1:])} values per window, and "
                    "variants need one",
                    where=f"targets.{target.name}",
                    mend="give it `reduce` or one task",
                )
        parts = [track(output, t) for t in self.profiles]
        profiles = [p.flatten(1).softmax(1).view_as(p) for p in parts]
        return (torch.stack(scalars, 1), *profiles)


@dataclass(frozen=True)
class EffectModel(Ensemble):
    """What predicts alleles: a model of which each fold and strand gives EffectReadout's output."""

    @classmethod
    def load(cls, config: ModelConfig, device: str = "cpu", *, tracks: bool = False) -> Self:
        """Return the folds of a model config; raises ModelError."""
        _check_inputs(config)
        return super().load(config, device)

    @classmethod
    def readout(cls, tracks: Sequence[TrackConfig] = ()) -> Readout:
        """Return what makes a model's output that of a fold."""
        return EffectReadout

    @classmethod
    def of_module(
        cls,
        module: nn.Module,
        targets: Sequence[TargetConfig],
        window_bp: int,
        config: ModelConfig | None = None,
        device: str = "cpu",
    ) -> Self:
        """Return one module as an EffectModel, with its reverse complement if config.rc.average."""
        config = config or ModelConfig(
            adapter="python", module="the:module", window_bp=window_bp, targets=list(targets),
            rc=RcConfig(average=False), folds=[FoldConfig(weights=Path("the module"))],
        )  # fmt: skip
        alone = {"folds": config.folds[:1], "fold_policy": "mean"}
        fold = strand_mean(module, EffectReadout, targets, config.rc)
        return cls(config.model_copy(update=alone), [fold], device)

    @property
    def targets(self) -> list[TargetConfig]:
        """The model's targets."""
        return self.config.targets

    @property
    def window_bp(self) -> int:
        """Length of the sequence that the model reads."""
        return self.config.window_bp

    @property
    def signal_inputs(self) -> list[InputConfig]:
        """The model's inputs from bigWig."""
        return tracks_of(self.config)

    @property
    def profile_targets(self) -> list[TargetConfig]:
        """The targets that have a profile."""
        return [t for t in self.targets if t.reduce in PROFILE_REDUCTIONS]

    def profile_offset(self, target: TargetConfig) -> int:
        """Return where in the window the target's profile begins: it covers the window's middle."""
        X = torch.zeros(1, 4, self.window_bp, device=self.device)
        lengths = [(1, t.channels, t.length_bp or self.window_bp) for t in self.signal_inputs]
        with torch.no_grad():
            output = self.strands(0)[0].model(X, *(X.new_zeros(shape) for shape in lengths))
        length = heads_of(output)[target.head].shape[-1]
        return (self.window_bp - length) // 2 + (target.positions[0] if target.positions else 0)

    def inputs_at(self, chrom: Sequence[str], places: np.ndarray | None) -> list[np.ndarray]:
        """Return the further inputs (N, channels, length) of windows whose bases come from `places`
        (N, W) of the genome; none if the model reads no tracks."""
        return [] if places is None else track_inputs(self.signal_inputs, chrom, places)

    def predict(
        self,
        windows: Windows,
        tokens: np.ndarray,
        batch_size: int,
        inputs: Sequence[np.ndarray] = (),
    ) -> "MemberPredictions":
        """Return what the members say of windows with the given tokens (N, W) uint8 and further
        inputs (N, channels, length)."""
        strands = [self.strands(fold) for fold in range(len(self.folds))]
        used = np.repeat(self.uses(windows), [len(each) for each in strands], axis=0)
        scalars = np.full((len(used), len(tokens), len(self.targets)), np.nan)
        profiles: dict[str, np.ndarray] = {}
        for member, module in enumerate(chain.from_iterable(strands)):
            rows = np.flatnonzero(used[member])
            if not len(rows):
                continue
            X = torch.from_numpy(np.ascontiguousarray(tokens[rows]))
            args = [torch.from_numpy(np.ascontiguousarray(values[rows])) for values in inputs]
            values, *shapes = predict(
                module, X, args or None, batch_size=batch_size, device=self.device
            )
            scalars[member, rows] = values.double().numpy()
            for target, shape in zip(self.profile_targets, shapes):
                total = profiles.setdefault(target.name, np.zeros((len(tokens), *shape.shape[1:])))
                total[rows] += shape.double().numpy() / used[:, rows].sum(0)[:, None, None]
        return MemberPredictions(scalars, profiles)


def _check_inputs(config: ModelConfig) -> None:
    """Raise a ModelError for inputs that an alternate allele does not have."""
    for item in config.inputs:
        if item.kind == "column":
            raise ModelError(
                f"input {item.name!r} is a column of a table of sequences, and a variant's alleles "
                "have no row there",
                where=f"inputs.{item.name}",
                mend="score variants with inputs of zeros, constants or bigWig",
            )
        if item.kind == "bigwig" and (item.length_bp or 0) > config.window_bp:
            raise ModelError(
                f"input {item.name!r} reads {item.length_bp} bp, more than the window of "
                f"{config.window_bp} bp, beyond which an allele with an indel is not defined",
                where=f"inputs.{item.name}.length_bp",
                mend="set inputs.length_bp to at most window_bp",
            )


@dataclass(frozen=True)
class MemberPredictions:
    """scalars: (members, N, T) float64, NaN where a member does not read the window; profiles:
    target name -> (N, tracks, P) float64, averaged over members."""

    scalars: np.ndarray
    profiles: dict[str, np.ndarray]

    @property
    def mean(self) -> np.ndarray:
        """(N, T) float64: the scalars averaged over members."""
        return np.nanmean(self.scalars, axis=0)
