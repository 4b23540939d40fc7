"""Motifs put into a sequence one by one, as a model's loss says: a greedy and a beam search.

Every candidate is a whole sequence. One that was seen in the round is not predicted again, and the
substitutions of single bases are those of `saturation_mutagenesis`, which computes what they
change.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor, nn

from cisweep.analysis.mutagenesis.saturation_mutagenesis import saturation_mutagenesis
from cisweep.analysis.prediction.predict import predict
from cisweep.errors import DesignError
from cisweep.sequence.encoding import (
    ACGT,
    check_one_hot,
    encode_codes,
    one_hot_encode,
    reverse_complement,
)

_MSE = nn.MSELoss(reduction="none")
_BLOCK_BYTES = 1 << 25
"""Candidates, one-hot, that are predicted at a time."""


def greedy_substitution(
    model: nn.Module,
    X: Tensor,
    y: Tensor | Sequence[Any] | None = None,
    motifs: Sequence[str] | None = None,
    loss: Callable[..., Tensor] = _MSE,
    reverse_complement: bool = True,
    input_mask: Tensor | None = None,
    output_mask: Tensor | None = None,
    tol: float = 1e-3,
    max_iter: int = -1,
    args: Sequence[Tensor] | None = None,
    alphabet: Sequence[str] = ACGT,
    batch_size: int = 32,
    device: str | torch.device | None = None,
    verbose: bool = False,
) -> Tensor:
    """Return X (1, 4, length) with the motifs that lower the loss most, put in one by one.

    Each round tries every motif at every allowed place and keeps the best, the first of equal ones.
    It is `beam_substitution` of one sequence, where the arguments, the errors and the end of the
    search are described. Source: tangermeme 1.6 design.greedy_substitution.
    """
    return beam_substitution(
        model, X, y, motifs, loss, reverse_complement, input_mask, output_mask, 1, 1, tol, max_iter,
        args, alphabet, batch_size, device, verbose,
    )  # fmt: skip


def beam_substitution(
    model: nn.Module,
    X: Tensor,
    y: Tensor | Sequence[Any] | None = None,
    motifs: Sequence[str] | None = None,
    loss: Callable[..., Tensor] = _MSE,
    reverse_complement: bool = True,
    input_mask: Tensor | None = None,
    output_mask: Tensor | None = None,
    beam_size: int = 4,
    n_best: int = 1,
    tol: float = 1e-3,
    max_iter: int = -1,
    args: Sequence[Tensor] | None = None,
    alphabet: Sequence[str] = ACGT,
    batch_size: int = 32,
    device: str | torch.device | None = None,
    verbose: bool = False,
) -> Tensor:
    """Return the best sequences of a beam search over motifs put into X, (n_best, 4, length).

    Each round puts every motif at every allowed place of each sequence of the beam and keeps the
    `beam_size` distinct sequences with the lowest loss, those of the beam among them. The search
    ends with the round that lowers the lowest loss by `tol` at most, whose edits are kept.

    Parameters
    ----------
    model: returns one tensor (N, …).
    X: one-hot (1, letters, length), zeros for N; the result has its dtype and device.
    y: wanted prediction, (1, …) or what can be expanded to (N, …); None for as high a mean of the
        outputs as can be.
    motifs: strings; an N in one leaves the sequence as it is there. None for the single letters.
    loss: function of (y, prediction), both (N, …), that gives a number or several for each
        sequence, whose mean is taken.
    reverse_complement: try the other strand of each motif too (of given motifs).
    input_mask: bool (length,), where a motif may start; None for everywhere. A motif stays within
        the sequence.
    output_mask: of the second axis of the output, what the loss is given; None for all.
    beam_size, n_best: sequences that are kept, and returned, best first; fewer where there are not
        as many distinct ones.
    tol: the least improvement with which the search goes on.
    max_iter: rounds at most; −1 for no limit, 0 for none.
    args: further inputs of the model, one row each.
    alphabet: the letters of X's second axis.
    batch_size, device: as in `predict`.
    verbose: print a line per round.

    Raises
    ------
    DesignError: another number of sequences, a mask, motif, y or number that cannot be used, a loss
        that is no number for each sequence, or is NaN.
    SequenceError: X is not one-hot, or a motif has another letter.

    Source: tangermeme 1.6 design.beam_substitution. It differs in that sequences that occur twice
    take two places of its beam, that an N is predicted as N, and that `args` must fit the number of
    candidates.
    """
    numbers = _checked_numbers(
        beam_size=(beam_size, 1), n_best=(n_best, 1), max_iter=(max_iter, -1),
    )  # fmt: skip
    search = _Search(
        _Judge(model, y, loss, output_mask, args, batch_size, device, len(alphabet)),
        _codes_of_motifs(motifs, alphabet, reverse_complement),
        _sequence(X, alphabet),
        input_mask,
    )
    beam = _searched(search, numbers, tol, verbose)
    kept = torch.stack([member.codes for member in beam[:n_best]])
    return encode_codes(kept, len(alphabet), X.dtype).to(X.device)


def _checked_numbers(**numbers: tuple[int, int]) -> dict[str, int]:
    for name, (value, least) in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise DesignError(f"{name} must be an integer of at least {least}, not {value!r}")
    return {name: value for name, (value, _) in numbers.items()}


def _sequence(X: Tensor, alphabet: Sequence[str]) -> Tensor:
    """Return the codes of the one sequence, (length,) uint8."""
    codes = check_one_hot(X, "X", len(alphabet))
    if len(codes) != 1:
        raise DesignError(
            f"X has {len(codes)} sequences, and one is designed at a time",
            mend="loop over them: X[i : i + 1]",
        )
    return codes[0].cpu()


def _codes_of_motifs(
    motifs: Sequence[str] | None, alphabet: Sequence[str], both: bool
) -> list[Tensor] | None:
    """Return the codes of each motif, then of their other strands; None for the single letters."""
    if motifs is None:
        return None
    if isinstance(motifs, str) or not len(motifs) or not all(motifs):
        raise DesignError(f"motifs is {motifs!r}", mend="give a list of strings, or None")
    words = list(motifs)
    if both:
        words += [reverse_complement(word) for word in motifs]
    return [check_one_hot(one_hot_encode(word, list(alphabet))[None], "motif")[0] for word in words]


@dataclass(frozen=True)
class _Judge:
    """What says how good sequences are."""

    model: nn.Module
    y: Any
    loss: Callable[..., Tensor]
    output_mask: Any
    args: Sequence[Tensor] | None
    batch_size: int
    device: str | torch.device | None
    n_letters: int

    def losses(self, y_hat: Tensor | list[Tensor]) -> Tensor:
        """Return the loss (N,) float64 of predictions (N, …)."""
        if not isinstance(y_hat, Tensor):
            raise DesignError(
                f"the model returns {len(y_hat)} outputs, and a design has one",
                mend="wrap the model so that it returns one tensor",
            )
        if y_hat.ndim < 2:
            y_hat = y_hat[:, None]
        kept = y_hat if self.output_mask is None else y_hat[:, self.output_mask]
        found = -kept if self.y is None else self.loss(self._wanted(y_hat.shape, kept.shape), kept)
        if not isinstance(found, Tensor) or found.ndim == 0 or len(found) != len(kept):
            raise DesignError(
                "the loss does not give each sequence a number of its own",
                where="loss",
                mend='use reduction="none"',
            )
        found = found.detach().double().flatten(1).mean(dim=1) if found.ndim > 1 else found.double()
        if found.isnan().any():
            raise DesignError("the loss of a sequence is NaN", mend="mend the model or the loss")
        return found

    def _wanted(self, full: torch.Size, kept: torch.Size) -> Tensor:
        y = self.y if isinstance(self.y, Tensor) else torch.tensor(self.y)
        y = y.detach().cpu()
        y = y[None] if y.ndim == 1 else y
        try:
            y = y.expand(full)
        except RuntimeError as fault:
            raise DesignError(
                f"y has shape {tuple(y.shape)}, and the model gives {tuple(full)}",
                mend=f"give y (1, {', '.join(map(str, full[1:]))})",
            ) from fault
        return y if full == kept else y[:, self.output_mask]

    def of(self, codes: Tensor) -> Tensor:
        """Return the losses (N,) of sequences (N, length), predicted in full."""
        size = max(1, _BLOCK_BYTES // (self.n_letters * codes.shape[1]))
        found = []
        for part in codes.split(size):
            X = encode_codes(part, self.n_letters, torch.int8)
            args = [a.expand(len(part), *a.shape[1:]) for a in self.args or ()] or None
            y_hat = predict(self.model, X, args, batch_size=self.batch_size, device=self.device)
            found.append(self.losses(y_hat))
        return torch.cat(found)

    def of_substitutions(self, codes: Tensor, start: int, end: int) -> Tensor:
        """Return the losses (4, end − start) of one sequence with each base at each position."""
        X = encode_codes(codes[None], self.n_letters, torch.int8)
        _, y_hat = saturation_mutagenesis(
            self.model, X, self.args, start, end, self.batch_size, raw_outputs=True,
            device=self.device,
        )  # fmt: skip
        if not isinstance(y_hat, Tensor):
            return self.losses(y_hat)
        return self.losses(y_hat[0].flatten(0, 1)).view(4, end - start)


@dataclass(frozen=True)
class _Member:
    """A sequence of the beam; order: of equal losses the lowest is first."""

    loss: float
    order: int
    codes: Tensor

    @property
    def rank(self) -> tuple[float, int]:
        return self.loss, self.order


@dataclass
class _Search:
    """What is tried: motifs (None: single letters) at the places of one sequence."""

    judge: _Judge
    motifs: list[Tensor] | None
    start: Tensor
    input_mask: Any
    _places: Tensor = field(init=False)

    def __post_init__(self) -> None:
        length, args = len(self.start), self.judge.args or ()
        for i, each in enumerate(args):
            if each.shape[0] != 1:
                raise DesignError(
                    f"args[{i}] has {each.shape[0]} rows", mend="give one, as X has one sequence"
                )
        mask = torch.ones(length, dtype=torch.bool)
        if self.input_mask is not None:
            mask = torch.as_tensor(self.input_mask).cpu()
            if mask.dtype != torch.bool or mask.shape != (length,):
                raise DesignError(
                    f"input_mask is {mask.dtype} {tuple(mask.shape)}",
                    mend=f"give bool ({length},), True where a motif may start",
                )
        for motif in self.motifs or ():
            if len(motif) > length:
                raise DesignError(
                    f"a motif of {len(motif)} letters in a sequence of {length}",
                    mend="leave it out, or give a longer sequence",
                )
        self._places = torch.nonzero(mask)[:, 0]

    def trials(self, codes: Tensor, is_new: Callable[[Tensor], bool]) -> Iterator[tuple]:
        """Yield the losses (n,) and the new sequences (n, length) that one edit leads to."""
        n_letters = self.judge.n_letters
        if self.motifs is None and n_letters == 4 and len(self._places):
            low, high = int(self._places[0]), int(self._places[-1]) + 1
            losses = self.judge.of_substitutions(codes, low, high)
            for letter in range(4):
                made = self._with(codes, torch.tensor([letter], dtype=torch.uint8))
                rows = self._new(made, is_new)
                yield losses[letter, self._places[rows] - low], made[rows]
            return
        letters = torch.arange(n_letters, dtype=torch.uint8)[:, None]
        for motif in letters if self.motifs is None else self.motifs:
            made = self._with(codes, motif)
            made = made[self._new(made, is_new)]
            if len(made):
                yield self.judge.of(made), made

    def _with(self, codes: Tensor, motif: Tensor) -> Tensor:
        """Return a sequence with the motif at each of the places where it fits."""
        places = self._places[self._places <= len(codes) - len(motif)]
        made = codes.repeat(len(places), 1)
        known = torch.nonzero(motif < self.judge.n_letters)[:, 0]
        made[torch.arange(len(places))[:, None], places[:, None] + known] = motif[known]
        return made

    @staticmethod
    def _new(made: Tensor, is_new: Callable[[Tensor], bool]) -> Tensor:
        return torch.tensor([i for i, row in enumerate(made) if is_new(row)], dtype=torch.int64)


def _searched(search: _Search, numbers: dict[str, int], tol: float, verbose: bool) -> list[_Member]:
    first = search.start
    beam = [_Member(float(search.judge.of(first[None])[0]), 0, first)]
    started, iteration = time.perf_counter(), 0
    if verbose:
        print(f"Iteration 0 -- Loss: {beam[0].loss:.4g}")
    while iteration != numbers["max_iter"]:
        before, iteration = beam[0].loss, iteration + 1
        beam = _round(search, beam, numbers["beam_size"])
        if verbose:
            print(
                f"Iteration {iteration} -- Loss: {beam[0].loss:.4g}, "
                f"Improvement: {before - beam[0].loss:.4g}, Beam: {len(beam)}, "
                f"Time (s): {time.perf_counter() - started:.4g}"
            )
        if not before - beam[0].loss > tol:
            break
    return beam


def _round(search: _Search, beam: list[_Member], size: int) -> list[_Member]:
    """Return the best distinct sequences of the beam and of what one edit makes of it."""
    seen = {_key(member.codes) for member in beam}

    def is_new(codes: Tensor) -> bool:
        key = _key(codes)
        return not (key in seen or seen.add(key))

    kept = [_Member(member.loss, i, member.codes) for i, member in enumerate(beam)]
    order = len(beam)
    for member in beam:
        for losses, made in search.trials(member.codes, is_new):
            best = torch.argsort(losses, stable=True)[:size].tolist()
            kept += [_Member(float(losses[i]), order + i, made[i].clone()) for i in best]
            kept = sorted(kept, key=lambda each: each.rank)[:size]
            order += len(made)
    return kept


def _key(codes: Tensor) -> bytes:
    return blake2b(codes.numpy().tobytes(), digest_size=16).digest()
