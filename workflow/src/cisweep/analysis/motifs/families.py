"""Similarity of motif matrices, families of similar ones, and column-shuffled copies."""

from collections.abc import Sequence

import numpy as np

from cisweep.contracts import seed_of
from cisweep.genome.motifs import Motif

ROWS_AT_ONCE = 64


def column_orders(motif: Motif, n: int, seed: int) -> np.ndarray:
    """Return (n, width) int64: the order of a motif's columns in each of `n` copies.

    `seed` is the run's seed; row k depends on it, the motif's name and width and k alone.
    """
    rng = np.random.default_rng(seed_of(seed, "hits", motif.name))
    return rng.permuted(np.tile(np.arange(motif.width), (n, 1)), axis=1)


def shuffled_columns(motif: Motif, n: int, seed: int) -> list[Motif]:
    """Return `n` copies of a motif with its columns in random order, named `name~0`, `name~1`, ….

    The orders are those of `column_orders`. Information and base content of the matrix stay, its
    word does not.
    """
    return [
        Motif(f"{motif.name}~{k}", motif.alt, motif.pwm[:, order], motif.nsites)
        for k, order in enumerate(column_orders(motif, n, seed))
    ]


def centred_information(pwm: np.ndarray) -> np.ndarray:
    """Return (4, width) float64: each column's deviation from uniform × its information in bits.

    A flat column is zero, and each column sums to zero, so that cosines between such matrices,
    or with attributions, judge the letters that matter.
    """
    share = pwm / pwm.sum(axis=0)
    bits = 2 + np.where(share > 0, share * np.log2(np.where(share > 0, share, 1)), 0).sum(axis=0)
    return (share - 0.25) * bits


def motif_similarity(motifs: Sequence[Motif]) -> np.ndarray:
    """Return (M, M) float32, each pair's best cosine over all offsets and both strands.

    Matrices are weighted by `centred_information` and padded with zeros, so what one motif has
    beyond the other lowers the cosine.
    """
    longest = max((m.width for m in motifs), default=1)
    padded = np.zeros((len(motifs), 4, longest))
    for i, motif in enumerate(motifs):
        weights = centred_information(motif.pwm)
        padded[i, :, : motif.width] = weights / max(np.linalg.norm(weights), 1e-12)
    size = 2 * longest  # room for every offset without wrapping round
    # Frequencies first: the product over the four letters is then one matmul per frequency.
    forward = np.fft.rfft(padded, size).transpose(2, 0, 1).astype(np.complex64)
    reverse = np.fft.rfft(padded[:, ::-1, ::-1], size).transpose(2, 1, 0).astype(np.complex64)
    same = forward.transpose(0, 2, 1)
    out = np.empty((len(motifs), len(motifs)), dtype=np.float32)
    for a in range(0, len(motifs), ROWS_AT_ONCE):
        rows = forward[:, a : a + ROWS_AT_ONCE].conj()
        out[a : a + ROWS_AT_ONCE] = np.maximum(
            np.fft.irfft(rows @ same, size, axis=0).max(axis=0),
            np.fft.irfft(rows @ reverse, size, axis=0).max(axis=0),
        )
    return np.clip((out + out.T) / 2, 0, 1)


def motif_families(motifs: Sequence[Motif], min_similarity: float = 0.7) -> np.ndarray:
    """Return (M,) int64 family numbers, counted from 0 by each family's first motif.

    Average linkage on 1 - `motif_similarity`, cut at 1 - `min_similarity`: two families stay
    apart when their motifs are on average less similar. It depends on the matrices alone.
    """
    if len(motifs) < 2:
        return np.zeros(len(motifs), dtype=np.int64)
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    distance = 1 - motif_similarity(motifs).astype(np.float64)
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), method="average")
    labels = fcluster(tree, 1 - min_similarity, criterion="distance")
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)
