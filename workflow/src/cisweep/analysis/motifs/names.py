"""Names for found motifs and filters, as good as few random patterns have them.

Tomtom's p- and q-values say how a motif's columns compare with those of a random mixture of all
motifs' columns, which real sequence is not. So a name is measured on random patterns of two kinds:

    spans     as certain as the found one, column by column, of a span drawn at random from the
              sequences in which it was found
    shuffles  its own columns in random order

The name p-value is the share of them whose closest motif is as close, of the kind that has more.
`seqlet_names` has the same for seqlets. Torch-free.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cisweep.analysis.seqlets.annotate_seqlets import MotifMatches, match_motifs
from cisweep.genome.motifs import Motif

N_PATTERNS = 99  # random patterns of each kind for each found one


@dataclass(frozen=True)
class NamedMotifs:
    """Closest motifs of each pattern (N, nearest), and the name p-value (N,) of the closest."""

    matches: MotifMatches
    name_p_value: np.ndarray

    def is_named(self, rate: float) -> np.ndarray:
        """Return (N,) whether at most `rate` of random patterns are named as well."""
        return (self.name_p_value <= rate) & (self.matches.motif_idx[:, 0] >= 0)


def name_motifs(
    patterns: Sequence[np.ndarray],
    known: Sequence[Motif],
    tokens: np.ndarray,
    *,
    nearest: int = 1,
    seed: int = 0,
    n_jobs: int = 1,
) -> NamedMotifs:
    """Return the closest of `known` for each pattern, and how often random patterns have as close.

    patterns: matrices (4, width) of probabilities; tokens: uint8 (N, L), the sequences in which
    they were found, codes 0 to 3 for A C G T, 4 for N. A pattern that is wider than they are, or
    for which no span without N is drawn, has the name p-value 1.
    """
    found = match_motifs(patterns, known, nearest, n_jobs)
    shares = np.ones(len(patterns))
    for i, pattern in enumerate(patterns):
        rng = np.random.default_rng([seed, i])
        spans = random_patterns(pattern, tokens, N_PATTERNS, rng)
        shuffles = [pattern[:, rng.permutation(pattern.shape[1])] for _ in range(N_PATTERNS)]
        if spans:
            null = match_motifs([*spans, *shuffles], known, 1, n_jobs).p_value[:, 0]
            as_close = null <= found.p_value[i, 0]
            kinds = as_close[: len(spans)], as_close[len(spans) :]
            shares[i] = max((1 + kind.sum()) / (1 + len(kind)) for kind in kinds)
    return NamedMotifs(found, shares)


def random_patterns(
    pattern: np.ndarray, tokens: np.ndarray, n: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Return up to n patterns as certain as `pattern` (4, width), of random spans of `tokens`.

    Each column keeps its probabilities: the largest goes to the span's base, the others to the
    other bases in random order. Spans with N are drawn again, at most ten times.
    """
    width = pattern.shape[1]
    ordered = -np.sort(-pattern, axis=0)
    made: list[np.ndarray] = []
    if not len(tokens) or tokens.shape[1] < width:
        return made
    rows = rng.integers(0, len(tokens), 10 * n)
    starts = rng.integers(0, tokens.shape[1] - width + 1, 10 * n)
    for row, start in zip(rows.tolist(), starts.tolist()):
        span = tokens[row, start : start + width]
        if len(made) == n:
            break
        if (span < 4).all():
            rank = rng.random((4, width))
            rank[span, np.arange(width)] = -1.0  # first of all
            made.append(np.take_along_axis(ordered, rank.argsort(0).argsort(0), axis=0))
    return made
