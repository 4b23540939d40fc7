"""Sei (Chen et al., Nature Genetics 2022): 21,907 chromatin profiles."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.interpolate import BSpline
from torch import Tensor, nn


def splines(length: int, n: int) -> Tensor:
    """Return n cubic B-splines over all positions, (length, n), their knots equally spaced."""
    inner = np.linspace(0, length - 1, n - 2)
    knots = np.concatenate([[0.0] * 3, inner, [length - 1.0] * 3])
    basis = BSpline.design_matrix(np.arange(float(length)), knots, 3).toarray()
    return torch.from_numpy(basis).float()


def _pair(into: int, out: int, relu: bool) -> list[nn.Module]:
    convs = [nn.Conv1d(into, out, 9, padding=4), nn.Conv1d(out, out, 9, padding=4)]
    return [convs[0], nn.ReLU(), convs[1], nn.ReLU()] if relu else convs


class Sei(nn.Module):
    """Linear and non-linear convolutions in pairs, dilated ones, splines over positions, dense.

    Parameters have the names of the published state dict. The sigmoid behind the last layer is left
    out: explanations and effects of variants are those of logits.

    Parameters
    ----------
    n_outputs: profiles.
    filters: of the three stages.
    n_splines: over the positions.
    """

    def __init__(
        self,
        n_outputs: int = 21907,
        filters: Sequence[int] = (480, 640, 960),
        n_splines: int = 16,
        length: int = 4096,
    ):
        super().__init__()
        a, b, c = filters
        self.lconv1 = nn.Sequential(*_pair(4, a, False))
        self.conv1 = nn.Sequential(*_pair(a, a, True))
        self.lconv2 = nn.Sequential(nn.MaxPool1d(4), nn.Dropout(0.2), *_pair(a, b, False))
        self.conv2 = nn.Sequential(nn.Dropout(0.2), *_pair(b, b, True))
        self.lconv3 = nn.Sequential(nn.MaxPool1d(4), nn.Dropout(0.2), *_pair(b, c, False))
        self.conv3 = nn.Sequential(nn.Dropout(0.2), *_pair(c, c, True))
        for i, dilation in enumerate((2, 4, 8, 16, 25), 1):
            conv = nn.Conv1d(c, c, 5, dilation=dilation, padding=2 * dilation)
            setattr(self, f"dconv{i}", nn.Sequential(nn.Dropout(0.1), conv, nn.ReLU()))
        self.register_buffer("splines", splines(length // 16, n_splines), persistent=False)
        self.classifier = nn.Sequential(
            nn.Linear(c * n_splines, n_outputs), nn.ReLU(), nn.Linear(n_outputs, n_outputs)
        )

    def forward(self, X: Tensor) -> Tensor:
        """Return logits (N, n_outputs) of one-hot windows X (N, 4, 4096)."""
        for linear, conv in (
            (self.lconv1, self.conv1),
            (self.lconv2, self.conv2),
            (self.lconv3, self.conv3),
        ):
            X = linear(X)
            last = conv(X)
            X = last + X
        # The first dilated convolution reads the sum, and what it gives is added to `last` alone.
        last = last + self.dconv1(X)
        for dilated in (self.dconv2, self.dconv3, self.dconv4, self.dconv5):
            last = last + dilated(last)
        return self.classifier(torch.matmul(last, self.splines).flatten(1))
