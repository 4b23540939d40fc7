"""The networks of the benchmarks, with random weights: time does not depend on them."""

import torch
import torch.nn.functional as F
from torch import nn


class PaddedBPNet(nn.Module):
    """BPNet as bpnet-lite 1.1 lays it out: every convolution padded, the profile cut at the end."""

    def __init__(self, n_filters: int = 64, n_layers: int = 8, n_outputs: int = 2):
        super().__init__()
        self.first = nn.Conv1d(4, n_filters, 21, padding=10)
        self.relus = nn.ModuleList(nn.ReLU() for _ in range(n_layers + 1))
        self.dilated = nn.ModuleList(
            nn.Conv1d(n_filters, n_filters, 3, padding=2**i, dilation=2**i)
            for i in range(1, n_layers + 1)
        )
        self.profile = nn.Conv1d(n_filters, n_outputs, 75, padding=37)
        self.counts = nn.Linear(n_filters, 1)
        self.trimming = 47 + sum(2**i for i in range(1, n_layers + 1))

    def forward(self, X):
        start, end = self.trimming, X.shape[2] - self.trimming
        x = self.relus[0](self.first(X))
        for conv, relu in zip(self.dilated, list(self.relus)[1:]):
            x = torch.add(x, relu(conv(x)))
        profile = self.profile(x)[:, :, start:end]
        mean = torch.mean(x[:, :, start - 37 : end + 37], dim=2)
        return profile, self.counts(mean).reshape(X.shape[0], 1)


class ResidualNet(nn.Module):
    """As OpenSpliceAI: batch norm, leaky ReLU, residual dilated convolutions, no BPNet."""

    def __init__(self, n_filters: int = 64):
        super().__init__()
        dilations = (1, 1, 1, 1, 4, 4, 4, 4)
        self.first = nn.Conv1d(4, n_filters, 1)
        self.norms = nn.ModuleList(nn.BatchNorm1d(n_filters) for _ in dilations)
        self.convs = nn.ModuleList(
            nn.Conv1d(n_filters, n_filters, 11, dilation=d, padding=5 * d) for d in dilations
        )
        self.last = nn.Conv1d(n_filters, 3, 1)

    def forward(self, X):
        x = self.first(X)
        for norm, conv in zip(self.norms, self.convs):
            x = x + conv(F.leaky_relu(norm(x), 0.1))
        return self.last(x)


class Counts(nn.Module):
    """The log counts alone."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, X):
        return self.model(X)[1]


def tokens(n: int, length: int) -> torch.Tensor:
    made = torch.randint(0, 4, (n, length), generator=torch.Generator().manual_seed(0))
    return made.to(torch.uint8)


def one_hot(tokens: torch.Tensor) -> torch.Tensor:
    return F.one_hot(tokens.long(), 4).transpose(-1, -2).to(torch.int8).contiguous()


def difference(a, b) -> str:
    """Return the largest difference of two outputs, of the largest value."""
    a, b = ([y] if isinstance(y, torch.Tensor) else list(y) for y in (a, b))
    worst = max(((x - y).abs().max() / y.abs().max()).item() for x, y in zip(a, b, strict=True))
    return f"{worst:.0e} of the largest"
