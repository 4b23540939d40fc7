"""In-silico saturation mutagenesis: what every single substitution does to a prediction."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from tqdm import trange

from cisweep.analysis.prediction.predict import predict
from cisweep.engine.calls import tensors_in
from cisweep.engine.policy import FastPathOff, attempt, taken
from cisweep.engine.propagation.assembly import assemble
from cisweep.engine.propagation.saturation import Saturation
from cisweep.engine.recording import record
from cisweep.engine.running import dtype_of, resolve_device, resolve_dtype, running
from cisweep.engine.verify import PROPAGATED, check_agreement, compared_rows
from cisweep.errors import ModelError, SequenceError
from cisweep.sequence.encoding import check_one_hot, one_hot_tokens

_N_CHECKED = (5, 1)  # substitutions of the first sequence, and of each later one
_NAME = "saturation mutagenesis"

Outputs = tuple[Tensor, ...]
_Task = tuple[Tensor, Sequence[Tensor], int, int]  # one-hot sequence, further inputs, start, end


class MutagenesisOutputs(NamedTuple):
    """Predictions of the sequences, y0 (N, …), and of their substitutions, y_hat (N, 4, W, …)."""

    y0: Tensor | list[Tensor]
    y_hat: Tensor | list[Tensor]


def saturation_mutagenesis(
    model: nn.Module,
    X: Tensor,
    args: Sequence[Tensor] | None = None,
    start: int = 0,
    end: int = -1,
    batch_size: int = 32,
    target: int | slice | None = None,
    hypothetical: bool = False,
    raw_outputs: bool = False,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device | None = None,
    verbose: bool = False,
    func: Callable[[Any], Any] | None = None,
    fast: bool = True,
) -> Tensor | MutagenesisOutputs:
    """Return the effect of each substitution, mutant − original less its mean over four bases.

    Where the model's operations allow it, only what a substitution changes is computed, through
    every layer; otherwise each mutant is predicted in full, and the log says why. The two agree to
    rounding, which is checked against the model at some substitutions of each sequence.

    Parameters
    ----------
    model: returns (N, …); several outputs only with raw_outputs.
    X: one-hot sequences (N, 4, length) of any dtype, or tokens uint8 (N, length). At an N all four
        bases are substituted.
    args: further inputs, N rows each; they stay as they are.
    start, end: positions [start, end) to mutate; a negative end counts from the end, −1 being
        the length.
    batch_size: mutants on the device at once.
    target: which of the outputs to use; None for their mean.
    hypothetical: whether to return all four bases, or only the present one (0 at N).
    raw_outputs: whether to return the predictions themselves.
    dtype: in which to compute; None for the model's. Half precisions are computed in full.
    device: None for the GPU if there is one, else the CPU.
    verbose: whether to show a progress bar.
    func: applied to each batch of outputs.
    fast: False to predict every mutant in full.

    Returns
    -------
    (N, 4, end − start), or the predictions y0 and y_hat. The present base has effect 0 before the
    mean is taken off.

    Source: signature and definition of tangermeme 1.6 saturation_mutagenesis.
    """
    one_hot = _one_hot(X)
    end = _checked_span(start, end, one_hot.shape[2])
    device = resolve_device(device)
    kind = resolve_dtype(dtype) or dtype_of(model)
    full = _Full(model, func, batch_size, kind, device)
    effects, raw = [], []
    with running(model, device):
        run = attempt(_NAME, partial(_propagation, full, one_hot, args), fast)
        for i in trange(one_hot.shape[0], disable=not verbose):
            given = [each[i : i + 1] for each in args or ()]
            sequence = (one_hot[i], given, start, end)
            n_checked = _N_CHECKED[i > 0]
            found = run and attempt(_NAME, partial(_checked, run, full, sequence, n_checked))
            run = found and run
            y0, y_hat, single = found or full(*sequence)
            if raw_outputs:
                raw.append((y0, y_hat))
            elif not single:
                raise ModelError(
                    f"the model returns {len(y0)} outputs, and an effect is computed from one",
                    mend="pass raw_outputs=True, or a func or wrapper that picks one",
                )
            else:
                effects.append(_effects(y0[0], y_hat[0], target))
    if raw_outputs:
        return _stacked(raw, single)
    effect = torch.stack(effects)
    return effect if hypothetical else effect * one_hot[:, :, start:end].to(effect.dtype)


def _one_hot(X: Tensor) -> Tensor:
    if X.shape[0] == 0:
        raise SequenceError("there are no sequences: X has no rows", mend="pass at least one")
    if X.ndim == 2:
        X = one_hot_tokens(X)
    check_one_hot(X, "X", allow_N=True)
    return X.to("cpu", torch.int8)


def _checked_span(start: int, end: int, length: int) -> int:
    stop = length + 1 + end if end < 0 else end
    if not 0 <= start < stop <= length:
        raise SequenceError(
            f"start {start} and end {end} are not a span within {length} bp",
            mend="use 0 <= start < end <= length; end −1 is the length",
        )
    return stop


def _effects(y0: Tensor, y_hat: Tensor, target: int | slice | None) -> Tensor:
    """Return (4, W) from y0 (1, …) and y_hat (4, W, …)."""
    effect = y_hat - y0[0]
    if target is not None:
        effect = effect[:, :, target]
    effect = effect - effect.mean(dim=0, keepdim=True)
    return effect.flatten(2).mean(dim=2) if effect.ndim > 2 else effect


def _stacked(raw: list[tuple[Outputs, Outputs]], single: bool) -> MutagenesisOutputs:
    y0 = [torch.cat(parts) for parts in zip(*(y for y, _ in raw))]
    y_hat = [torch.stack(parts) for parts in zip(*(y for _, y in raw))]
    return MutagenesisOutputs(y0[0], y_hat[0]) if single else MutagenesisOutputs(y0, y_hat)


def _substitutions(one_hot: Tensor, start: int, end: int) -> tuple[Tensor, Tensor]:
    """Return the positions and letters of all substitutions of one sequence (4, length)."""
    positions, letters = torch.nonzero(one_hot[:, start:end].T != 1, as_tuple=True)
    return positions + start, letters


def _filled(y0: Outputs, width: int) -> Outputs:
    """Return tensors (4, width, …) that hold the prediction of the sequence itself."""
    return tuple(y.unsqueeze(0).repeat(4, width, *(1 for _ in y.shape[1:])) for y in y0)


class _Full:
    """Every mutant predicted in full."""

    def __init__(
        self,
        model: nn.Module,
        func: Callable[[Any], Any] | None,
        batch_size: int,
        dtype: torch.dtype,
        device: torch.device,
    ):
        self.model, self.func, self.batch_size = model, func, batch_size
        self.dtype, self.device = dtype, device

    def outputs(self, output: Any) -> tuple[Outputs, bool]:
        """Return the outputs, and whether they are a single tensor, of what the model returns."""
        if self.func is not None:
            output = self.func(output)
        return tuple(y.cpu() for y in tensors_in(output)), isinstance(output, Tensor)

    def predict(self, X: Tensor, args: Sequence[Tensor]) -> tuple[Outputs, bool]:
        """Return the outputs of windows X, and whether the model returns a single tensor."""
        given = [each.expand(X.shape[0], *each.shape[1:]) for each in args]
        options = (self.func, self.batch_size, self.dtype, self.device)
        y = predict(self.model, X, given, *options)
        return ((y,), True) if isinstance(y, Tensor) else (tuple(y), False)

    def mutants(
        self,
        one_hot: Tensor,
        args: Sequence[Tensor],
        positions: Tensor,
        letters: Tensor,
        unchanged: bool = False,
    ) -> Outputs:
        """Return the outputs of one sequence with one letter changed in each row.

        `unchanged`: before them those of the sequence itself.
        """
        X = one_hot.repeat(len(positions) + unchanged, 1, 1)
        rows = torch.arange(len(positions)) + unchanged
        X[rows, :, positions] = 0
        X[rows, letters, positions] = 1
        return self.predict(X, args)[0]

    def __call__(
        self, one_hot: Tensor, args: Sequence[Tensor], start: int, end: int
    ) -> tuple[Outputs, Outputs, bool]:
        """Return y0 (1, …), y_hat (4, end − start, …) of one sequence, and if it is a tensor."""
        y0, single = self.predict(one_hot[None], args)
        y_hat = _filled(y0, end - start)
        positions, letters = _substitutions(one_hot, start, end)
        block = 8 * self.batch_size
        for at in range(0, len(positions), block):
            rows = slice(at, at + block)
            made = self.mutants(one_hot, args, positions[rows], letters[rows])
            for whole, part in zip(y_hat, made):
                whole[letters[rows], positions[rows] - start] = part
        return y0, y_hat, single


def _propagation(full: _Full, one_hot: Tensor, args: Sequence[Tensor] | None) -> Saturation:
    """Return the propagation of what each mutant changes.

    Raises
    ------
    FastPathOff: the model cannot be recorded, or is computed in another precision than its own.
    """
    PROPAGATED.of(full.dtype)
    if dtype_of(full.model) != full.dtype:
        raise FastPathOff(f"the model is {dtype_of(full.model)} and computes in {full.dtype}")
    x, *given = (each[:1].to(full.device, full.dtype) for each in (one_hot, *(args or ())))
    return Saturation(assemble(record(full.model, x, given)), x, full.batch_size)


def _propagated(run: Saturation, full: _Full, sequence: _Task) -> tuple[Outputs, Outputs, bool]:
    """Return y0 (1, …), y_hat (4, end − start, …) of one sequence, and if it is a tensor."""
    one_hot, args, start, end = sequence
    example = run.example([e.to(full.device, full.dtype) for e in (one_hot[None], *args)])
    y0, single = full.outputs(example.output())
    y_hat = _filled(y0, end - start)
    for p, letters, output in run.mutants(example, start, end):
        made, _ = full.outputs(output)
        columns = torch.arange(p - start, p - start + len(letters))[:, None].expand_as(letters)
        for whole, part in zip(y_hat, made):
            whole[letters, columns] = part.view(*letters.shape, *part.shape[1:])
    return y0, y_hat, single


def _checked(
    run: Saturation, full: _Full, sequence: _Task, n_checked: int
) -> tuple[Outputs, Outputs, bool]:
    """Return what the propagation gives, if the model itself says the same of some of it.

    These are the sequence and some substitutions, the first and the last position among them,
    where padding is read.

    Raises
    ------
    FastPathOff: it says something else.
    """
    one_hot, args, start, end = sequence
    found = y0, y_hat, _ = _propagated(run, full, sequence)
    columns = compared_rows(end - start, n_checked)
    places = start + columns
    letters = torch.stack([_substitutions(one_hot, p, p + 1)[1][p % 3] for p in places.tolist()])
    expected = full.mutants(one_hot, args, places, letters, unchanged=True)
    mine = [torch.cat([y, each[letters, columns]]) for y, each in zip(y0, y_hat)]
    check_agreement(mine, expected, PROPAGATED.of(full.dtype), "propagated values")
    taken(_NAME)
    return found
