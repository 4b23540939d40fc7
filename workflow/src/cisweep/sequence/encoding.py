"""One-hot tensors: from letters, from tokens, at random, and back.

A one-hot tensor is (batch, 4, length), order A C G T, and all zeros for N. The functions that
tangermeme 1.6 has too take its arguments; an alphabet other than A C G T is allowed there.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from operator import index
from typing import Any

import numpy as np
import torch

from cisweep.errors import SequenceError
from cisweep.sequence.tokens import reverse_complement_tokens

ACGT = ("A", "C", "G", "T")
COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A"}
_UNKNOWN = 254  # in `ignore`: all zeros
_FOREIGN = 255  # in neither list: an error
_FOREIGN_BYTE = bytes([_FOREIGN])
_HUGE_BYTES = 1 << 22


def one_hot_tokens(tokens: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return the one-hot tensor of tokens, on their device.

    Parameters
    ----------
    tokens: torch.Tensor of uint8, shape (..., length), 0 1 2 3 = A C G T, 4 = N
    dtype: torch.dtype of the result

    Returns
    -------
    torch.Tensor, shape (..., 4, length), zeros for N
    """
    return encode_codes(tokens, 4, dtype)


def encode_codes(codes: torch.Tensor, n_characters: int, dtype: torch.dtype) -> torch.Tensor:
    """Return the one-hot tensor of uint8 codes, zeros where a code is no character."""
    if codes.dtype != torch.uint8:
        raise SequenceError(f"tokens have dtype {codes.dtype}", mend="use torch.uint8, 4 for N")
    characters = torch.arange(n_characters, dtype=torch.uint8, device=codes.device)[:, None]
    one_hot = _empty((*codes.shape[:-1], n_characters, codes.shape[-1]), dtype, codes.device)
    return torch.eq(codes.unsqueeze(-2), characters, out=one_hot)


