"""How many bases of a window are G or C."""

import numpy as np


def count_gc(tokens: np.ndarray) -> np.ndarray:
    """Return (N,) the number of C (1) and G (2) in tokens (N, W) uint8."""
    return ((tokens == 1) | (tokens == 2)).sum(axis=1)
