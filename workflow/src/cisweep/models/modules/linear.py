"""A linear model of the one-hot sequence, the baseline beside every network."""

import torch
from torch import Tensor, nn


class Linear(nn.Module):
    """One weight for each base at each position.

    Parameters
    ----------
    length_bp: length of the sequences, which is fixed.
    n_outputs: number of values predicted for a sequence.
    """

    def __init__(self, length_bp: int, n_outputs: int = 1):
        super().__init__()
        self.length_bp = length_bp
        self.output = nn.Linear(4 * length_bp, n_outputs)

    def forward(self, X: Tensor) -> Tensor:
        """Return the predictions (N, n_outputs) of one-hot sequences X (N, 4, length_bp)."""
        return self.output(torch.flatten(X, 1))
