"""A model whose prediction is the sum of a weight a base, read from JSON: {"A": 0, "C": 1, …}."""

import json

import torch
from torch import Tensor, nn

from cisweep.config.model import FoldConfig, ModelConfig


class BaseWeights(nn.Module):
    """The sum over a window of the weight of each base."""

    def __init__(self, weights: list[float]):
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights))

    def forward(self, X: Tensor) -> Tensor:
        """Return (N, 1) of one-hot windows (N, 4, L)."""
        return (X * self.weights[:, None]).sum(dim=(1, 2))[:, None]


def load(config: ModelConfig, fold: FoldConfig) -> nn.Module:
    """Return the model of the fold's file."""
    values = json.loads(fold.weights.read_text())
    return BaseWeights([float(values[base]) for base in "ACGT"])
