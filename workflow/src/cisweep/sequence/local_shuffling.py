"""Dinucleotide shuffles within bins of a sequence, which keep how its composition changes."""

import warnings

import numpy as np
import torch

from cisweep.contracts import TOKEN_N
from cisweep.errors import SequenceError
from cisweep.sequence.encoding import one_hot_tokens, tokens_of, whole_number
from cisweep.sequence.tokens import shuffle_seeds, shuffle_tokens


def local_dinucleotide_shuffle(
    X: torch.Tensor,
    n: int = 20,
    bin_size: int = 1024,
    min_bin_size: int = 512,
    random_state: int | None = None,
    verbose: bool = False,
) -> torch.Tensor:
    """Return sequences with the same dinucleotides in each of their bins, n for each.

    Each shuffle has bins of its own: the first ends at a position drawn from min_bin_size to
    bin_size, the next have bin_size bases, and a last one of less than min_bin_size is joined to
    the one before it. A bin keeps its first and last base and its counts of all 16 dinucleotides;
    every sequence with these is equally likely. For the same seed the bins are those of
    tangermeme 1.6, the shuffles are not (see `dinucleotide_shuffle`).

    Parameters
    ----------
    X: torch.Tensor, one-hot (batch, 4, length), without N
    n: int, shuffles of each sequence
    bin_size: int, bases; less than the length
    min_bin_size: int, bases; 1 to bin_size
    random_state: int or None
        Seeds all bins and shuffles, one sequence after the other; None draws afresh.
    verbose: bool
        Warn when a position is the same in all shuffles of a sequence.

    Returns
    -------
    torch.Tensor, shape (batch, n, 4, length), in the dtype and on the device of `X`

    Raises
    ------
    SequenceError
        N, sizes that do not fit the sequence or each other, a number that is no integer.

    Warns
    -----
    UserWarning
        Bins came back as they were: a run of one letter, or of a short repeat, has no other
        shuffle.
    """
    tokens = tokens_of(X, allow_N=False).cpu().numpy()
    n_sequences, length = tokens.shape
    n = whole_number(n, "n", least=0)
    bin_size = whole_number(bin_size, "bin_size", least=1)
    least = whole_number(min_bin_size, "min_bin_size", least=1)
    if bin_size >= length:
        raise SequenceError(
            f"bin_size is {bin_size}, and the sequences have {length} bases",
            mend="give a smaller one, or use dinucleotide_shuffle",
        )
    if least > bin_size:
        raise SequenceError(f"min_bin_size is {least}, and bin_size {bin_size}",
                            mend="give a smaller one")  # fmt: skip
    drawn = np.random.RandomState(random_state)
    bins = [_bins(drawn, length, bin_size, least) for _ in range(n_sequences * n)]
    shuffled = _shuffled(np.repeat(tokens, n, axis=0), bins).reshape(n_sequences, n, length)
    _warn(tokens, shuffled, bins, verbose)
    return one_hot_tokens(torch.from_numpy(shuffled).to(X.device), X.dtype)


def _bins(
    drawn: np.random.RandomState, length: int, bin_size: int, least: int
) -> tuple[np.ndarray, int]:
    """Return the bounds of one shuffle's bins, from 0 to length, and the seed of the shuffle."""
    first = drawn.randint(least, bin_size + 1)
    bounds = [0, *range(first, length, bin_size), length]
    if len(bounds) > 2 and bounds[-1] - bounds[-2] < least:
        del bounds[-2]
    # One draw a bin, as tangermeme makes them: bins of later shuffles are then its own, too.
    seeds = [drawn.randint(0, 2**31 - 1) for _ in bounds[1:]]
    return np.array(bounds), seeds[0]


def _shuffled(tokens: np.ndarray, bins: list[tuple[np.ndarray, int]]) -> np.ndarray:
    """Return each row of tokens (rows, length) with its bins shuffled.

    A shuffle leaves N where it is and treats what stands between as sequences of their own. So one
    N is put between bins, and as many behind the sequence as make all rows equally long.
    """
    rows, length = tokens.shape
    if not rows:
        return tokens.copy()
    most = max(len(bounds) for bounds, _ in bins)
    place = np.empty((rows, length), np.int64)
    for row, (bounds, _) in zip(place, bins):
        row[:] = np.arange(length) + np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    apart = np.full((rows, length + most), TOKEN_N, np.uint8)
    np.put_along_axis(apart, place, tokens, axis=1)
    seeds = shuffle_seeds(np.array([seed for _, seed in bins]), 1)
    return np.take_along_axis(shuffle_tokens(apart, seeds)[:, 0], place, axis=1)


def _warn(
    tokens: np.ndarray, shuffled: np.ndarray, bins: list[tuple[np.ndarray, int]], verbose: bool
) -> None:
    differs = (shuffled != tokens[:, None]).reshape(-1, tokens.shape[1])
    same, n_bins = 0, 0
    for row, (bounds, _) in zip(differs, bins):
        same += int((~np.logical_or.reduceat(row, bounds[:-1])).sum())
        n_bins += len(bounds) - 1
    if same:
        warnings.warn(
            f"{same} of {n_bins} bins came back as they were: no other order of their bases has "
            "their dinucleotides; a larger bin_size joins them with more diverse ones",
            stacklevel=3,
        )
    if verbose and shuffled.shape[1] and (shuffled == shuffled[:, :1]).all(axis=1).any():
        warnings.warn("a position is the same in all shuffles of a sequence", stacklevel=3)
