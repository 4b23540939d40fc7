"""References of DeepLIFT/SHAP by name, each a function of the window alone."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from cisweep.contracts import TOKEN_N, Windows, window_seeds
from cisweep.sequence.encoding import one_hot_tokens
from cisweep.sequence.tokens import mono_shuffle_tokens, shuffle_tokens

ReferenceMaker = Callable[[Windows, np.ndarray], Tensor]


def make_references(kind: str, n: int, seed: int, threads: int) -> ReferenceMaker:
    """Return the function (windows, tokens (N, L) uint8) -> references (N, n, 4, L) float32.

    The shuffles' seeds depend on the window's coordinates and the draw alone, so targets, folds
    and models share references. N stays in place. `zeros` and `uniform` give one reference.
    """
    shuffles = {"dinucleotide": shuffle_tokens, "shuffle": mono_shuffle_tokens}

    def references(windows: Windows, tokens: np.ndarray) -> Tensor:
        if kind in shuffles:
            seeds = window_seeds(seed, "reference", windows, n)
            shuffled = shuffles[kind](np.ascontiguousarray(tokens), seeds, threads=threads)
            return one_hot_tokens(torch.from_numpy(shuffled))
        known = torch.from_numpy(tokens != TOKEN_N)[:, None, None, :].float()
        return (0.25 if kind == "uniform" else 0.0) * known.expand(-1, -1, 4, -1)

    return references


def shuffled_windows(
    windows: Windows, tokens: np.ndarray, seed: int, fraction: float
) -> tuple[Windows, np.ndarray]:
    """Return a share of the windows with their dinucleotide-shuffled tokens: sequences without
    signal, for a null. Which windows, and how they are shuffled, depends on their coordinates."""
    seeds = window_seeds(seed, "null", windows, 1)
    chosen = (seeds[:, 0] >> np.uint64(11)).astype(np.float64) / 2.0**53 < fraction
    part = windows.take(chosen)
    if not len(part):
        return part, tokens[chosen]
    return part, shuffle_tokens(np.ascontiguousarray(tokens[chosen]), seeds[chosen])[:, 0]
