"""Tracks: the per-base outputs of a model, as counts of each strand."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from cisweep.config.model import RcConfig
from cisweep.config.targets import TargetConfig, TrackConfig
from cisweep.models.targets import (
    Output,
    TargetModule,
    read_target,
    strand_mean,
    target_error,
    track,
)

_TO_COUNTS = {"log_counts": torch.exp, "log1p_counts": torch.expm1, "counts": lambda value: value}


def read_counts_track(
    output: Output, config: TrackConfig, targets: Sequence[TargetConfig]
) -> Tensor:
    """Return a track (N, strands, positions): softmax × counts, or the output as it is.

    Source: bpnet-lite 1.1 and ChromBPNet (one softmax over both strands, one total), BPNet
    (Avsec et al. 2021; one softmax and one count per strand).
    """
    where = TargetConfig(name=config.name, head=config.head, tasks=config.tasks)
    part = track(output, where)
    if part.ndim != 3:
        raise target_error(where, f"reads head {config.head}, which has no positions", "tracks")
    if not config.counts:
        return part
    by_name = {t.name: t for t in targets}
    counts = torch.stack(
        [_TO_COUNTS[by_name[n].scale](read_target(output, by_name[n])) for n in config.counts],
        dim=1,
    )
    if len(config.counts) == 1:
        share = torch.softmax(part.flatten(1), dim=1).view_as(part)
    else:
        share = torch.softmax(part, dim=2)
    return share * counts.clamp(min=0).unsqueeze(2)


class SignalModule(nn.Module):
    """A model whose output is its targets (N, T), then each track (N, strands, positions)."""

    def __init__(
        self, model: nn.Module, targets: Sequence[TargetConfig], tracks: Sequence[TrackConfig]
    ):
        super().__init__()
        self.scalars = TargetModule(model, targets)
        self.tracks = list(tracks)

    def forward(self, X: Tensor, *args: Tensor) -> tuple[Tensor, ...]:
        """Return targets and tracks of one-hot windows X (N, 4, length) and further inputs."""
        output = self.scalars.model(X, *args)
        tracks = (read_counts_track(output, t, self.scalars.targets) for t in self.tracks)
        return (self.scalars.read(output), *tracks)


def signal_module(
    model: nn.Module,
    targets: Sequence[TargetConfig],
    tracks: Sequence[TrackConfig],
    rc: RcConfig,
) -> nn.Module:
    """Return the module of the scalar targets and of all tracks, averaged over strands if asked.

    The mean of a track is taken over counts, in the window's own orientation.
    """
    return strand_mean(model, partial(SignalModule, tracks=tracks), targets, rc)
