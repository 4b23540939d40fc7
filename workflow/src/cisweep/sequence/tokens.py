"""Sequences as tokens: uint8 arrays, 0 1 2 3 = A C G T and 4 = N, without torch.

One byte per base is what is read, stored and shuffled; one-hot is made on the device.
"""

import ctypes
from collections.abc import Sequence

import numpy as np

from cisweep.bases import text_of
from cisweep.errors import SequenceError
from cisweep.genome.fasta import IUPAC, TOKEN_TABLE
from cisweep.kernels import array, in_threads, kernel

N = 4

_FOREIGN = 255


# As in a FASTA file, but what is neither a base nor an IUPAC letter is refused.
_TOKEN_TABLE = bytes(t if i in IUPAC else _FOREIGN for i, t in enumerate(TOKEN_TABLE))

_shuffle = kernel(
    "shuffle_tokens",
    ctypes.c_int,
    [array(np.uint8, 2), array(np.uint64, 2)]
    + [ctypes.c_int64] * 3
    + [ctypes.c_int, array(np.uint8, 3)],
)


def tokenize(text: bytes | bytearray | memoryview | str | Sequence[bytes | str]) -> np.ndarray:
    """Return the tokens of a sequence, or of several sequences of one length.

    Lower case is upper case, and the IUPAC letters that stand for several bases
    (R Y S W K M B D H V N) are N.

    Parameters
    ----------
    text: bytes, str, or a list of them, ASCII

    Returns
    -------
    numpy.ndarray of uint8, shape (length,), or (n, length) for a list

    Raises
    ------
    SequenceError
        A character is not a letter of a nucleotide (its 0-based position is named), or the
        sequences of a list differ in length.

    Examples
    --------
    >>> tokenize("ACGTn").tolist()
    [0, 1, 2, 3, 4]
    >>> tokenize(["AC", "GT"]).shape
    (2, 2)
    """
    if not isinstance(text, str | bytes | bytearray | memoryview):
        return _tokenize_list(list(text))
    # Look-up by the interpreter's own C loop, into a bytearray, so that the array is writable.
    tokens = bytearray(_ascii(text)).translate(_TOKEN_TABLE)
    if _FOREIGN in tokens:
        position = tokens.index(_FOREIGN)
        _raise_foreign(text, position, f"position {position} (0-based)")
    return np.frombuffer(tokens, np.uint8)


def _ascii(text: bytes | bytearray | memoryview | str) -> bytes | bytearray | memoryview:
    # A replaced character is '?', which is no nucleotide and stays at its position.
    return text.encode("ascii", errors="replace") if isinstance(text, str) else text


def _raise_foreign(text: bytes | bytearray | memoryview | str, position: int, where: str) -> None:
    character = text[position] if isinstance(text, str) else chr(text[position])
    raise SequenceError(
        f"{character!r} is not a letter of a nucleotide",
        where=where,
        mend="use A C G T N or the IUPAC letters R Y S W K M B D H V, in either case",
    )


def _tokenize_list(texts: list[bytes | str]) -> np.ndarray:
    if not texts:
        return np.empty((0, 0), np.uint8)
    length = len(texts[0])
    for row, text in enumerate(texts):
        if len(text) != length:
            raise SequenceError(
                f"it has {len(text)} bases where the first sequence has {length}",
                where=f"sequence {row}",
                mend="give sequences of one length, or call tokenize for each",
            )
    tokens = bytearray().join(map(_ascii, texts)).translate(_TOKEN_TABLE)
    if _FOREIGN in tokens:
        row, position = divmod(tokens.index(_FOREIGN), length)
        _raise_foreign(texts[row], position, f"sequence {row}, position {position} (0-based)")
    return np.frombuffer(tokens, np.uint8).reshape(len(texts), length)


def decode_tokens(tokens: np.ndarray) -> str:
    """Return the upper-case letters of one sequence of tokens, N for 4.

    Parameters
    ----------
    tokens: numpy.ndarray of uint8, shape (length,)
    """
    return text_of(_checked(tokens, 1))


def reverse_complement_tokens(tokens: np.ndarray) -> np.ndarray:
    """Return the reverse complement along the last axis; N stays N.

    Parameters
    ----------
    tokens: numpy.ndarray of uint8, shape (..., length), values 0 to 4

    Returns
    -------
    numpy.ndarray of uint8, the shape of `tokens`, a new array
    """
    if tokens.dtype != np.uint8:
        raise SequenceError(f"tokens have dtype {tokens.dtype}", mend="use uint8, 4 for N")
    # 3 - 4 wraps to 255, which the minimum turns into N again.
    return np.minimum(np.subtract(np.uint8(3), tokens[..., ::-1]), np.uint8(N))


