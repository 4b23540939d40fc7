"""Bases as numbers: the letters of tokens, one-hot rows, the share of G and C. NumPy only.

Tokens are uint8: 0 1 2 3 = A C G T, 4 = N. A one-hot array has the channels A C G T before the
positions, and zeros for N. `cisweep.sequence.encoding` makes the same on a device.
"""

import numpy as np
from numpy.typing import DTypeLike

from cisweep.contracts import TOKEN_N

BASES = "ACGT"
LETTERS = np.frombuffer(b"ACGTN", np.uint8)
"""ASCII code of each token."""


def text_of(tokens: np.ndarray) -> str:
    """Return the letters of one sequence of tokens (L,), which are not checked."""
    return LETTERS[tokens].tobytes().decode("ascii")


def one_hot(tokens: np.ndarray, dtype: DTypeLike = np.float32) -> np.ndarray:
    """Return (…, 4, L) one-hot bases of tokens (…, L)."""
    return np.swapaxes(np.eye(5, 4, dtype=dtype)[tokens], -1, -2)


def gc_share(tokens: np.ndarray) -> np.ndarray:
    """Return the share of G and C among the known bases of tokens (…, L), 0 where all are N."""
    known = (tokens != TOKEN_N).sum(axis=-1)
    return ((tokens == 1) | (tokens == 2)).sum(axis=-1) / np.maximum(known, 1)
