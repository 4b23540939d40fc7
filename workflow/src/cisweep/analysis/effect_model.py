"""What predicts the alleles of variants: every fold and strand of a model, averaged.

Averages over folds and strands are taken in each target's own scale, of profiles as probabilities.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from cisweep.analysis.prediction import predict
from cisweep.config.model import InputConfig, ModelConfig, TargetConfig
from cisweep.contracts import Windows
from cisweep.errors import ModelError
from cisweep.genome.signal import track_inputs, tracks_of
from cisweep.models.loading import load_model
from cisweep.models.targets import ReverseComplement, heads_of, read_target, track

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
                    f"target {target.name!r} has {tuple(value.shape[1:])} values a window, and "
                    "variants need one",
                    where=f"targets.{target.name}",
                    mend="give it `reduce` or one task",
                )
        parts = [track(output, t) for t in self.profiles]
        profiles = [p.flatten(1).softmax(1).view_as(p) for p in parts]
        return (torch.stack(scalars, 1), *profiles)


@dataclass(frozen=True)
class EffectModel:
    """What predicts alleles: one readout a fold and strand, all averaged.

    members: modules of EffectReadout's output; test_chroms: for each member the chromosomes it may
    read, None for all; targets, window_bp, device: of the model; tracks: its inputs from bigWig.
    """

    members: list[nn.Module]
    test_chroms: list[frozenset[str] | None]
    targets: list[TargetConfig]
    window_bp: int
    device: str = "cpu"
    tracks: list[InputConfig] = field(default_factory=list)

    @classmethod
    def load(cls, config: ModelConfig, device: str = "cpu") -> "EffectModel":
        """Return the folds of a model config, with the reverse complement if `rc.average`."""
        _check_inputs(config)
        members, chroms = [], []
        for i, fold in enumerate(config.folds):
            module = load_model(config, i, device)
            held_out = config.fold_policy == "held_out"
            own = cls.of_module(module, config.targets, config.window_bp, config)
            members += own.members
            chroms += [frozenset(fold.test_chroms) if held_out else None] * len(own.members)
        tracks = tracks_of(config)
        return cls(members, chroms, list(config.targets), config.window_bp, device, tracks)

    @classmethod
    def of_module(
        cls,
        module: nn.Module,
        targets: Sequence[TargetConfig],
        window_bp: int,
        config: ModelConfig | None = None,
        device: str = "cpu",
    ) -> "EffectModel":
        """Return one module as an EffectModel, with its reverse complement if config.rc.average."""
        members: list[nn.Module] = [EffectReadout(module, targets)]
        if config is not None and config.rc.average:
            turned = ReverseComplement(module, config.rc.task_permutation)
            members.append(EffectReadout(turned, targets))
        tracks = [] if config is None else tracks_of(config)
        return cls(members, [None] * len(members), list(targets), window_bp, device, tracks)

    def uses(self, windows: Windows) -> np.ndarray:
        """Return (members, N) bool: which members read which windows."""
        used = np.array(
            [[c is None or chrom in c for chrom in windows.chrom] for c in self.test_chroms]
        ).reshape(len(self.members), len(windows))
        if len(windows) and not used.any(axis=0).all():
            chrom = windows.chrom[int(np.flatnonzero(~used.any(axis=0))[0])]
            raise ModelError(
                f"no fold holds out chromosome {chrom!r}",
                where="folds",
                mend="add it to test_chroms of a fold, or set fold_policy: mean",
            )
        return used

    @property
    def profile_targets(self) -> list[TargetConfig]:
        """The targets that have a profile."""
        return [t for t in self.targets if t.reduce in PROFILE_REDUCTIONS]

    def profile_offset(self, target: TargetConfig) -> int:
        """Return where in the window the target's profile begins: it covers the window's middle."""
        X = torch.zeros(1, 4, self.window_bp, device=self.device)
        lengths = [(1, t.channels, t.length_bp or self.window_bp) for t in self.tracks]
        with torch.no_grad():
            output = self.members[0].model(X, *(X.new_zeros(shape) for shape in lengths))
        length = heads_of(output)[target.head].shape[-1]
        return (self.window_bp - length) // 2 + (target.positions[0] if target.positions else 0)

    def inputs_at(self, chrom: Sequence[str], places: np.ndarray | None) -> list[np.ndarray]:
        """Return the further inputs (N, channels, length) of windows whose bases come from `places`
        (N, W) of the genome; none if the model reads no tracks."""
        return [] if places is None else track_inputs(self.tracks, chrom, places)

    def predict(
        self,
        windows: Windows,
        tokens: np.ndarray,
        batch_size: int,
        inputs: Sequence[np.ndarray] = (),
    ) -> "MemberPredictions":
        """Return what the members say of windows with the given tokens (N, W) uint8 and further
        inputs (N, channels, length)."""
        used = self.uses(windows)
        scalars = np.full((len(self.members), len(tokens), len(self.targets)), np.nan)
        profiles: dict[str, np.ndarray] = {}
        for member, module in enumerate(self.members):
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
                mend="set length_bp to at most window_bp",
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
