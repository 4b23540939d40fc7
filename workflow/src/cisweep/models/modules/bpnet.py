"""BPNet: base-resolution profile and total counts (Avsec et al., Nature Genetics 2021)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cisweep.errors import ModelError


class BPNet(nn.Module):
    """Dilated residual convolutions with a profile head and a count head.

    A first convolution with ReLU; layers i = 1, 2, … with x + ReLU(Conv 3, dilation 2^i); the
    profile is a wide convolution over [x, controls]; the counts are a linear function of the
    mean of x over the output and the half width of the profile convolution on each side, beside
    log(1 + sum of the controls there). Where the output lies so far inside the window that no
    padding reaches it, the convolutions are "valid", as in ChromBPNet, and leave out what no head
    reads, which gives the same values as padded ones with fewer operations; a smaller `trimming`
    pads with zeros, as bpnet-lite 1.1 does.

    A mean over all positions knows nothing of where in the window a feature lies. Where windows
    are tiles, of which some hold half of a promoter, the counts depend on that: with `count_bins`
    above 1 the count head reads the means of this many stretches, each with weights of its own, and
    with `count_trimming` also stretches beyond the output. (Peers have neither.)

    Parameters
    ----------
    n_filters: filters of every convolution of the trunk.
    n_layers: dilated layers.
    n_outputs: profile tracks (strands), under one softmax.
    n_control_tracks: control tracks that `forward` reads beside the sequence.
    first_width: width of the first convolution, odd.
    profile_width: width of the profile convolution, odd.
    trimming: bp of the window that the profile lacks on each side; None for the least that no
        padding reaches: 557 with the defaults, so 2114 bp in and 1000 bp out.
    profile_bias, count_bias: whether the two heads have a constant.
    profile_crop: bp that the profile loses further on each side, the counts not (a bias model).
    count_bins: stretches of equal length whose means the count head reads, from left to right.
    count_trimming: bp of the window that the count head does not average over on each side; None
        for trimming less half the width of the profile convolution.
    """

    def __init__(
        self,
        n_filters: int = 64,
        n_layers: int = 8,
        n_outputs: int = 2,
        n_control_tracks: int = 0,
        first_width: int = 21,
        profile_width: int = 75,
        trimming: int | None = None,
        profile_bias: bool = True,
        count_bias: bool = True,
        profile_crop: int = 0,
        count_bins: int = 1,
        count_trimming: int | None = None,
    ):
        super().__init__()
        self.n_outputs = n_outputs
        self.n_control_tracks = n_control_tracks
        dilations = [2**i for i in range(1, n_layers + 1)]
        trunk = first_width // 2 + sum(dilations)
        self.flank = profile_width // 2
        self.trimming = trunk + self.flank if trimming is None else trimming
        self.core_trimming = max(self.trimming - self.flank, 0)
        self.count_bins = count_bins
        self.count_trimming = self.core_trimming if count_trimming is None else count_trimming
        # What neither head reads of the window, on each side; below 0: what padding has to give.
        unread = min(self.trimming - self.flank, self.count_trimming) - trunk
        padded = unread < 0
        self.unread = max(unread, 0)
        self.profile_crop = profile_crop
        self.first_conv = nn.Conv1d(
            4, n_filters, first_width, padding=first_width // 2 if padded else 0
        )
        self.dilated_convs = nn.ModuleList(
            nn.Conv1d(n_filters, n_filters, 3, dilation=d, padding=d if padded else 0)
            for d in dilations
        )
        self.profile_conv = nn.Conv1d(
            n_filters + n_control_tracks,
            n_outputs,
            profile_width,
            padding=max(self.flank - self.trimming, 0),
            bias=profile_bias,
        )
        self.count_linear = nn.Linear(
            n_filters * count_bins + (n_control_tracks > 0), 1, bias=count_bias
        )

    def forward(self, X: Tensor, X_ctl: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return profile logits and log counts.

        Parameters
        ----------
        X: one-hot sequences (N, 4, length).
        X_ctl: controls (N, n_control_tracks, length), counts; only with n_control_tracks > 0.

        Returns
        -------
        Profile logits (N, n_outputs, length − 2·(trimming + profile_crop)) and log1p counts (N, 1).
        """
        self._check(X, X_ctl)
        x = F.relu(self.first_conv(center_crop(X, X.shape[-1] - 2 * self.unread)))
        for conv in self.dilated_convs:
            change = F.relu(conv(x))
            x = center_crop(x, change.shape[-1]) + change
        core = center_crop(x, X.shape[-1] - 2 * self.core_trimming)
        length = X.shape[-1] - 2 * self.count_trimming
        mean = self._means(center_crop(x, length))
        if X_ctl is not None:
            core = torch.cat([core, center_crop(X_ctl, core.shape[-1])], dim=1)
            total = center_crop(X_ctl, length).sum(dim=(1, 2)).unsqueeze(-1)
            mean = torch.cat([mean, torch.log(total + 1)], dim=-1)
        profile = self.profile_conv(core)
        profile = center_crop(profile, profile.shape[-1] - 2 * self.profile_crop)
        return profile, self.count_linear(mean)

    def _means(self, x: Tensor) -> Tensor:
        """Return (N, count_bins · filters): means of the stretches of x, one after the other."""
        if self.count_bins == 1:
            return x.mean(dim=-1)
        width = x.shape[-1] // self.count_bins
        # Slices, and no reshape: through them one substitution stays local (models.changes).
        parts = [x[:, :, i * width : (i + 1) * width] for i in range(self.count_bins)]
        return torch.cat([part.mean(dim=-1) for part in parts], dim=-1)

    def _check(self, X: Tensor, X_ctl: Tensor | None) -> None:
        lost = max(self.trimming + self.profile_crop, self.count_trimming)
        if X.shape[-1] <= 2 * lost:
            raise ModelError(
                f"the window has {X.shape[-1]} bp, and this BPNet loses {lost} bp on each side, "
                f"so it reads at least {2 * lost + 1} bp",
                mend="set window_bp to the length that the model was trained on",
            )
        counted = X.shape[-1] - 2 * self.count_trimming
        if counted % self.count_bins:
            raise ModelError(
                f"the count head reads {counted} bp of a window of {X.shape[-1]} bp, which "
                f"count_bins {self.count_bins} does not divide",
                where="module_args",
                mend="change count_bins, or give count_trimming",
            )
        found = 0 if X_ctl is None else X_ctl.shape[1]
        if found != self.n_control_tracks:
            raise ModelError(
                f"this BPNet reads {self.n_control_tracks} control tracks and got {found}",
                mend="declare them under `inputs` (kind zeros or bigwig), or use ControlWrapper",
            )


def center_crop(x: Tensor, length: int) -> Tensor:
    """Return the middle `length` positions of x (N, channels, positions)."""
    off = (x.shape[-1] - length) // 2
    return x if off == 0 else x[:, :, off : off + length]
