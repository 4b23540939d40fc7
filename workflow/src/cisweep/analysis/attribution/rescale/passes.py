"""Run a model over examples once and over one reference each, and yield the multipliers.

The example pass has as many rows as each reference pass. Where examples are few, a row is an
example with several of its references in turn, so that a pass is never smaller than it should be.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from cisweep.analysis.attribution.rescale.agreement import HeldWeights, Witness, check_forward
from cisweep.analysis.attribution.rescale.calls import eager, followed
from cisweep.analysis.attribution.rescale.registration import registered_modules, rule_table
from cisweep.analysis.attribution.rescale.reruns import EXAMPLES, REFERENCES, Rerun
from cisweep.analysis.attribution.rescale.rules.table import handler_for
from cisweep.analysis.attribution.rescale.tracing import Trace, Tracked, tracked_in
from cisweep.engine.operations import fast_convolutions
from cisweep.engine.policy import attempt, taken
from cisweep.engine.running import steady
from cisweep.engine.verify import TRACED, check_agreement
from cisweep.errors import AttributionError

Target = int | Callable[[Any], Tensor]


@dataclass(frozen=True)
class OfEachRow:
    """Each row has `n` targets of its own: columns of the model's output (rows, columns).

    Which they are, (rows, n) int64, travels as the last of the model's further inputs, so that it
    is cut and repeated as these are; `split_columns` takes it off again.
    """

    n: int

    def __len__(self) -> int:
        return self.n


Targets = Sequence[Target] | OfEachRow


def split_columns(targets: Targets, args: tuple) -> tuple[tuple, Tensor | None]:
    """Return the model's further inputs, and the columns that each row's targets read, if any."""
    return (args[:-1], args[-1]) if isinstance(targets, OfEachRow) else (args, None)


def scalars(values: list[Tensor], columns: Tensor | None) -> list[Tensor]:
    """Return each target's values (rows,) of what `read_scalars` gave."""
    if columns is None:
        return values
    (output,) = values
    return list(output.gather(1, columns).unbind(1))


