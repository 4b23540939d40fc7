"""Predictions of single substitutions by what each changes, one full pass a distinct sequence."""

from typing import Any

import torch
from torch import Tensor, nn

from cisweep.analysis.perturbation.perturb import Output, PerturbationResult
from cisweep.analysis.prediction.predict import predict
from cisweep.engine.calls import Ref
from cisweep.engine.policy import attempt, taken
from cisweep.engine.propagation.assembly import assemble
from cisweep.engine.propagation.substitutions import before_and_after, side_by_side
from cisweep.engine.recording import record
from cisweep.engine.running import dtype_of, resolve_device, running
from cisweep.engine.verify import SINGLE_CHANGE, check_agreement, compared_rows

_N_CHECKED = 3
_NAME = "substitution effects"
_OPTIONS = {"batch_size", "device", "verbose"}


def propagated_substitutions(
    model: nn.Module, X: Tensor, rows: Tensor, options: dict[str, Any]
) -> PerturbationResult | None:
    """Return predictions before and after one substitution in each sequence, or None.

    Equal sequences share one pass through the model, sequences that change at the same position
    go side by side, and of a substituted one only what differs is computed. None where that does
    not pay (every sequence changes elsewhere, or has further options) or, with a line in the log,
    where the model cannot be taken apart or does not agree with the result at some of the
    sequences: then each sequence must be predicted in full.

    X: (N, 4, length) one-hot. rows: (K, 3) int64: example, position, new base; at most one row an
    example. options: of `predict`.
    """
    one_each = len(torch.unique(rows[:, 0])) == len(rows)
    if not len(rows) or not one_each or set(options) - _OPTIONS:
        return None
    dtype = dtype_of(model)
    device = resolve_device(options.get("device"))
    batches = side_by_side(X, rows, device)
    if batches is None:
        return None

    def run() -> PerturbationResult:
        tolerance = SINGLE_CHANGE.of(dtype)
        with running(model, device), torch.no_grad():
            propagation = assemble(record(model, X[:1].to(device, dtype), []))
            before, after = before_and_after(propagation, X, batches, rows, device, dtype)
        single = isinstance(propagation.recording.output, Ref)
        found = PerturbationResult(*((y[0] if single else y) for y in (before, after)))
        _check(model, X, rows, found, options, tolerance)
        taken(_NAME)
        return found

    return attempt(_NAME, run)


def _check(
    model: nn.Module,
    X: Tensor,
    rows: Tensor,
    found: PerturbationResult,
    options: dict[str, Any],
    tolerance: float,
) -> None:
    """Check that the model itself says the same of some of the sequences, before and after.

    Raises
    ------
    FastPathOff: it says something else.
    """
    checked = rows[compared_rows(len(rows), _N_CHECKED)]
    example, position, base = checked.unbind(1)
    edited = X[example].clone()
    number = torch.arange(len(checked))
    edited[number, :, position] = 0
    edited[number, base, position] = 1
    for sequences, mine in zip((X[example], edited), found):
        expected = _parts(predict(model, sequences, **options))
        values = [value[example] for value in _parts(mine)]
        check_agreement(values, expected, tolerance, "propagated values")


def _parts(y: Output) -> list[Tensor]:
    return [y] if isinstance(y, Tensor) else list(y)
