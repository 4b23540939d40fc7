"""Gapped k-mers of sequences: letters at chosen distances, whatever stands between them."""

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from cisweep.errors import SequenceError
from cisweep.sequence.encoding import check_one_hot, whole_number

if TYPE_CHECKING:
    import scipy.sparse

MOST_LEN = 27  # 5**27 columns are the most that an int64 numbers
_MOST_PATTERNS = 1 << 16  # of letters and gaps: beyond it nobody reads what comes out


def gapped_kmers(
    X: Tensor,
    scores: Tensor | None = None,
    min_k: int = 4,
    max_k: int = 8,
    max_gap: int = 2,
    max_len: int = 10,
    max_gkmers: int = 10,
    max_pos: int | None = None,
) -> "scipy.sparse.csr_matrix":
    """Return the strongest gapped k-mers of each sequence, (batch, 5**max_len) float64.

    The column of a gapped k-mer is its letters as digits of base 5, the first letter the lowest:
    0 a gap, 1 to 4 A C G T. Its value is the sum, over all places where it stands, of the mean
    score of its letters; without scores it is their number.

    Parameters
    ----------
    X: (batch, 4, length) one-hot. A gap may cover an N, a letter is none (theirs counts N as A).
    scores: (batch, length), None for 1 everywhere.
    min_k, max_k: letters of a gapped k-mer, gaps not counted. Of min_k=1 single letters are given
        too, which tangermeme 1.6 leaves out.
    max_gap: bases from a letter to the next at most; 1 is no gap, 2 one base between them.
    max_len: bases from the first letter to the last, both included, at most; up to 27.
    max_gkmers: gapped k-mers of a sequence that are kept: those of the largest absolute value, of
        equal ones those of fewer letters, then those that begin first.
    max_pos: letters stand only at this many positions of the highest scores (of equal ones the
        first); None for all.

    Raises
    ------
    SequenceError: shapes that do not fit, numbers that are no integers or out of range.

    Source: Shrikumar et al. 2018 (TF-MoDISco), whose seqlets are compared by them; tangermeme 1.6
    kmers.gapped_kmers.
    """
    from scipy.sparse import csr_matrix

    tokens = check_one_hot(X, "X", n_characters=4).numpy(force=True)
    n, length = tokens.shape
    if scores is not None and tuple(scores.shape) != (n, length):
        raise SequenceError(f"scores have shape {tuple(scores.shape)}, not {(n, length)}")
    patterns = _patterns(
        whole_number(min_k, "min_k", least=1),
        whole_number(max_k, "max_k", least=1),
        whole_number(max_gap, "max_gap", least=1),
        whole_number(max_len, "max_len", least=1),
    )
    most = whole_number(max_gkmers, "max_gkmers", least=1)
    values = np.ones((n, length)) if scores is None else scores.numpy(force=True).astype(float)
    known = tokens < 4
    if max_pos is not None:
        first = np.argsort(-values, axis=1, kind="stable")[:, : whole_number(max_pos, "max_pos")]
        chosen = np.zeros_like(known)
        np.put_along_axis(chosen, first, True, axis=1)
        known &= chosen
    rows = [_strongest(*each, patterns, most) for each in zip(tokens, values, known)]
    counts = [len(column) for column, _ in rows]
    indptr = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    column = np.concatenate([np.zeros(0, np.int64), *(column for column, _ in rows)])
    value = np.concatenate([np.zeros(0), *(value for _, value in rows)])
    return csr_matrix((value, column, indptr), shape=(n, 5**max_len))


def _patterns(min_k: int, max_k: int, max_gap: int, max_len: int) -> list[list[tuple[int, ...]]]:
    """Return, of each number of letters, the offsets of the letters from the first one.

    Those that end first come first, then those whose letter before the last stands first, …: the
    order in which tangermeme finds them, by which ties are decided.
    """
    if max_len > MOST_LEN:
        raise SequenceError(f"max_len is {max_len}", mend=f"give at most {MOST_LEN}")
    if min_k > max_k:
        raise SequenceError(f"min_k is {min_k} and max_k {max_k}", mend="give min_k <= max_k")
    found, of_k = [], [(0,)]
    for k in range(1, min(max_k, max_len) + 1):
        if k > 1:
            steps = range(1, max_gap + 1)
            of_k = [(*p, p[-1] + s) for p, s in product(of_k, steps) if p[-1] + s < max_len]
        if k >= min_k:
            found.append(sorted(of_k, key=lambda offsets: offsets[::-1]))
        if sum(map(len, found)) + len(of_k) > _MOST_PATTERNS:
            raise SequenceError(
                f"max_k {max_k}, max_gap {max_gap} and max_len {max_len} allow more than "
                f"{_MOST_PATTERNS} arrangements of letters and gaps",
                mend="give a smaller max_gap, or shorter k-mers",
            )
    return [each for each in found if each]


def _strongest(
    tokens: np.ndarray,
    values: np.ndarray,
    known: np.ndarray,
    patterns: list[list[tuple[int, ...]]],
    most: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return columns and values of the strongest gapped k-mers of one sequence, strongest first.

    tokens, values, known: (length,); known: where a letter may stand.
    """
    length = len(tokens)
    digits = np.where(known, tokens.astype(np.int64) + 1, 0)
    columns, sums = [], []
    for of_k in patterns:
        column = np.zeros((length, len(of_k)), np.int64)
        total = np.zeros((length, len(of_k)))
        whole = np.ones((length, len(of_k)), bool)
        for i, offsets in enumerate(of_k):
            for offset in offsets:
                n = max(length - offset, 0)
                column[:n, i] += digits[offset:] * 5**offset
                total[:n, i] += values[offset:]
                whole[:n, i] &= known[offset:]
                whole[n:, i] = False
        columns.append(column[whole])
        sums.append(total[whole] / len(of_k[0]))
    keys = np.concatenate(columns) if columns else np.zeros(0, np.int64)
    found, first, number = np.unique(keys, return_index=True, return_inverse=True)
    value = np.bincount(number, np.concatenate(sums), len(found)) if len(keys) else np.zeros(0)
    order = np.lexsort((first, -np.abs(value)))[:most]
    return found[order], value[order]
