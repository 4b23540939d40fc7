"""Predictions of single substitutions by what each changes, one full pass a distinct sequence."""

from typing import Any

import torch
from torch import Tensor, nn

from cisweep.analysis.perturbation import Output, PerturbationResult
from cisweep.analysis.prediction import predict
from cisweep.models.changes import Example, Plan, make_plan, propagate
from cisweep.models.running import dtype_of, resolve_device, running
from cisweep.models.tape import Ref, Untraceable, record, tensors_in, walk

# Largest difference from the model itself, relative to the largest output, where it is checked.
_TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-9}
_N_CHECKED = 3
_OPTIONS = {"batch_size", "device", "verbose"}


def propagated_substitutions(
    model: nn.Module, X: Tensor, rows: Tensor, options: dict[str, Any]
) -> PerturbationResult | None:
    """Return predictions before and after one substitution in each sequence, or None.

    Equal sequences share one pass through the model, and of a substituted sequence only what
    differs is computed; that pays from two substitutions of a sequence on. None where it does not,
    where the model cannot be taken apart, or where the result does not agree with the model at
    some of the sequences: then each sequence must be predicted in full.

    X: (N, 4, length) one-hot. rows: (K, 3) int64: example, position, new base; at most one row an
    example. options: of `predict`.
    """
    one_each = len(torch.unique(rows[:, 0])) == len(rows)
    if not len(rows) or not one_each or set(options) - _OPTIONS:
        return None
    dtype = dtype_of(model)
    if dtype not in _TOLERANCE:
        return None
    groups = _equal_sequences(X)
    # The pass that keeps every tensor costs two ordinary ones.
    if len(rows) < 2 * len(groups):
        return None
    device = resolve_device(options.get("device"))
    with running(model, device), torch.no_grad():
        try:
            plan = make_plan(record(model, X[:1].to(device, dtype), []))
        except Untraceable:
            return None
        found = _run(plan, X, groups, rows, device, dtype)
    return found if _agrees(model, X, rows, found, options, dtype) else None


def _equal_sequences(X: Tensor) -> list[list[int]]:
    """Return the examples of each distinct sequence."""
    groups: dict[bytes, list[int]] = {}
    tokens = torch.where(X.sum(1) > 0, X.argmax(1), X.shape[1]).to("cpu", torch.uint8)
    for i, row in enumerate(tokens.numpy()):
        groups.setdefault(row.tobytes(), []).append(i)
    return list(groups.values())


def _run(
    plan: Plan,
    X: Tensor,
    groups: list[list[int]],
    rows: Tensor,
    device: torch.device,
    dtype: torch.dtype,
) -> PerturbationResult:
    identity = torch.eye(X.shape[1], device=device, dtype=dtype)
    edit = {example: (position, base) for example, position, base in rows.tolist()}
    before: list[Tensor] = []
    after: list[Tensor] = []
    for examples in groups:
        x = X[examples[0]].to(device, dtype)
        unchanged = Example(plan.tape, [x[None]], 1)
        output = walk(
            plan.tape.output,
            lambda leaf, e=unchanged: e.values[leaf.number] if isinstance(leaf, Ref) else leaf,
        )
        y0 = tensors_in(output)
        if not before:
            before = [y.new_empty((len(X), *y.shape[1:]), device="cpu") for y in y0]
            after = [torch.empty_like(y) for y in before]
        for whole, other, y in zip(before, after, y0):
            whole[examples] = other[examples] = y[0].cpu()
        at: dict[int, list[int]] = {}
        for i in examples:
            if i in edit:
                at.setdefault(edit[i][0], []).append(i)
        for position, mine in at.items():
            letters = [edit[i][1] for i in mine]
            first = (identity[letters] - x[:, position])[None, :, None]
            for whole, y in zip(after, tensors_in(propagate(plan, unchanged, position, first))):
                whole[mine] = y.cpu()
    single = isinstance(plan.tape.output, Ref)
    return PerturbationResult(*((y[0] if single else y) for y in (before, after)))


def _agrees(
    model: nn.Module,
    X: Tensor,
    rows: Tensor,
    found: PerturbationResult,
    options: dict[str, Any],
    dtype: torch.dtype,
) -> bool:
    """Does the model itself say the same of some of the sequences, before and after?"""
    checked = rows[torch.linspace(0, len(rows) - 1, min(_N_CHECKED, len(rows))).long()]
    example, position, base = checked.unbind(1)
    edited = X[example].clone()
    number = torch.arange(len(checked))
    edited[number, :, position] = 0
    edited[number, base, position] = 1
    for sequences, mine in zip((X[example], edited), found):
        for expected, value in zip(_parts(predict(model, sequences, **options)), _parts(mine)):
            value = value[example]
            if expected.shape != value.shape:
                return False
            limit = _TOLERANCE[dtype] * max(expected.abs().max().item(), 1e-30)
            if not (expected - value).abs().max().item() <= limit:
                return False
    return True


def _parts(y: Output) -> list[Tensor]:
    return [y] if isinstance(y, Tensor) else list(y)
