"""Enformer (Avsec et al., Nature Methods 2021) of the package enformer-pytorch, as tracks."""

from typing import Any

from enformer_pytorch import Enformer
from torch import Tensor


class EnformerTracks(Enformer):
    """Enformer with channels before positions: windows (N, 4, length) to tracks (N, tracks, bins).

    head: human (5,313 tracks) or mouse (1,643). options: those of EnformerConfig.
    """

    def __init__(self, head: str = "human", **options: Any):
        super().__init__(self.config_class(**options))
        self.head = head

    def forward(self, X: Tensor) -> Tensor:
        """Return the tracks of one species, in bins of 128 bp."""
        return super().forward(X.transpose(1, 2), head=self.head).transpose(1, 2)
