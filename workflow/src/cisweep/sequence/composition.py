"""What sequences are made of: G+C, k-mers, information and consensus of matrices.

Names, arguments and results are those of tangermeme 1.6. One-hot is (batch, 4, length), A C G T,
zeros for N.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cisweep.errors import SequenceError
from cisweep.sequence.encoding import characters

MOST_BASES = 12  # of a k-mer: 4**12 columns take 64 MB a sequence
_LINE = 60  # bases of a line of FASTA, as samtools writes them


def _checked(X: Tensor, n_letters: int | None = None) -> Tensor:
    """Return X; raises SequenceError if it is not (batch, letters, length)."""
    if X.ndim != 3 or (n_letters is not None and X.shape[1] != n_letters):
        letters = "letters" if n_letters is None else n_letters
        raise SequenceError(f"X has shape {tuple(X.shape)}, not (batch, {letters}, length)")
    return X


def gc_content(X: Tensor, alphabet: Sequence[str] = ("A", "C", "G", "T")) -> Tensor:
    """Return the share of G and C among the known bases of each sequence, (batch,) float32.

    X: (batch, letters, length) one-hot; a sequence without any known base has 0. alphabet: the
    letter of each row of X. Raises SequenceError for another shape, or an alphabet without G or C.
    Source: tangermeme 1.6 utils.gc_content.
    """
    _checked(X, len(alphabet))
    if not {"G", "C"} <= set(alphabet):
        raise SequenceError(f"the alphabet {list(alphabet)} has no G or no C")
    rows = [i for i, letter in enumerate(alphabet) if letter in "GC"]
    n = X.sum(dim=(1, 2), dtype=torch.float64)
    strong = X[:, rows].sum(dim=(1, 2), dtype=torch.float64)
    return torch.where(n > 0, strong / n.clamp(min=1), 0.0).to(torch.float32)


def information_content(X: Tensor, alphabet_size: int | None = None, eps: float = 1e-9) -> Tensor:
    """Return the information of each position in bits, (batch, length): log2(alphabet_size) less
    the entropy; 0 where a column adds up to 0.

    X: (batch, letters, length), probabilities or one-hot; alphabet_size: None for the letters of X;
    eps: added within the logarithm. Raises SequenceError for another shape. Source: Schneider and
    Stephens 1990; tangermeme 1.6 utils.information_content.
    """
    _checked(X)
    entropy = -(X * torch.log2(X + eps)).sum(dim=1)
    found = float(np.log2(alphabet_size or X.shape[1])) - entropy
    return torch.where(X.sum(dim=1) == 0, 0.0, found)


def pwm_consensus(X: Tensor | np.ndarray) -> Tensor:
    """Return the likeliest letter of each position as 1, (letters, width), of X's dtype.

    X: (letters, width) probabilities. Of equal letters the first; zeros where a column has none.
    Raises SequenceError for another shape. Source: tangermeme 1.6 utils.pwm_consensus.
    """
    matrix = torch.as_tensor(X)
    if matrix.ndim != 2:
        raise SequenceError(f"X has shape {tuple(matrix.shape)}, not (letters, width)")
    found = torch.zeros_like(matrix)
    found[matrix.argmax(dim=0), torch.arange(matrix.shape[1])] = 1
    found[:, matrix.sum(dim=0) == 0] = 0
    return found


def kmers(X: Tensor, k: int, scores: Tensor | None = None) -> Tensor:
    """Return how often each k-mer stands in each sequence, (batch, 4**k) float32.

    X: (batch, 4, length) one-hot. The column of a k-mer is its letters as digits of base 4, the
    first letter the lowest. scores: (batch, length), of which a k-mer counts the sum over its bases
    in place of 1. A k-mer with an N is left out, where tangermeme 1.6 counts N as A. Raises
    SequenceError for another shape, or a k that no sequence holds. Source: tangermeme 1.6 kmers.
    """
    n, _, length = _checked(X, 4).shape
    if not 1 <= k <= min(length, MOST_BASES):
        raise SequenceError(
            f"k is {k}, not 1 to {min(length, MOST_BASES)} (sequences of {length} bases)"
        )
    if scores is not None and tuple(scores.shape) != (n, length):
        raise SequenceError(f"scores have shape {tuple(scores.shape)}, not {(n, length)}")
    known = (X.sum(dim=1) > 0).numpy()
    digit = X.argmax(dim=1).numpy().astype(np.int64)
    places = length - k + 1
    column = sum(digit[:, i : i + places] << (2 * i) for i in range(k))
    whole = np.lib.stride_tricks.sliding_window_view(known, k, axis=1).all(axis=2)
    weight = np.ones((n, places))
    if scores is not None:
        values = scores.detach().to(torch.float64).numpy()
        weight = np.lib.stride_tricks.sliding_window_view(values, k, axis=1).sum(axis=2)
    row, at = np.nonzero(whole)
    found = np.bincount(row * 4**k + column[row, at], weight[row, at], n * 4**k)
    return torch.from_numpy(found.reshape(n, 4**k).astype(np.float32))


def one_hot_to_fasta(
    X: Tensor | np.ndarray,
    filename: str | Path,
    mode: str = "w",
    headers: Sequence[str] | None = None,
    alphabet: Sequence[str] = ("A", "C", "G", "T"),
) -> None:
    """Write sequences as FASTA, N where no letter is 1.

    X: (batch, letters, length) one-hot; mode: `w`, or `a` to add to a file; headers: names of the
    sequences, None for 0, 1, 2, … Raises SequenceError for another shape, or another number of
    headers. Source: tangermeme 1.6 io.one_hot_to_fasta.
    """
    sequences = _checked(torch.as_tensor(X), len(alphabet))
    names = list(map(str, range(len(sequences)))) if headers is None else list(headers)
    if len(names) != len(sequences):
        raise SequenceError(f"{len(names)} headers for {len(sequences)} sequences")
    with open(filename, mode) as out:
        for name, sequence in zip(names, sequences):
            text = characters(sequence, alphabet=list(alphabet), allow_N=True)
            lines = [text[i : i + _LINE] for i in range(0, len(text), _LINE)]
            out.write("\n".join([f">{name}", *lines]) + "\n")
