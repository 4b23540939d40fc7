"""Basset (Kelley et al., Genome Research 2016): accessibility in many cell types."""

from torch import Tensor, nn

CONVS = ((300, 19, 3), (200, 11, 4), (200, 7, 4))
"""Filters, width and pooling of each convolution."""


class _Behind(nn.Sequential):
    """A linear layer as item 1 of a pair, which is how its parameters are named in the file."""

    def __init__(self, into: int, out: int):
        super().__init__(nn.Identity(), nn.Linear(into, out))


class Basset(nn.Sequential):
    """Three convolutions with norm, ReLU and maxima, two dense layers; logits of all cell types.

    Parameters have the names that they have in the PyTorch file of Kipoi's copy, whose convolutions
    are over (length, 1). The sigmoid behind the last layer is left out: explanations and effects of
    variants are those of logits.

    Parameters
    ----------
    n_outputs: cell types.
    n_hidden: units of both dense layers.
    """

    def __init__(self, n_outputs: int = 164, n_hidden: int = 1000, length: int = 600):
        layers: list[nn.Module] = []
        into = 4
        for filters, width, pool in CONVS:
            layers += [nn.Conv2d(into, filters, (width, 1)), nn.BatchNorm2d(filters)]
            layers += [nn.ReLU(), nn.MaxPool2d((pool, 1))]
            into, length = filters, (length - width + 1) // pool
        into *= length
        layers.append(nn.Flatten())
        for _ in range(2):
            layers += [_Behind(into, n_hidden), nn.BatchNorm1d(n_hidden), nn.ReLU()]
            layers.append(nn.Dropout(0.3))
            into = n_hidden
        super().__init__(*layers, _Behind(into, n_outputs))

    def forward(self, X: Tensor) -> Tensor:
        """Return logits (N, n_outputs) of one-hot windows X (N, 4, 600)."""
        return super().forward(X.unsqueeze(3))