def shuffle_seeds(random_states: np.ndarray, n: int) -> np.ndarray:
    """Return the seeds of n shuffles of each sequence, hashed from its random state.

    Draw k of a random state is the same for every n.

    Parameters
    ----------
    random_states: numpy.ndarray of integers, shape (sequences,)
    n: int

    Returns
    -------
    numpy.ndarray of uint64, shape (sequences, n), for `shuffle_tokens`
    """
    states = np.asarray(random_states).astype(np.int64).view(np.uint64)
    return _hashed(_hashed(states)[:, None] + np.arange(n, dtype=np.uint64))


def _hashed(values: np.ndarray) -> np.ndarray:
    # The finaliser of splitmix64 (Steele, Lea, Flood 2014); uint64 wraps as it should.
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def shuffle_tokens(tokens: np.ndarray, seeds: np.ndarray, threads: int = 1) -> np.ndarray:
    """Return dinucleotide shuffles, uniform over all that are possible.

    Each shuffle keeps the first and the last base and the counts of all 16 dinucleotides, and
    every sequence with these is equally likely: the tree of last exits is drawn by Wilson's
    algorithm (Wilson 1996), the other exits are permuted (BEST theorem; Kandel, Matias, Unger,
    Winkler 1996). N stays in place and each run between Ns is shuffled on its own.

    Parameters
    ----------
    tokens: numpy.ndarray of uint8, shape (sequences, length)
    seeds: numpy.ndarray of uint64, shape (sequences, n)
        A shuffle depends on its sequence and its seed, on nothing else.
    threads: int
        Threads over blocks of sequences; the result does not depend on it.

    Returns
    -------
    numpy.ndarray of uint8, shape (sequences, n, length)

    Raises
    ------
    SequenceError
        Wrong shape or dtype.

    Examples
    --------
    >>> tokens = tokenize(["ACAGATNCCGA"])
    >>> shuffles = shuffle_tokens(tokens, shuffle_seeds(np.array([0]), 20))
    >>> shuffles.shape
    (1, 20, 11)
    >>> decode_tokens(shuffles[0, 0])[5:8]
    'TNC'
    """
    return _shuffled(tokens, seeds, threads, dinucleotide=1)


def mono_shuffle_tokens(tokens: np.ndarray, seeds: np.ndarray, threads: int = 1) -> np.ndarray:
    """Return plain shuffles, uniform over all permutations of each run between Ns.

    Parameters, returns and errors are those of `shuffle_tokens`.
    """
    return _shuffled(tokens, seeds, threads, dinucleotide=0)


def _shuffled(tokens: np.ndarray, seeds: np.ndarray, threads: int, dinucleotide: int) -> np.ndarray:
    tokens, seeds = _checked(tokens, 2), np.asarray(seeds)
    if seeds.ndim != 2 or len(seeds) != len(tokens) or seeds.dtype != np.uint64:
        raise SequenceError(
            f"seeds have shape {seeds.shape} and dtype {seeds.dtype}",
            mend=f"use uint64 of shape ({len(tokens)}, n), one seed for each shuffle",
        )
    seeds = np.ascontiguousarray(seeds)
    out = np.empty((*seeds.shape, tokens.shape[1]), np.uint8)

    def shuffle_block(begin: int, end: int) -> None:
        block = tokens[begin:end]
        sizes = (len(block), seeds.shape[1], tokens.shape[1])
        if _shuffle(block, seeds[begin:end], *sizes, dinucleotide, out[begin:end]) != 0:
            raise MemoryError(f"no memory to shuffle sequences of {tokens.shape[1]} bases")

    in_threads(shuffle_block, len(tokens), threads)
    return out


def _checked(tokens: np.ndarray, ndim: int) -> np.ndarray:
    tokens = np.asarray(tokens)
    if tokens.dtype != np.uint8 or tokens.ndim != ndim:
        raise SequenceError(
            f"tokens have shape {tokens.shape} and dtype {tokens.dtype}",
            mend=f"use uint8 with {ndim} dimension{'s' * (ndim > 1)}, 0 1 2 3 = A C G T, 4 = N",
        )
    return np.ascontiguousarray(tokens)
