"""What a model must beat: GC content, the best matrix score, a k-mer ridge, the mean profile."""

import numpy as np
import torch
import torch.nn.functional as F

from cisweep.bases import one_hot
from cisweep.genome.motifs import Motif
from cisweep.sequence.tokens import reverse_complement_tokens


def best_matrix_score(tokens: np.ndarray, motif: Motif, block: int = 4096) -> np.ndarray:
    """Return the best log-odds score (N,), in bits, of a matrix on either strand.

    Background is uniform, the pseudocount 1e-4 as in `fimo`; N scores 0.

    Parameters
    ----------
    tokens: (N, L) uint8, L at least the motif's width.
    """
    # log2(p + 1e-4) − log2(1/4)
    matrix = np.log2(motif.pwm + 1e-4) + 2
    weight = torch.from_numpy(matrix.astype(np.float32))[None]
    best = np.empty(len(tokens), np.float32)
    for begin in range(0, len(tokens), block):
        part = tokens[begin : begin + block]
        scores = [
            F.conv1d(torch.from_numpy(one_hot(t)), weight).amax(dim=(1, 2))
            for t in (part, reverse_complement_tokens(part))
        ]
        best[begin : begin + len(part)] = torch.maximum(*scores).numpy()
    return best


def kmer_counts(tokens: np.ndarray, sizes: tuple[int, ...] = (3, 4, 5)) -> np.ndarray:
    """Return counts of all k-mers of each size on the given strand, (N, Σ 4^k) float32."""
    n, length = tokens.shape
    blocks = []
    for k in sizes:
        codes = np.zeros((n, length - k + 1), dtype=np.int64)
        known = np.ones_like(codes, dtype=bool)
        for offset in range(k):
            letter = tokens[:, offset : offset + length - k + 1]
            codes = codes * 4 + (letter & 3)
            known &= letter < 4
        flat = (np.arange(n)[:, None] * 4**k + codes)[known]
        blocks.append(np.bincount(flat, minlength=n * 4**k).reshape(n, 4**k))
    return np.concatenate(blocks, axis=1).astype(np.float32)


class KmerRidge:
    """Ridge regression on k-mer counts, with the penalty that validates best.

    fit on (tokens, values (N,)) of training and validation rows; `predict` gives (N,) values.
    """

    penalties = (30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0, 30000.0)

    def __init__(self, sizes: tuple[int, ...] = (3, 4, 5)):
        self.sizes = sizes

    def fit(
        self, train: tuple[np.ndarray, np.ndarray], validation: tuple[np.ndarray, np.ndarray]
    ) -> "KmerRidge":
        """Return self, fitted."""
        x, y = kmer_counts(train[0], self.sizes), np.asarray(train[1], np.float64)
        self.x_mean, self.y_mean = x.mean(axis=0), y.mean()
        x = (x - self.x_mean).astype(np.float64)
        gram, moment = x.T @ x, x.T @ (y - self.y_mean)
        held = kmer_counts(validation[0], self.sizes) - self.x_mean
        best = np.inf
        for penalty in self.penalties:
            weight = np.linalg.solve(gram + penalty * np.eye(len(gram)), moment)
            error = np.mean((held @ weight + self.y_mean - validation[1]) ** 2)
            if error < best:
                best, self.penalty, self.weight = error, penalty, weight
        return self

    def predict(self, tokens: np.ndarray) -> np.ndarray:
        """Return the predicted values (N,) float64."""
        return (kmer_counts(tokens, self.sizes) - self.x_mean) @ self.weight + self.y_mean


def mean_profile(profiles: np.ndarray) -> np.ndarray:
    """Return the mean of the normalised training profiles, (strands, L), which sums to 1.

    profiles: (N, strands, L) counts; windows without signal do not count.
    """
    total = profiles.sum(axis=(1, 2))
    return (profiles[total > 0] / total[total > 0, None, None]).mean(axis=0)
