"""SpliceAI (Jaganathan et al., Cell 2019) with the parameter names of OpenSpliceAI."""

import torch
from torch import Tensor, nn

STAGES = {80: (11, 1), 400: (11, 4), 2000: (21, 10), 10000: (41, 25)}
"""Flanking bases -> width and dilation of the four units that this size adds."""


class _Unit(nn.Module):
    """Two times norm, leaky ReLU, convolution; added to the input."""

    def __init__(self, filters: int, width: int, dilation: int):
        super().__init__()
        options = {"dilation": dilation, "padding": (width - 1) * dilation // 2}
        self.batchnorm1, self.batchnorm2 = nn.BatchNorm1d(filters), nn.BatchNorm1d(filters)
        self.conv1 = nn.Conv1d(filters, filters, width, **options)
        self.conv2 = nn.Conv1d(filters, filters, width, **options)
        self.act = nn.LeakyReLU(0.1)

    def forward(self, X: Tensor) -> Tensor:
        Y = self.conv1(self.act(self.batchnorm1(X)))
        return X + self.conv2(self.act(self.batchnorm2(Y)))


class _Skip(nn.Module):
    """A convolution of width 1, whose outputs are summed over the stages."""

    def __init__(self, filters: int):
        super().__init__()
        self.conv = nn.Conv1d(filters, filters, 1)

    def forward(self, X: Tensor) -> Tensor:
        return self.conv(X)


class SpliceAI(nn.Module):
    """Residual dilated convolutions: (N, 3, length - flanking), no site, acceptor, donor.

    Parameters
    ----------
    flanking: bases that are read on both sides together: 80, 400, 2000 or 10000.
    filters: of every convolution.
    softmax: whether outputs are probabilities, not logits.
    """

    def __init__(self, flanking: int = 10000, filters: int = 32, softmax: bool = True):
        super().__init__()
        self.flank, self.softmax = flanking // 2, softmax
        self.initial_conv = nn.Conv1d(4, filters, 1)
        self.initial_skip = _Skip(filters)
        self.residual_units = nn.ModuleList()
        for size, (width, dilation) in STAGES.items():
            if size <= flanking:
                self.residual_units.extend(_Unit(filters, width, dilation) for _ in range(4))
                self.residual_units.append(_Skip(filters))
        self.final_conv = nn.Conv1d(filters, 3, 1)

    def forward(self, X: Tensor) -> Tensor:
        """Return what each base in the middle of one-hot windows X (N, 4, length) is."""
        X = self.initial_conv(X)
        total = self.initial_skip(X)
        for layer in self.residual_units:
            if isinstance(layer, _Skip):
                total = total + layer(X)
            else:
                X = layer(X)
        Y = self.final_conv(total[:, :, self.flank : total.shape[2] - self.flank])
        return torch.softmax(Y, 1) if self.softmax else Y
