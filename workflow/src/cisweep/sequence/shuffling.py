"""Draw one-hot sequences, and replace spans of them by random or shuffled ones."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from cisweep.errors import SequenceError
from cisweep.sequence.encoding import (
    check_one_hot,
    check_sequences,
    encode_codes,
    one_hot_tokens,
    tokens_of,
    whole_number,
)
from cisweep.sequence.tokens import shuffle_seeds, shuffle_tokens

UNIFORM = ((0.25, 0.25, 0.25, 0.25),)


def random_one_hot(
    shape: tuple[int, int, int],
    probs: Sequence | np.ndarray | torch.Tensor | None = None,
    dtype: str | np.dtype | torch.dtype = "int8",
    random_state: int | np.random.RandomState | None = None,
) -> torch.Tensor:
    """Return random sequences (tangermeme 1.6 `random_one_hot`, the same for the same seed).

    Parameters
    ----------
    shape: (batch, characters, length)
    probs: probabilities of the characters
        Shape (characters,) or (1, characters) for all sequences, or (batch, characters); each
        row sums to 1. None: uniform.
    dtype: of the result, a name or a dtype
    random_state: int, RandomState or None
        Seeds all draws, one sequence after the other; None draws afresh.

    Returns
    -------
    torch.Tensor of shape `shape`

    Raises
    ------
    SequenceError
        `shape` has not three dimensions, or `probs` does not fit it.
    """
    if not isinstance(shape, tuple) or len(shape) != 3:
        raise SequenceError(
            f"Shape must be a tuple with 3 dimensions, it is {shape!r}",
            mend="use (batch, characters, length)",
        )
    codes = _random_codes(shape, probs, _as_random_state(random_state))
    torch_dtype = dtype if isinstance(dtype, torch.dtype) else getattr(torch, np.dtype(dtype).name)
    return encode_codes(torch.from_numpy(codes), shape[1], torch_dtype)


def _as_random_state(random_state: int | np.random.RandomState | None) -> np.random.RandomState:
    # Its draws are those that users of tangermeme know by their seed.
    if isinstance(random_state, np.random.RandomState):
        return random_state
    return np.random.RandomState(random_state)


def _random_codes(
    shape: tuple[int, int, int], probs: Any, random_state: np.random.RandomState
) -> np.ndarray:
    n, n_characters, length = shape
    rows = None
    if probs is not None:
        rows = np.atleast_2d(np.asarray(probs, dtype=np.float64))
        if rows.shape not in {(1, n_characters), (n, n_characters)}:
            raise SequenceError(
                f"probs has shape {rows.shape}",
                mend=f"use (1, {n_characters}) or ({n}, {n_characters})",
            )
        sums = rows.sum(axis=1, keepdims=True)
        if not ((rows >= 0).all() and (np.abs(sums - 1) <= 1e-6).all()):  # NaN is neither
            raise SequenceError("Each row of probs must be positive or zero and must sum to 1")
        rows = rows / sums  # float32 rows are off by rounding, which numpy would refuse
        rows = np.broadcast_to(rows, (n, n_characters))
    codes = np.empty((n, length), np.uint8)
    for i in range(n):
        codes[i] = random_state.choice(
            n_characters, size=length, p=None if rows is None else rows[i]
        )
    return codes


def randomize(
    X: torch.Tensor,
    start: int,
    end: int,
    probs: Sequence | np.ndarray | torch.Tensor = UNIFORM,
    n: int = 1,
    random_state: int | np.random.RandomState | None = None,
) -> torch.Tensor:
    """Return the sequences with [start, end) drawn at random, n times.

    The draws are those of tangermeme 1.6 for the same seed.

    Parameters
    ----------
    X: torch.Tensor, one-hot (batch, characters, length), N allowed
    start, end: int, 0-based half-open
    probs: (1 or batch, characters), each row sums to 1
    n: int, draws for each sequence
    random_state: int, RandomState or None
        Seeds all draws, batch after batch.

    Returns
    -------
    torch.Tensor, shape (batch, n, characters, length)

    Raises
    ------
    SequenceError
        The span is empty or falls off an end, `probs` does not fit or is no distribution, `n` is
        less than 1, or a number is no integer.
    """
    check_one_hot(X, "X")
    start, end = _span(start, end, X.shape[-1])
    n = whole_number(n, "n", least=1)
    random_state = _as_random_state(random_state)
    edited = X.unsqueeze(1).repeat(1, n, 1, 1)
    shape = (X.shape[0], X.shape[1], end - start)
    for k in range(n):
        draws = random_one_hot(shape, probs=probs, random_state=random_state)
        edited[:, k, :, start:end] = draws.to(edited)
    return edited


def shuffle(
    X: torch.Tensor,
    start: int = 0,
    end: int = -1,
    n: int = 1,
    random_state: int | np.random.RandomState | None = None,
) -> torch.Tensor:
    """Return the sequences with the columns of [start, end) permuted, n times.

    As in tangermeme 1.6, and with its draws for the same seed: one permutation serves all
    sequences, and N moves as any other column does.

    Parameters
    ----------
    X: torch.Tensor, one-hot (batch, characters, length), or tokens uint8 (batch, length), N allowed
    start, end: int, 0-based half-open
        A negative end counts from length + 1, so that -1 is the whole sequence.
    n: int, permutations
    random_state: int, RandomState or None

    Returns
    -------
    torch.Tensor, shape (batch, n, characters, length), or (batch, n, length) of tokens

    Raises
    ------
    SequenceError
        The span is empty or falls off an end, `n` is less than 1, or a number is no integer.
    """
    check_sequences(X, "X")
    start, end = _span(start, end, X.shape[-1], from_end=True)
    n = whole_number(n, "n", least=1)
    random_state = _as_random_state(random_state)
    shuffled = X.unsqueeze(1).repeat_interleave(n, dim=1)
    for k in range(n):
        order = np.arange(end - start)
        random_state.shuffle(order)
        columns = torch.from_numpy(order).to(X.device) + start
        shuffled[:, k, ..., start:end] = X[..., columns]
    return shuffled


def dinucleotide_shuffle(
    X: torch.Tensor,
    start: int = 0,
    end: int = -1,
    n: int = 20,
    random_state: int | Sequence[int] | np.ndarray | None = None,
    verbose: bool = False,
    allow_N: bool = False,
    n_jobs: int = 1,
) -> torch.Tensor:
    """Return sequences with the same dinucleotides in [start, end), n for each.

    First and last base and the counts of all 16 dinucleotides stay. Every sequence with these
    is equally likely, where tangermeme 1.6 reaches only some (see `shuffle_tokens`).

    Parameters
    ----------
    X: torch.Tensor, one-hot (batch, 4, length)
    start, end: int, 0-based half-open
        A negative end counts from length + 1, so that -1 is the whole sequence.
    n: int, shuffles for each sequence
    random_state: int, one int for each sequence, or None
        Sequence i uses random_state + i, or its own; None draws afresh.
    verbose: bool
        Warn when a position is the same in all shuffles.
    allow_N: bool
        Keep N in place and shuffle each run between Ns on its own; otherwise N is an error.
    n_jobs: int
        Threads; the result does not depend on it.

    Returns
    -------
    torch.Tensor, shape (batch, n, 4, length), in the dtype and on the device of `X`

    Raises
    ------
    SequenceError
        N without `allow_N`, a span that falls off an end, a number that is no integer, or n > 1
        shuffles of a sequence that are all the same.

    Examples
    --------
    >>> X = random_one_hot((2, 4, 100), random_state=0)
    >>> shuffled = dinucleotide_shuffle(X, n=3, random_state=0)
    >>> shuffled.shape
    torch.Size([2, 3, 4, 100])
    >>> torch.equal(shuffled.sum(-1), X.sum(-1, keepdim=True).transpose(1, 2).expand(2, 3, 4))
    True
    """
    tokens = tokens_of(X, allow_N=allow_N).cpu().numpy()
    length = X.shape[-1]
    start, end = _span(start, end, length, from_end=True)
    n = whole_number(n, "n", least=0)
    seeds = shuffle_seeds(_random_states(random_state, len(X)), n)
    spans = shuffle_tokens(tokens[:, start:end], seeds, threads=n_jobs)
    _check_diverse(spans, verbose)
    shuffled = one_hot_tokens(torch.from_numpy(spans).to(X.device), X.dtype)
    if end - start == length:
        return shuffled
    whole = X.unsqueeze(1).repeat(1, n, 1, 1)
    whole[..., start:end] = shuffled
    return whole


def _random_states(
    random_state: int | Sequence[int] | np.ndarray | None, n_sequences: int
) -> np.ndarray:
    if random_state is None:
        random_state = int(np.random.default_rng().integers(2**31))
    states = np.asarray(random_state)
    if not np.issubdtype(states.dtype, np.integer) or states.shape not in {(), (n_sequences,)}:
        raise SequenceError(
            "random_state must be None, an integer, or one integer per sequence "
            f"({n_sequences}); it has shape {states.shape} and dtype {states.dtype}"
        )
    return states + np.arange(n_sequences) if states.ndim == 0 else states


def _check_diverse(spans: np.ndarray, verbose: bool) -> None:
    n = spans.shape[1]
    if n > 1:
        # Two that differ settle it for a sequence; only for the others all are compared.
        for i in np.flatnonzero((spans[:, 0] == spans[:, 1]).all(axis=1)):
            if (spans[i] == spans[i, 0]).all():
                raise SequenceError(
                    "All dinucleotide shuffles yield identical sequences, potentially due to a "
                    "lack of diversity in sequence",
                    where=f"example {i}",
                    mend="shuffle a longer or more diverse span, or use shuffle or randomize",
                )
    if verbose and n > 0 and (spans[:, :, 1:-1] == spans[:, :1, 1:-1]).all(axis=1).any():
        warnings.warn(
            "At least one position in dinucleotide shuffle is identical across all positions.",
            stacklevel=3,
        )


def _span(start: int, end: int, length: int, from_end: bool = False) -> tuple[int, int]:
    """Return start and end as int; raises SequenceError if they are no span of `length` bases.

    from_end: a negative end counts from length + 1.
    """
    start, end = whole_number(start, "start"), whole_number(end, "end")
    if from_end and end < 0:
        end += length + 1
    if end <= start:
        raise SequenceError(f"End must come after start: start {start}, end {end}")
    if start < 0 or end > length:
        raise SequenceError(
            f"Start or end are falling off the edge of X: [{start}, {end}) in {length} bases"
        )
    return start, end
