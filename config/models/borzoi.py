"""Borzoi (Linder et al., Nature Genetics 2025) of the package borzoi-pytorch."""

from typing import Any

from borzoi_pytorch import Borzoi
from torch import Tensor


class BorzoiTracks(Borzoi):
    """Borzoi made by its options: windows (N, 4, length) to tracks (N, tracks, bins of 32 bp).

    mouse: whether it is the mouse head's tracks that are read. options: those of BorzoiConfig.
    """

    def __init__(self, mouse: bool = False, **options: Any):
        super().__init__(
            self.config_class(enable_mouse_head=mouse, enable_human_head=not mouse, **options)
        )
        self.mouse = mouse

    def forward(self, X: Tensor) -> Tensor:
        """Return the tracks of one species."""
        return super().forward(X, is_human=not self.mouse)
