"""Edit one-hot sequences: substitute, insert and delete, as tangermeme 1.6 defines them.

Every function returns a new tensor in the dtype and on the device of `X`. A motif is a string,
a one-hot tensor (1, 4, m) for all sequences, or (batch, 4, m) with one motif a sequence. What
substitutes takes tokens, uint8 (batch, length), too.
"""

from collections.abc import Sequence

import torch

from cisweep.errors import SequenceError
from cisweep.sequence.encoding import (
    ACGT,
    check_one_hot,
    check_sequences,
    is_tokens,
    one_hot_encode,
    whole_number,
)

_N = 4  # the token


def substitute(
    X: torch.Tensor,
    motif: torch.Tensor | str,
    start: int | None = None,
    alphabet: Sequence[str] = ACGT,
    ignore: Sequence[str] = ("N",),
) -> torch.Tensor:
    """Return the sequences with a motif in place of what stood there.

    Parameters
    ----------
    X: torch.Tensor, one-hot (batch, characters, length), or tokens uint8 (batch, length), N allowed
    motif: str, or one-hot torch.Tensor (1 or batch, characters, m)
        A column of zeros, or a letter of `ignore`, leaves the sequence as it is there.
    start: int, 0-based position of the motif's first base
        None centres it (`centred_start`).
    alphabet, ignore: how a string motif is read, see `one_hot_encode`

    Returns
    -------
    torch.Tensor of the shape, dtype and device of `X`

    Raises
    ------
    SequenceError
        The motif is longer than the sequence, falls off an end, or does not fit `X`; `start` is
        no integer.

    Examples
    --------
    >>> from cisweep.sequence import characters
    >>> X = one_hot_encode("AAAAAAAA").unsqueeze(0)
    >>> characters(substitute(X, "GNC"))
    'AAAGACAA'
    """
    check_sequences(X, "X")
    motif, known = _motif_and_known(motif, X, alphabet, ignore)
    length, width = X.shape[-1], motif.shape[-1]
    if width > length:
        raise SequenceError(
            f"Motif cannot be longer than sequence: it has {width} bases, the sequence {length}"
        )
    if start is None:
        start = centred_start(length, width)
    start = whole_number(start, "start")
    if start < 0 or start > length - width:
        raise SequenceError(
            f"Provided start falls off the end of the sequence: {start} with a motif of {width} "
            f"bases and a sequence of {length}",
            mend=f"use 0 to {length - width}",
        )
    edited = X.clone()
    span = edited[..., start : start + width]
    span.copy_(torch.where(known, motif, span))
    return edited


def centred_start(length: int, width: int) -> int:
    """Return where `width` bases begin whose middle stands on the middle of `length` bases."""
    return length // 2 - width // 2


def multisubstitute(
    X: torch.Tensor,
    motifs: Sequence[torch.Tensor | str],
    spacing: int | Sequence[int],
    start: int | None = None,
    alphabet: Sequence[str] = ACGT,
    ignore: Sequence[str] = ("N",),
) -> torch.Tensor:
    """Return the sequences with several motifs substituted at given distances.

    Parameters
    ----------
    X: torch.Tensor, one-hot (batch, characters, length), or tokens uint8 (batch, length), N allowed
    motifs: list of motifs as `substitute` takes them
    spacing: int, or a list of len(motifs) - 1 ints
        Bases between the end of one motif and the start of the next.
    start: int, 0-based position of the first motif
        None centres the whole arrangement.
    alphabet, ignore: how a string motif is read, see `one_hot_encode`

    Returns
    -------
    torch.Tensor of the shape, dtype and device of `X`

    Raises
    ------
    SequenceError
        The number of spacings is wrong, one is negative or too long, or the motifs do not fit;
        `start` or a spacing is no integer.

    Examples
    --------
    >>> from cisweep.sequence import characters
    >>> X = one_hot_encode("AAAAAAAAAA").unsqueeze(0)
    >>> characters(multisubstitute(X, ["CC", "GG"], spacing=2, start=1))
    'ACCAAGGAAA'
    """
    check_sequences(X, "X")
    if len(motifs) == 0:
        raise SequenceError("motifs is empty", mend="give at least one motif")
    widths = [len(motif) if isinstance(motif, str) else motif.shape[-1] for motif in motifs]
    spacings = _spacings(spacing, len(motifs), X.shape[-1])
    if start is None:
        start = centred_start(X.shape[-1], sum(spacings) + sum(widths))
        if start < 0:
            raise SequenceError(
                "Sum of motif lengths and spacing cannot be larger than the sequence being "
                f"inserted into: {sum(spacings) + sum(widths)} and {X.shape[-1]} bases"
            )
    start = whole_number(start, "start")
    for motif, width, gap in zip(motifs, widths, [*spacings, 0]):
        X = substitute(X, motif, start=start, alphabet=alphabet, ignore=ignore)
        start += width + gap
    return X


