"""MPRA-LegNet (Agarwal et al., Nature 2025, after Penzar et al. 2023): activity in a human MPRA."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

ORDER = (0, 2, 1, 3)
"""Its letters are A G C T."""


def _conv(into: int, out: int, width: int, groups: int = 1) -> list[nn.Module]:
    conv = nn.Conv1d(into, out, width, padding="same", groups=groups, bias=False)
    return [conv, nn.BatchNorm1d(out), nn.SiLU()]


class _Block(nn.Module):
    """Layers below the name `block`."""

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.block = nn.Sequential(*layers)

    def forward(self, X: Tensor) -> Tensor:
        return self.block(X)


class _Excitation(nn.Module):
    """Channels scaled by what their means over positions say (squeeze and excitation)."""

    def __init__(self, width: int, reduction: int):
        super().__init__()
        inner = width // reduction
        self.fc = nn.Sequential(
            nn.Linear(width, inner), nn.SiLU(), nn.Linear(inner, width), nn.Sigmoid()
        )

    def forward(self, X: Tensor) -> Tensor:
        return X * self.fc(X.mean(2)).unsqueeze(2)


class _Beside(nn.Module):
    """What an inverted bottleneck makes of its input, and the input."""

    def __init__(self, width: int, kernel: int, factor: int):
        super().__init__()
        inner = width * factor
        layers = [*_conv(width, inner, 1), *_conv(inner, inner, kernel, groups=inner)]
        self.fn = _Block(*layers, _Excitation(inner, factor), *_conv(inner, width, 1))

    def forward(self, X: Tensor) -> Tensor:
        return torch.cat([self.fn(X), X], 1)


class LegNet(nn.Module):
    """A stem, four blocks of an inverted bottleneck beside its input, a mean, a dense head.

    Parameters have the names of the authors' checkpoints, below `model.` there.

    Parameters
    ----------
    stem, stem_width: filters and width of the first convolution.
    width: of the other convolutions.
    blocks, pools: filters of each block, and the maximum behind it.
    factor: how much wider a bottleneck is inside.
    """

    def __init__(
        self,
        stem: int = 64,
        stem_width: int = 11,
        width: int = 9,
        blocks: Sequence[int] = (80, 96, 112, 128),
        pools: Sequence[int] = (2, 2, 2, 2),
        factor: int = 4,
    ):
        super().__init__()
        self.stem = _Block(*_conv(4, stem, stem_width))
        made, into = [], stem
        for out, pool in zip(blocks, pools, strict=True):
            local = _Block(*_conv(2 * into, out, width))
            rest = nn.MaxPool1d(pool) if pool > 1 else nn.Identity()
            made.append(nn.Sequential(_Beside(into, width, factor), local, rest))
            into = out
        self.main = nn.Sequential(*made)
        self.mapper = _Block(nn.BatchNorm1d(into), nn.Conv1d(into, 2 * into, 1))
        self.head = nn.Sequential(
            nn.Linear(2 * into, 2 * into),
            nn.BatchNorm1d(2 * into),
            nn.SiLU(),
            nn.Linear(2 * into, 1),
        )

    def forward(self, X: Tensor) -> Tensor:
        """Return activities (N, 1) of one-hot windows X (N, 4, 230), A C G T."""
        X = self.mapper(self.main(self.stem(X[:, ORDER])))
        return self.head(X.mean(2))
