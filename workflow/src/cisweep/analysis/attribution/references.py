"""References of DeepLIFT/SHAP by name, each a function of the window alone."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cisweep.analysis.seqlets.fdr import NullSize
from cisweep.contracts import TOKEN_N, Windows, window_seeds
from cisweep.errors import AttributionError
from cisweep.lazy import from_path
from cisweep.sequence.encoding import one_hot_tokens
from cisweep.sequence.tokens import mono_shuffle_tokens, shuffle_tokens

ReferenceMaker = Callable[[Windows, np.ndarray], Tensor]


def make_references(
    kind: str, n: int, seed: int, threads: int, span_bp: tuple[int, int] | None = None
) -> ReferenceMaker:
    """Return the function (windows, tokens (N, L) uint8) -> references (N, n, 4, L) float32.

    kind: dinucleotide, shuffle, zeros, uniform (the last two give one reference), or the path
    `package.module:function` of the user's (tokens (N, L), seeds (N, n) uint64) -> (N, n, L) uint8;
    span_bp: [start, end) of the window (+ orientation) that is replaced, None for all.
    The seeds depend on the window's coordinates and the draw alone, so targets, folds and models
    share references. N stays in place.
    Raises AttributionError for a function that cannot be imported or gives another shape.
    """
    shuffles: dict[str, Callable] = {
        "dinucleotide": lambda t, s: shuffle_tokens(t, s, threads=threads),
        "shuffle": lambda t, s: mono_shuffle_tokens(t, s, threads=threads),
    }
    made = shuffles.get(kind)
    if ":" in kind:
        made = from_path(kind, AttributionError, "steps.attribute.references")

    def references(windows: Windows, tokens: np.ndarray) -> Tensor:
        start, end = span_bp or (0, tokens.shape[1])
        part = np.ascontiguousarray(tokens[:, start:end])
        if made is None:
            whole = one_hot_tokens(torch.from_numpy(np.ascontiguousarray(tokens)))[:, None]
            known = torch.from_numpy(part != TOKEN_N)[:, None, None, :].float()
            whole[..., start:end] = (0.25 if kind == "uniform" else 0.0) * known
            return whole
        seeds = window_seeds(seed, "reference", windows, n)
        drawn = np.asarray(made(part, seeds), dtype=np.uint8)
        if drawn.shape != (len(part), n, part.shape[1]):
            wanted = (len(part), n, part.shape[1])
            raise AttributionError(
                f"{kind} gave references of shape {drawn.shape}, not {wanted}",
                where="steps.attribute.references",
                mend="return uint8 tokens (windows, draws, length)",
            )
        whole = np.repeat(tokens[:, None], n, axis=1)
        whole[..., start:end] = np.where(part[:, None] == TOKEN_N, TOKEN_N, drawn)
        return one_hot_tokens(torch.from_numpy(whole))

    return references


def references_of(step: Any, seed: int, threads: int) -> ReferenceMaker:
    """Return the references that the attribute step's config asks for."""
    return make_references(
        step.references, step.n_references, seed, threads, step.references_span_bp
    )


def shuffled_windows(
    windows: Windows, tokens: np.ndarray, seed: int, size: NullSize
) -> tuple[Windows, np.ndarray]:
    """Return the windows that `size` draws, each with as many dinucleotide shuffles of its tokens,
    for one target: see `shuffled_pairs`."""
    wanted = np.ones((len(windows), 1), dtype=bool)
    return shuffled_pairs(windows, tokens, wanted, seed, [size])[:2]


def shuffled_pairs(
    windows: Windows,
    tokens: np.ndarray,
    wanted: np.ndarray,
    seed: int,
    sizes: Sequence[NullSize],
) -> tuple[Windows, np.ndarray, np.ndarray]:
    """Return windows, dinucleotide shuffles of their tokens, and the targets that each is for:
    sequences without signal, for a null.

    tokens: (N, L) uint8; wanted: (N, T) bool, the targets of each window; sizes: of each target,
    the windows that are drawn for it and the shuffles of each. Shuffles of one window stand side by
    side, and targets share them. Which windows, and how they are shuffled, depends on their
    coordinates and the number of the shuffle.
    """
    draws = np.array([size.draws for size in sizes])
    most = int(draws[wanted.any(axis=0)].max(initial=1))
    seeds = window_seeds(seed, "null", windows, most)
    chance = (seeds[:, 0] >> np.uint64(11)).astype(np.float64) / 2.0**53
    drawn = wanted & (chance[:, None] < [size.fraction for size in sizes])
    is_for = drawn[:, None, :] & (np.arange(most)[:, None] < draws)  # (N, draws, T)
    row, draw = np.nonzero(is_for.any(axis=2))
    if not len(row):
        return windows.take(row), tokens[:0], wanted[:0]
    shuffled = shuffle_tokens(tokens[row], seeds[row, draw][:, None])
    return windows.take(row), shuffled[:, 0], is_for[row, draw]