def _empty(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    n_bytes = math.prod(shape) * dtype.itemsize
    if device.type != "cpu" or n_bytes < _HUGE_BYTES:
        return torch.empty(shape, dtype=dtype, device=device)
    # numpy asks the kernel for huge pages, torch does not: the page faults of a large result
    # cost three times what computing it does.
    return torch.from_numpy(np.empty(n_bytes, np.uint8)).view(dtype).view(shape)


def tokens_of(X: torch.Tensor, name: str = "X", allow_N: bool = True) -> torch.Tensor:
    """Return the tokens of a one-hot tensor, on its device, after checking that it is one.

    Parameters
    ----------
    X: torch.Tensor, shape (batch, 4, length), A C G T, zeros for N
    name: str
        What an error calls `X`.
    allow_N: bool
        Whether N is accepted.

    Returns
    -------
    torch.Tensor of uint8, shape (batch, length), 4 for N

    Raises
    ------
    SequenceError
        `X` has another shape, is no one-hot encoding, or has N that is not allowed.
    """
    return check_one_hot(X, name, 4, allow_N)


def _codes(X: torch.Tensor) -> torch.Tensor:
    rank = X.shape[1] - torch.arange(X.shape[1])
    codes = torch.full((X.shape[0], X.shape[2]), X.shape[1], dtype=torch.uint8, device=X.device)
    for character, weight in enumerate(rank.tolist()):
        codes -= X[:, character].to(torch.uint8) * weight
    return codes


def check_shape(X: Any, name: str, n_characters: int | None = None) -> None:
    """Raise a SequenceError unless `X` is a tensor of shape (batch, n_characters, length)."""
    if not isinstance(X, torch.Tensor):
        raise SequenceError(
            f"{name} must be a torch.Tensor, it is a {type(X).__name__}",
            mend="make it with one_hot_encode or torch.from_numpy",
        )
    if X.ndim != 3 or (n_characters is not None and X.shape[1] != n_characters):
        characters = "characters" if n_characters is None else n_characters
        raise SequenceError(
            f"{name} has shape {tuple(X.shape)} but must have shape (batch, {characters}, length)",
            mend="add the batch axis with X.unsqueeze(0)" if X.ndim == 2 else None,
        )


def check_one_hot(
    X: Any, name: str, n_characters: int | None = None, allow_N: bool = True
) -> torch.Tensor:
    """Return the codes (batch, length) of a one-hot tensor (batch, n_characters, length).

    Anything else is a SequenceError which calls the tensor `name`.
    """
    check_shape(X, name, n_characters)
    codes, unknown = _codes(X), X.shape[1]
    # No other tensor than a one-hot encoding is the encoding of its codes.
    if not torch.equal(encode_codes(codes, unknown, X.dtype), X):
        _raise_not_one_hot(X, name)
    if not allow_N and (codes == unknown).any():
        _raise_unknown(codes == unknown, name)
    return codes


def check_sequences(X: Any, name: str, n_characters: int | None = None) -> None:
    """Raise a SequenceError unless X is one-hot (batch, characters, length), or tokens uint8
    (batch, length)."""
    if not is_tokens(X):
        check_one_hot(X, name, n_characters)
    elif X.numel() and X.max() > 4:
        example, position = _first(X > 4)
        raise SequenceError(
            f"{name} has the token {int(X[example, position])}",
            where=f"example {example}, position {position}",
            mend="use 0 1 2 3 for A C G T, and 4 for N",
        )


def whole_number(value: Any, name: str, least: int | None = None) -> int:
    """Return a position or a number of things as int; raises SequenceError if it is none, or less
    than `least`."""
    try:
        number = index(value)
    except TypeError:
        raise SequenceError(
            f"{name} is {value!r}, a {type(value).__name__}", mend="give an integer"
        ) from None
    if least is not None and number < least:
        raise SequenceError(f"{name} is {number}", mend=f"give {least} or more")
    return number


def is_tokens(X: Any) -> bool:
    """Return whether X is a tensor of tokens, uint8 (batch, length)."""
    return isinstance(X, torch.Tensor) and X.ndim == 2 and X.dtype == torch.uint8


def _raise_not_one_hot(X: torch.Tensor, name: str) -> None:
    wrong = ((X != 0) & (X != 1)).any(dim=1) | (X.sum(dim=1) > 1)
    example, position = _first(wrong)
    raise SequenceError(
        f"{name} must be one-hot encoded: one 1 in each column, or zeros for N",
        where=f"example {example}, position {position}",
    )


def _raise_unknown(unknown: torch.Tensor, name: str) -> None:
    example, position = _first(unknown)
    raise SequenceError(
        f"{name} must be one-hot encoded and cannot have unknown characters (N)",
        where=f"example {example}, position {position}",
        mend="leave out sequences with N, or pass allow_N=True where the function has it",
    )


def _first(mask: torch.Tensor) -> tuple[int, int]:
    example, position = mask.nonzero()[0].tolist()
    return example, position


def one_hot_encode(
    sequence: str,
    alphabet: Sequence[str] = ACGT,
    dtype: str | torch.dtype = torch.int8,
    ignore: Sequence[str] = ("N",),
) -> torch.Tensor:
    """Return the one-hot encoding of one sequence (tangermeme 1.6 `one_hot_encode`).

    Letters are taken as they are: lower case is not upper case here. `tokenize` reads genomes.

    Parameters
    ----------
    sequence: str
    alphabet: ASCII characters, in the order of the rows
    dtype: torch.dtype, or its name
    ignore: characters that become columns of zeros

    Returns
    -------
    torch.Tensor, shape (len(alphabet), length)

    Raises
    ------
    SequenceError
        A character is in neither list (its 0-based position is named) or in both.

    Examples
    --------
    >>> one_hot_encode("AGN").tolist()
    [[1, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 0]]
    """
    if not isinstance(sequence, str):
        raise TypeError(f"sequence must be a str, it is a {type(sequence).__name__}")
    # By numpy, whose calls cost a tenth of torch's: one string is a few microseconds of work.
    table, rows = _code_table(tuple(alphabet), tuple(ignore))
    codes = sequence.encode("ascii", "replace").translate(table)
    if _FOREIGN_BYTE in codes:
        position = codes.index(_FOREIGN_BYTE)
        raise SequenceError(
            f"Encountered character {sequence[position]!r} that is not in `alphabet` or in "
            "`ignore`",
            where=f"position {position} (0-based)",
            mend="upper-case the sequence, or name the character in `ignore`",
        )
    one_hot = torch.from_numpy(np.equal(np.frombuffer(codes, np.uint8), rows).view(np.int8))
    if dtype is torch.int8:
        return one_hot
    return one_hot.to(getattr(torch, dtype) if isinstance(dtype, str) else dtype)


@lru_cache(maxsize=16)
def _code_table(alphabet: tuple[str, ...], ignore: tuple[str, ...]) -> tuple[bytes, np.ndarray]:
    """Return the code of each byte, and the codes of the rows (characters, 1)."""
    # '?' stands for every character that is not ASCII, so that it can be in neither list.
    table = bytearray([_FOREIGN]) * 256
    for character in (*alphabet, *ignore):
        if len(character) != 1 or not character.isascii() or character == "?":
            raise SequenceError(f"{character!r} is not one ASCII character of a sequence")
    for code, character in enumerate(alphabet):
        table[ord(character)] = code
    for character in ignore:
        if character in alphabet:
            raise SequenceError(
                f"Character {character} in the alphabet and also in the list of ignored characters",
                mend="name it in one of the two",
            )
        table[ord(character)] = _UNKNOWN
    return bytes(table), np.arange(len(alphabet), dtype=np.uint8)[:, None]


def characters(
    pwm: torch.Tensor | np.ndarray,
    alphabet: Sequence[str] = ACGT,
    force: bool = False,
    allow_N: bool = False,
) -> str:
    """Return the most likely letter at each position (tangermeme 1.6 `characters`).

    Parameters
    ----------
    pwm: torch.Tensor or numpy.ndarray, shape (len(alphabet), length) or (1, len(alphabet), length)
        A one-hot encoding, probabilities or counts.
    alphabet: the letters of the rows
    force: bool
        Take the first of several equal letters instead of raising.
    allow_N: bool
        Write N where the column sums to zero; other ties take the first letter.

    Returns
    -------
    str of `length` letters

    Raises
    ------
    SequenceError
        Wrong shape, or a tie that neither `force` nor `allow_N` permits.
    """
    matrix = pwm.numpy(force=True) if isinstance(pwm, torch.Tensor) else np.asarray(pwm)
    if matrix.ndim == 3 and len(matrix) == 1:
        matrix = matrix[0]
    if matrix.ndim != 2 or len(matrix) != len(alphabet):
        raise SequenceError(
            f"PWM has shape {matrix.shape} but must have two dimensions, the first of the "
            f"length of the alphabet, ({len(alphabet)}, length)"
        )
    if not matrix.shape[1]:
        return ""
    ties = (matrix == matrix.max(axis=0)).sum(axis=0) > 1
    if ties.any() and not force and not allow_N:
        raise SequenceError(
            "At least one position in the PWM has multiple letters with the same probability",
            where=f"position {ties.argmax()}",
            mend="pass force=True for the first letter, or allow_N=True for N in zero columns",
        )
    letters = np.asarray(alphabet)[matrix.argmax(axis=0)]
    if allow_N:
        letters[matrix.sum(axis=0) == 0] = "N"
    return "".join(letters)


def reverse_complement(
    seq: str | torch.Tensor | np.ndarray,
    complement_map: dict[str, str] = COMPLEMENT,
    allow_N: bool = True,
) -> str | torch.Tensor | np.ndarray:
    """Return the reverse complement of a string, a one-hot tensor or an array of tokens.

    Parameters
    ----------
    seq: str; one-hot torch.Tensor (..., characters, length); or numpy uint8 tokens (..., length)
        tangermeme 1.6 takes a tensor of one sequence only; here a batch is taken too.
    complement_map: dict
        The complement of each letter; its keys are the order of a tensor's rows. Tokens are
        always A C G T.
    allow_N: bool
        Whether a string or tokens may contain N.

    Returns
    -------
    The type, dtype and shape of `seq`

    Raises
    ------
    SequenceError
        A letter has no complement.

    Examples
    --------
    >>> reverse_complement("AACN")
    'NGTT'
    """
    if isinstance(seq, str):
        return _reverse_complement_letters(seq, complement_map, allow_N)
    if isinstance(seq, np.ndarray):
        if not allow_N and (seq > 3).any():
            raise SequenceError("'N' not in complement map", mend="pass allow_N=True")
        return reverse_complement_tokens(seq)
    if not isinstance(seq, torch.Tensor) or seq.ndim < 2 or seq.shape[-2] != len(complement_map):
        raise SequenceError(
            "reverse_complement takes a str, tokens, or a one-hot tensor of shape "
            f"(..., {len(complement_map)}, length), not {_described(seq)}"
        )
    letters = list(complement_map)
    rows = [letters.index(letter) for letter in complement_map.values()]
    return seq.flip(-1)[..., rows, :]


def _described(seq: Any) -> str:
    return f"shape {tuple(seq.shape)}" if hasattr(seq, "shape") else f"a {type(seq).__name__}"


def _reverse_complement_letters(seq: str, complement_map: dict[str, str], allow_N: bool) -> str:
    complement = {**complement_map, "N": "N"} if allow_N else complement_map
    for position, letter in enumerate(seq):
        if letter not in complement:
            raise SequenceError(
                f"{letter!r} not in complement map", where=f"position {position} (0-based)"
            )
    return "".join(complement[letter] for letter in reversed(seq))
