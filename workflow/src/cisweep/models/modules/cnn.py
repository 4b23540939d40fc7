"""A small convolutional network from a sequence to a few scalars."""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cisweep.errors import ModelError

Pooling = Literal["max", "mean", "flatten"]


class CNN(nn.Module):
    """A first convolution, residual dilated convolutions, a pooling and a linear output.

    The default is the demo model for CTCF and PU.1. `CNN(32, first_width=3, dilations=(),
    pooling="flatten", length_bp=8, n_outputs=1)` is the network of the 8-mer task.

    Parameters
    ----------
    n_filters: filters of every convolution.
    first_width: width of the first convolution, odd, padded to keep the length; its filters
        are the ones that are shown as motifs.
    dilations: dilation of each residual layer, x + ReLU(Conv(x)); empty for none.
    width: width of the residual layers, odd.
    pooling: over the length: maximum, mean, or flatten (one weight a position).
    length_bp: length of the sequences; needed, and fixed, when pooling is "flatten".
    n_outputs: number of values (logits or regression values) for a sequence.
    dropout: probability that a pooled feature is dropped while training.
    """

    def __init__(
        self,
        n_filters: int = 48,
        first_width: int = 19,
        dilations: Sequence[int] = (2, 4, 8),
        width: int = 3,
        pooling: Pooling = "max",
        length_bp: int | None = None,
        n_outputs: int = 2,
        dropout: float = 0.0,
    ):
        super().__init__()
        _check(first_width, width, pooling, length_bp)
        self.pooling = pooling
        self.length_bp = length_bp if pooling == "flatten" else None
        self.conv = nn.Conv1d(4, n_filters, first_width, padding=first_width // 2)
        self.dilated = nn.ModuleList(
            nn.Conv1d(n_filters, n_filters, width, padding=d * (width // 2), dilation=d)
            for d in dilations
        )
        self.dropout = nn.Dropout(dropout)
        n_features = n_filters * (length_bp or 1) if pooling == "flatten" else n_filters
        self.output = nn.Linear(n_features, n_outputs)

    def forward(self, X: Tensor) -> Tensor:
        """Return the predictions (N, n_outputs) of one-hot sequences X (N, 4, length)."""
        x = F.relu(self.conv(X))
        for conv in self.dilated:
            x = x + F.relu(conv(x))
        if self.pooling == "max":
            x = x.amax(dim=-1)
        elif self.pooling == "mean":
            x = x.mean(dim=-1)
        else:
            x = torch.flatten(x, 1)
        return self.output(self.dropout(x))


def _check(first_width: int, width: int, pooling: str, length_bp: int | None) -> None:
    if first_width % 2 == 0 or width % 2 == 0:
        raise ModelError(
            f"CNN has first_width {first_width} and width {width}; an even width moves the output",
            where="module_args",
            mend="use odd widths",
        )
    if pooling not in ("max", "mean", "flatten"):
        raise ModelError(
            f"CNN has no pooling {pooling!r}",
            where="module_args.pooling",
            mend="use max, mean or flatten",
        )
    if pooling == "flatten" and length_bp is None:
        raise ModelError(
            "CNN with pooling 'flatten' reads sequences of one length only, and no length is given",
            where="module_args.length_bp",
            mend="set module_args.length_bp to the length of the sequences",
        )
