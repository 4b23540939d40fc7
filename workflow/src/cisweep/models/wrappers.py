"""Wrappers that make one scalar an example out of models with several outputs.

They hold the names of tangermeme's and bpnet-lite's wrappers. A run's config does the same by
`targets`; wrappers are for notebooks.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cisweep.errors import ModelError
from cisweep.models.targets import heads_of, profile_score_bpnetlite


class ControlWrapper(nn.Module):
    """Calls a BPNet with controls of zeros (N, n_control_tracks, length) where none are given."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, X: Tensor, X_ctl: Tensor | None = None) -> Any:
        """Return the model's output of one-hot X (N, 4, length)."""
        n_tracks = getattr(self.model, "n_control_tracks", 0)
        if X_ctl is None and n_tracks == 0:
            return self.model(X)
        if X_ctl is None:
            X_ctl = X.new_zeros(X.shape[0], n_tracks, X.shape[-1])
        return self.model(X, X_ctl)


class CountWrapper(nn.Module):
    """Returns the second output of a BPNet, the log counts (N, 1)."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, X: Tensor, *args: Tensor) -> Tensor:
        """Return the log counts (N, 1) of one-hot X (N, 4, length)."""
        return heads_of(self.model(X, *args))[1]


class ProfileWrapper(nn.Module):
    """Returns Σ z·softmax(z) (N, 1) of the first output's centred logits, as bpnet-lite does."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, X: Tensor, *args: Tensor) -> Tensor:
        """Return the profile score (N, 1) of one-hot X (N, 4, length)."""
        return profile_score_bpnetlite(heads_of(self.model(X, *args))[0]).unsqueeze(1)


class EnformerWrapper(nn.Module):
    """One scalar (N, 1) of a net that returns (N, bins, tracks), or a dict of such by head.

    Parameters
    ----------
    model: the net.
    tracks: tracks to sum; None for all.
    bins: output bins [start, end) to sum; None for all.
    head: key of the output, if the model returns a dict ("human"), or its index in a tuple.
    length_bp: the model's input length: the middle of X is read, and X must not be shorter.
    channels_last: whether the model reads (N, length, 4), as Enformer does, not (N, 4, length).
    log: whether to return log(1 + sum).
    """

    def __init__(
        self,
        model: nn.Module,
        tracks: Sequence[int] | None = None,
        bins: tuple[int, int] | None = None,
        *,
        head: str | int | None = None,
        length_bp: int | None = None,
        channels_last: bool = True,
        log: bool = True,
    ):
        super().__init__()
        self.model = model
        self.tracks = None if tracks is None else list(tracks)
        self.bins = bins
        self.head = head
        self.length_bp = length_bp
        self.channels_last = channels_last
        self.log = log

    def forward(self, X: Tensor, *args: Tensor) -> Tensor:
        """Return the scalar (N, 1) of one-hot X (N, 4, length)."""
        X = self._crop(X)
        output = self.model(X.transpose(1, 2) if self.channels_last else X, *args)
        if self.head is not None:
            output = output[self.head]
        if self.bins is not None:
            output = output[:, self.bins[0] : self.bins[1]]
        if self.tracks is not None:
            output = output[:, :, self.tracks]
        total = output.sum(dim=(1, 2)).unsqueeze(1)
        return torch.log1p(total) if self.log else total

    def _crop(self, X: Tensor) -> Tensor:
        length = self.length_bp or X.shape[-1]
        if X.shape[-1] < length:
            raise ModelError(
                f"the window has {X.shape[-1]} bp and the model reads {length} bp",
                mend="give windows of at least that length",
            )
        off = (X.shape[-1] - length) // 2
        return X[:, :, off : off + length]