@dataclass
class Explainer:
    """A model made ready: what to call, the scalars to explain, and the rules.

    The model itself runs on the first examples and the first of their references, which has to
    run the same calls; `rerun` repeats these calls for other references and other examples.
    `fine` gives the call in float64; `first` says that no block was checked yet, `rows` how many
    rows the last passes had, `holds` whether they held weights of the examples.
    """

    call: Callable[..., Any]
    targets: Targets
    table: dict[str, Any]
    fine: Callable[[], Callable[..., Any]]
    rerun: Rerun | None = None
    complete = True
    unbounded = "the numbers are too large for the precision: give dtype='float64'"
    first: bool = True
    rows: int = 0
    holds: bool = False

    @property
    def of_each_row(self) -> bool:
        """Whether the targets of a row are its own."""
        return isinstance(self.targets, OfEachRow)

    def pairs(
        self, x: Tensor, references: Sequence[Tensor], args: tuple
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield for each of `references` (rows, 4, length) the pair's multipliers and outputs.

        x: (rows, 4, length), the examples. Yields multipliers (targets, rows, 4, length) and the
        targets of example and reference, (targets, rows) each.
        """
        args, columns = split_columns(self.targets, args)
        rerun, values = self.rerun, None
        if rerun is not None and rerun.shape == x.shape and not args:
            values = attempt(EXAMPLES, partial(self._examples_rerun, rerun, x))
        if rerun is None or values is None:
            self.forget()
            rerun, values = self._traced(x, args)
        y_example = torch.stack(scalars(values, columns))
        for reference in references:
            leaf = reference.detach().clone(memory_format=torch.contiguous_format).requires_grad_()
            values = None
            if rerun.checked and rerun.trace.repeats:
                values = attempt(REFERENCES, partial(self._references_rerun, rerun, leaf))
                rerun.trace.repeats = values is not None
            if values is None:
                values = self._by_model(rerun, leaf, args)
            values = scalars(values, columns)
            yield _multipliers(values, leaf), y_example, torch.stack([v.detach() for v in values])
        self.rows, self.holds = len(x), not rerun.trace.repeats_examples
        if rerun.trace.repeats and rerun.trace.repeats_examples and not args:
            self.rerun = rerun
        else:
            rerun.forget()

    def check(self, witness: Witness) -> None:
        """Raise AttributionError where the passes had another forward than the model.

        Looked at are one reference and, of the first block, the examples that make up one pass
        with it, then one of each block: less than 2 % of the work for 20 references.
        """
        witness = witness.first(max(1, self.rows - 1) if self.first else 1)
        self.first = False
        check_forward(
            witness,
            lambda: self._plainly(self.call, witness, witness.x.dtype),
            lambda: self._plainly(self.fine(), witness, torch.float64),
        )

    def _plainly(self, call: Callable[..., Any], witness: Witness, dtype: torch.dtype) -> Tensor:
        """Return the targets of the examples and of one reference, with held weights of each."""
        x, reference = witness.x.to(dtype), witness.reference.to(dtype)
        args = tuple(a.to(dtype) if a.is_floating_point() else a for a in witness.args)
        args = tuple(torch.cat([a, a[:1]]) for a in args)
        # Never one row alone, which a model may take for no batch at all.
        if not self.holds:
            return self._values(call, torch.cat([x, reference[:1]]), args)
        with HeldWeights() as held:
            values = [self._values(call, torch.cat([x, x[:1]]), args)]
            held.again()
            values.append(self._values(call, torch.cat([reference, reference[:1]]), args))
        return torch.cat([each[:, :-1] for each in values], 1)

    def _values(self, call: Callable[..., Any], x: Tensor, args: tuple) -> Tensor:
        """Return the targets (targets, rows) of a call without rules, as predictions are made."""
        args, columns = split_columns(self.targets, args)
        with torch.no_grad(), eager(), fast_convolutions():
            try:
                found = _read(call, x, args, self.targets)
                return torch.stack(scalars(found, columns))
            except _FixedBatch:  # as many rows as the passes have
                parts = []
                for rows in torch.arange(len(x)).split(self.rows):
                    filled = rows[torch.arange(self.rows).clamp(max=len(rows) - 1)]
                    found = _read(call, x[filled], tuple(a[filled] for a in args), self.targets)
                    part = scalars(found, None if columns is None else columns[filled])
                    parts.append(torch.stack(part)[:, : len(rows)])
                return torch.cat(parts, 1)

    def forget(self) -> None:
        """Let go of the calls that are kept for other examples."""
        if self.rerun is not None:
            self.rerun.forget()
        self.rerun = None

    def _traced(self, x: Tensor, args: tuple) -> tuple[Rerun, list[Tensor]]:
        trace = Trace(handler_for(self.table))
        with followed(trace, x.device):
            source = trace.start(x.clone(memory_format=torch.contiguous_format), replay=False)
            found = self._read(source, args)
            trace.mark_live(tracked_in(found))
        values = [_value(y) for y in found]
        return Rerun(trace, source, found), values

    def _examples_rerun(self, rerun: Rerun, x: Tensor) -> list[Tensor]:
        values = rerun.examples(x.clone())
        if not rerun.examples_agree:
            with torch.no_grad(), fast_convolutions():
                expected = read_scalars(self.call(x.clone()), self.targets, x.shape[0])
            check_agreement(values, expected, TRACED.of(x.dtype), "outputs of the calls run again")
            rerun.examples_agree = True
        taken(EXAMPLES)
        return values

    def _references_rerun(self, rerun: Rerun, leaf: Tensor) -> list[Tensor]:
        if rerun.witness is not None:
            x, expected = rerun.witness
            found = rerun.outputs(x.clone())
            check_agreement(found, expected, TRACED.of(x.dtype), "outputs of the calls run again")
            rerun.witness = None
        taken(REFERENCES)
        return rerun.references(_written(leaf))

    def _by_model(self, rerun: Rerun, leaf: Tensor, args: tuple) -> list[Tensor]:
        trace, x = rerun.trace, _written(leaf)
        with followed(trace, x.device):
            found = self._read(trace.start(x, replay=True), args)
            trace.finish()
        values = [_value(y) for y in found]
        if not rerun.checked:
            rerun.witness = leaf.detach(), [y.detach() for y in values]
        rerun.checked = True
        return values

    def _read(self, x: Tracked, args: tuple) -> list[Tensor]:
        return _read(self.call, x, args, self.targets)


class _FixedBatch(AttributionError):
    """An exported program that takes another number of rows."""


def _read(call: Callable[..., Any], x: Tensor, args: tuple, targets: Targets) -> list:
    try:
        output = call(x, *args)
    except AssertionError as error:
        if "Guard failed" not in str(error):
            raise
        raise _FixedBatch(
            f"the exported program does not take {tuple(x.shape)}: {error}",
            mend="export it with a dynamic batch axis",
        ) from error
    return read_scalars(output, targets, x.shape[0])


def _written(leaf: Tensor) -> Tensor:
    """Return a copy that is no leaf: the model may change its input in place."""
    with torch.enable_grad():
        return leaf.clone()


def _value(y: Tensor) -> Tensor:
    return y.inner if isinstance(y, Tracked) else y


def _multipliers(values: list[Tensor], leaf: Tensor) -> Tensor:
    found = torch.zeros(len(values), *leaf.shape, dtype=leaf.dtype, device=leaf.device)
    for i, value in enumerate(values):
        # A head that is a constant of the model has no graph, and multipliers of zero.
        if value.requires_grad:
            (gradient,) = torch.autograd.grad(
                value.sum(), leaf, retain_graph=i + 1 < len(values), allow_unused=True
            )
            if gradient is not None:
                found[i] = gradient
    return found


def read_scalars(output: Any, targets: Targets, rows: int) -> list[Tensor]:
    """Return the scalars (rows,) that the targets read from the model's output; of targets of each
    row the output (rows, columns) itself, see `scalars`."""
    if isinstance(targets, OfEachRow):
        return [_columns(output, rows)]
    return [_scalar(output, target, rows) for target in targets]


def _scalar(output: Any, target: Target, rows: int) -> Tensor:
    """Return the scalar (rows,) that a target reads from the model's output."""
    if callable(target):
        value = target(output)
        if not isinstance(value, Tensor) or value.shape not in ((rows,), (rows, 1)):
            shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise AttributionError(f"the target function gave {shape}, not one value per window")
        return value.reshape(rows)
    y = _columns(output, rows)
    if not -y.shape[1] <= target < y.shape[1]:
        raise AttributionError(f"target {target} of a model that returns {y.shape[1]} targets")
    return y[:, target]


def _columns(output: Any, rows: int) -> Tensor:
    """Return the model's output as (rows, columns)."""
    if not isinstance(output, Tensor):
        raise AttributionError(
            f"the model returned {type(output).__name__}, and a target is a column",
            mend="wrap the model so that it returns (N, targets), or give a function as target",
        )
    y = output.unsqueeze(1) if output.ndim == 1 else output
    if y.ndim > 2 and y.shape[2:].numel() == 1:
        y = y.reshape(y.shape[:2])
    if y.ndim != 2 or y.shape[0] != rows:
        raise AttributionError(
            f"the model returned shape {tuple(output.shape)} for {rows} windows, not (N, targets)",
            mend="wrap the model so that it returns one value per target, or give a function",
        )
    return y


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put all modules in evaluation mode, and each of them back to its own at the end.

    Raises ModelError if the model was another one at the end, see `steady`.
    """
    training = {module: module.training for module in model.modules()}
    try:
        for module in training:
            module.training = False
        with torch.inference_mode(False), steady(model):
            yield
    finally:
        for module, was in training.items():
            module.training = was


@contextmanager
def explainer(
    model: nn.Module,
    targets: Targets,
    additional: dict[Any, Any] | None,
    *,
    device: torch.device,
    dtype: torch.dtype,
) -> Iterator[Explainer]:
    """Yield the model in evaluation mode, on `device` in `dtype`, and leave it as it was found."""
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise AttributionError(
                "TorchScript hides its operations",
                where=f"module {name or type(module).__name__!r}",
                mend="give the Python module, or the module of an exported program",
            )
    with evaluating(model), registered_modules(model, additional):
        ready = Explainer(
            call_of(model, device, dtype),
            targets,
            rule_table(additional),
            lambda: call_of(model, device, torch.float64),
        )
        try:
            yield ready
        finally:
            ready.forget()


def call_of(
    model: nn.Module, device: torch.device, dtype: torch.dtype, *, frozen: bool = False
) -> Callable[..., Any]:
    """Return the model's call with its weights on `device` in `dtype`; the model keeps its own.

    `frozen`: also without gradients of the weights.
    """
    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    wanted = {
        name: tensor.detach().to(device, dtype if tensor.is_floating_point() else None)
        for name, tensor in state.items()
    }
    same = all(
        wanted[n].dtype == state[n].dtype and wanted[n].device == state[n].device for n in state
    )
    if same and not (frozen and any(tensor.requires_grad for tensor in state.values())):
        return model
    return lambda *args: torch.func.functional_call(model, wanted, args)
