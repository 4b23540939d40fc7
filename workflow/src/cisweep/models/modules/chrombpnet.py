"""ChromBPNet: an accessibility model beside a model of the enzyme's bias."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cisweep.models.modules.bpnet import BPNet, center_crop


class ChromBPNet(nn.Module):
    """Two BPNets whose profile logits add up and whose counts add up on the linear scale.

    Source: Pampari et al. 2024; kundajelab/chrombpnet. The bias model is usually smaller and its
    profile longer, of which the middle is used; its counts average its whole length.

    Parameters
    ----------
    accessibility, bias: a BPNet, or the arguments of one.
    """

    def __init__(self, accessibility: BPNet | Mapping[str, Any], bias: BPNet | Mapping[str, Any]):
        super().__init__()
        self.accessibility = _bpnet(accessibility)
        self.bias = _bpnet(bias)
        self.n_outputs = self.accessibility.n_outputs
        self.n_control_tracks = 0

    def forward(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """Return profile logits (N, n_outputs, length) and log counts (N, 1) of X (N, 4, length).

        The profile has the accessibility model's length.
        """
        profile, counts = self.accessibility(X)
        bias_profile, bias_counts = self.bias(X)
        profile = profile + center_crop(bias_profile, profile.shape[-1])
        return profile, torch.logsumexp(torch.cat([counts, bias_counts], dim=1), 1, keepdim=True)


def _bpnet(model: BPNet | Mapping[str, Any]) -> BPNet:
    return model if isinstance(model, nn.Module) else BPNet(**{"n_outputs": 1, **model})