def _spacings(spacing: int | Sequence[int], n_motifs: int, length: int) -> list[int]:
    if isinstance(spacing, str) or not isinstance(spacing, int | Sequence):
        raise SequenceError(
            f"Spacings must be an integer or a list of integers, not a {type(spacing).__name__}"
        )
    spacings = [spacing] * (n_motifs - 1) if isinstance(spacing, int) else list(spacing)
    spacings = [whole_number(gap, "a spacing") for gap in spacings]
    if len(spacings) != n_motifs - 1:
        raise SequenceError(
            f"Must provide n-1 spacings for n motifs: {len(spacings)} spacings, {n_motifs} motifs"
        )
    for gap in spacings:
        if gap < 0 or gap >= length:
            raise SequenceError(
                "Spacing cannot be smaller than zero or larger than the sequence being inserted "
                f"into: {gap} in {length} bases"
            )
    return spacings


def insert(
    X: torch.Tensor,
    motif: torch.Tensor | str,
    start: int | None = None,
    alphabet: Sequence[str] = ACGT,
) -> torch.Tensor:
    """Return the sequences with a motif put in between, longer by its length.

    Parameters
    ----------
    X: torch.Tensor, one-hot (batch, characters, length), N allowed
    motif: str, or one-hot torch.Tensor (1 or batch, characters, m), without N
    start: int, 0-based position that the motif's first base takes
        None: length // 2. Up to `length`, which appends (tangermeme 1.6 stops at length - m).
    alphabet: how a string motif is read

    Returns
    -------
    torch.Tensor, shape (batch, characters, length + m)

    Raises
    ------
    SequenceError
        `start` is outside of the sequence or no integer, or the motif does not fit `X` or has N.

    Examples
    --------
    >>> from cisweep.sequence import characters
    >>> characters(insert(one_hot_encode("AAAA").unsqueeze(0), "GT"))
    'AAGTAA'
    """
    check_one_hot(X, "X")
    motif = _motif_like(motif, X, alphabet, (), allow_N=False)
    length = X.shape[-1]
    if start is None:
        start = length // 2
    start = whole_number(start, "start")
    if start < 0 or start > length:
        raise SequenceError(
            f"Provided start falls off the end of the sequence: {start} in {length} bases",
            mend=f"use 0 to {length}",
        )
    motif = motif.expand(len(X), -1, -1)
    return torch.cat([X[:, :, :start], motif, X[:, :, start:]], dim=-1)


def delete(X: torch.Tensor, start: int, end: int) -> torch.Tensor:
    """Return the sequences without [start, end), shorter by end - start.

    Parameters
    ----------
    X: torch.Tensor, one-hot (batch, characters, length), N allowed
    start, end: int, 0-based half-open

    Returns
    -------
    torch.Tensor, shape (batch, characters, length - (end - start))

    Raises
    ------
    SequenceError
        The span is empty or falls off an end; `start` or `end` is no integer.
    """
    check_one_hot(X, "X")
    length = X.shape[-1]
    start, end = whole_number(start, "start"), whole_number(end, "end")
    if start < 0 or start > length:
        raise SequenceError(
            "Start cannot be below zero or greater than the length of the sequence: "
            f"{start} in {length} bases"
        )
    if end <= start or end > length:
        raise SequenceError(
            "End must come after start, must be greater than zero, and cannot be greater than "
            f"the length of the sequence: [{start}, {end}) in {length} bases"
        )
    return torch.cat([X[:, :, :start], X[:, :, end:]], dim=-1)


def _motif_and_known(
    motif: torch.Tensor | str, X: torch.Tensor, alphabet: Sequence[str], ignore: Sequence[str]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the motif as X is encoded, and where it has a base and not N."""
    if not is_tokens(X):
        motif = _motif_like(motif, X, alphabet, ignore, allow_N=True)
        return motif, motif.any(dim=1, keepdim=True)
    if isinstance(motif, str):
        motif = one_hot_encode(motif, alphabet=alphabet, ignore=ignore).unsqueeze(0)
    codes = check_one_hot(motif, "motif", n_characters=4).to(X.device)
    _check_batch(codes, X)
    return codes, codes != _N


def _motif_like(
    motif: torch.Tensor | str,
    X: torch.Tensor,
    alphabet: Sequence[str],
    ignore: Sequence[str],
    allow_N: bool,
) -> torch.Tensor:
    """Return the motif as a one-hot tensor (1 or batch, characters, m) of X's dtype and device."""
    if isinstance(motif, str):
        motif = one_hot_encode(motif, alphabet=alphabet, ignore=ignore).unsqueeze(0)
    check_one_hot(motif, "motif", n_characters=X.shape[1], allow_N=allow_N)
    _check_batch(motif, X)
    return motif.to(dtype=X.dtype, device=X.device)


def _check_batch(motif: torch.Tensor, X: torch.Tensor) -> None:
    if len(motif) not in (1, len(X)):
        raise SequenceError(
            f"motif has a batch of {len(motif)} where X has {len(X)}",
            mend="give one motif for all sequences or one for each",
        )
