"""Malinois (Gosai et al., Nature 2024): activity of regulatory elements in three cell lines."""

import torch
from torch import Tensor, nn


class _Normed(nn.Module):
    """A convolution with its norm."""

    def __init__(self, into: int, out: int, width: int):
        super().__init__()
        self.conv, self.bn_layer = nn.Conv1d(into, out, width), nn.BatchNorm1d(out)
        self.flanks = ((width - 1) // 2, width - 1 - (width - 1) // 2)

    def forward(self, X: Tensor) -> Tensor:
        return torch.relu(self.bn_layer(self.conv(nn.functional.pad(X, self.flanks))))


class _NormedLinear(nn.Module):
    """A linear layer with its norm."""

    def __init__(self, into: int, out: int):
        super().__init__()
        self.linear, self.bn_layer = nn.Linear(into, out), nn.BatchNorm1d(out)

    def forward(self, X: Tensor) -> Tensor:
        return torch.relu(self.bn_layer(self.linear(X)))


class _Grouped(nn.Module):
    """A linear layer a branch: (branches, N, into) to (branches, N, out)."""

    def __init__(self, branches: int, into: int, out: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(branches, into, out) * into**-0.5)
        self.bias = nn.Parameter(torch.zeros(branches, 1, out))

    def forward(self, X: Tensor) -> Tensor:
        return torch.bmm(X, self.weight) + self.bias


class _Branches(nn.Module):
    """Three layers a cell line, with ReLU between them."""

    def __init__(self, branches: int, into: int, width: int):
        super().__init__()
        self.branches = branches
        self.branched_layer_1 = _Grouped(branches, into, width)
        self.branched_layer_2 = _Grouped(branches, width, width)
        self.branched_layer_3 = _Grouped(branches, width, width)

    def forward(self, X: Tensor) -> Tensor:
        X = torch.relu(self.branched_layer_1(X.unsqueeze(0).expand(self.branches, -1, -1)))
        return self.branched_layer_3(torch.relu(self.branched_layer_2(X)))


class Malinois(nn.Module):
    """Basset's convolutions, one dense layer, and a branch of three layers for each cell line.

    Parameters have the names of the published state dict. Dropout, which predicts nothing, is left
    out.

    Parameters
    ----------
    n_outputs: cell lines.
    n_hidden, n_branch: units of the dense layer, and of each layer of a branch.
    """

    def __init__(self, n_outputs: int = 3, n_hidden: int = 1000, n_branch: int = 140):
        super().__init__()
        self.conv1, self.conv2, self.conv3 = (
            _Normed(4, 300, 19),
            _Normed(300, 200, 11),
            _Normed(200, 200, 7),
        )
        self.linear1 = _NormedLinear(200 * 13, n_hidden)
        self.branched = _Branches(n_outputs, n_hidden, n_branch)
        self.output = _Grouped(n_outputs, n_branch, 1)

    def forward(self, X: Tensor) -> Tensor:
        """Return log2 activities (N, n_outputs) of one-hot windows X (N, 4, 600)."""
        X = torch.max_pool1d(self.conv1(X), 3)
        X = self.conv3(torch.max_pool1d(self.conv2(X), 4))
        X = torch.max_pool1d(nn.functional.pad(X, (1, 1)), 4)
        X = self.output(self.branched(self.linear1(X.flatten(1))))
        return X.squeeze(2).T
