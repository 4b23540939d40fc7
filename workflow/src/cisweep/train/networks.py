"""A network for short regulatory sequences with few examples."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cisweep.errors import ModelError


class PromoterCNN(nn.Module):
    """Strand-symmetric motif scan, coarse positions, and one hidden layer.

    The same filters read both strands and their activations are added, since a factor binds in
    either orientation; averages over `n_bins` equal stretches keep the coarse position; the hidden
    layer gives the saturation that a linear output lacks.

    Parameters
    ----------
    length_bp: length of the sequences, a multiple of n_bins.
    n_outputs: number of values predicted for a sequence.
    n_filters, first_width: of the scan; the width is odd.
    n_bins: stretches that are averaged on their own.
    n_hidden: units of the hidden layer.
    dropout: before and after the hidden layer.
    """

    def __init__(
        self,
        length_bp: int,
        n_outputs: int = 1,
        n_filters: int = 128,
        first_width: int = 11,
        n_bins: int = 10,
        n_hidden: int = 64,
        dropout: float = 0.2,
    ):
        super().__init__()
        if length_bp % n_bins or first_width % 2 == 0:
            raise ModelError(
                f"length_bp {length_bp} with n_bins {n_bins}, first_width {first_width}",
                where="module_args",
                mend="choose n_bins that divides the length, and an odd width",
            )
        self.n_bins = n_bins
        self.conv = nn.Conv1d(4, n_filters, first_width, padding=first_width // 2)
        self.hidden = nn.Linear(n_filters * n_bins, n_hidden)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(n_hidden, n_outputs)

    def forward(self, X: Tensor) -> Tensor:
        """Return the predictions (N, n_outputs) of one-hot sequences X (N, 4, length_bp)."""
        x = F.relu(self.conv(X)) + F.relu(self.conv(X.flip(1, 2))).flip(2)
        n, filters, length = x.shape
        x = x.reshape(n, filters, self.n_bins, length // self.n_bins).mean(dim=3)
        # A mean over a stretch is small where one position is active; 4 keeps the scale near 1.
        x = self.dropout(4 * torch.flatten(x, 1))
        return self.output(self.dropout(F.relu(self.hidden(x))))
