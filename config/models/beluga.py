"""DeepSEA "Beluga", the network of ExPecto (Zhou et al., Nature Genetics 2018)."""

from torch import Tensor, nn

ORDER = (0, 2, 1, 3)
"""Its letters are A G C T."""


def _behind(into: int, out: int) -> nn.Sequential:
    """A linear layer as item 1 of a pair, which is how its parameters are named in the file."""
    return nn.Sequential(nn.Identity(), nn.Linear(into, out))


class Beluga(nn.Module):
    """Six convolutions in pairs with maxima between, two dense layers; logits of 2,002 profiles.

    Parameters have the names of the published file, whose convolutions are over (1, length). The
    sigmoid behind the last layer is left out: explanations and effects of variants are those of
    logits.

    Parameters
    ----------
    n_outputs: chromatin profiles.
    n_hidden: units of the dense layer.
    filters: of the three pairs of convolutions.
    """

    def __init__(
        self,
        n_outputs: int = 2002,
        n_hidden: int = 2003,
        filters: tuple[int, int, int] = (320, 480, 640),
        length: int = 2000,
    ):
        super().__init__()
        layers: list[nn.Module] = []
        into = 4
        for i, n in enumerate(filters):
            layers += [nn.Conv2d(into, n, (1, 8)), nn.ReLU(), nn.Conv2d(n, n, (1, 8)), nn.ReLU()]
            into, length = n, length - 14
            if i < 2:
                layers += [nn.Dropout(0.2), nn.MaxPool2d((1, 4))]
                length //= 4
        dense = [nn.Dropout(0.5), nn.Flatten(), _behind(into * length, n_hidden), nn.ReLU()]
        dense.append(_behind(n_hidden, n_outputs))
        self.model = nn.Sequential(nn.Sequential(*layers), nn.Sequential(*dense))

    def forward(self, X: Tensor) -> Tensor:
        """Return logits (N, n_outputs) of one-hot windows X (N, 4, 2000), A C G T."""
        return self.model(X[:, ORDER].unsqueeze(2))
