"""A model's forward pass recorded: its calls, and what everything that runs them asks of them.

The forward is recorded with a batch of two and one of four. What is the same in both is a
constant, a number in the ratio 2 : 4 is the batch, and everything else (a value that is looked
at, another path through the code) means that there is no recording: `record` raises, and the caller
runs the model itself.
"""

import numbers
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from cisweep.engine.calls import (
    Batch,
    Call,
    Ref,
    Untraceable,
    has_batch,
    is_made_by_shape,
    name_of,
    refs_in,
    tensors_in,
    walk,
)
from cisweep.engine.operations import REPLACED

_BATCHES = (2, 4)


@dataclass
class Recording:
    """The calls of a forward, of which only those that the output needs are kept.

    Tensor 0 is the sequence, 1 … n_inputs − 1 the further inputs. `active` are the tensors that
    depend on the sequence, the others are still (engine/constants.py); `by_batch` are those of them
    that depend on the batch or on the further inputs. `shapes` are those of a batch of two,
    `sizes` those of any, with `Batch` for what grows with it; `batched` are the tensors whose first
    axis is the batch. `output` is what the model returns, with a `Ref` for each tensor.
    """

    calls: list[Call]
    output: Any
    n_inputs: int
    shapes: dict[int, tuple[int, ...]]
    active: set[int]
    batched: set[int]
    sizes: dict[int, tuple[int | Batch, ...]]
    dtypes: dict[int, torch.dtype]
    by_batch: set[int]

    def shape(self, number: int, n: int) -> tuple[int, ...]:
        """Return a tensor's shape in a batch of n."""
        sizes = self.sizes[number]
        return tuple(each.factor * n if isinstance(each, Batch) else each for each in sizes)

    @cached_property
    def outputs(self) -> list[int]:
        """The tensors of the output."""
        return refs_in(self.output)

    def result(self, value: Callable[[int], Any]) -> Any:
        """Return the output with `value(number)` for each of its tensors."""
        return walk(self.output, lambda v: value(v.number) if isinstance(v, Ref) else v)

    @cached_property
    def active_calls(self) -> list[Call]:
        """The calls that depend on the sequence."""
        return [call for call in self.calls if call.active]

    @cached_property
    def still_reads(self) -> set[int]:
        """The still tensors that active calls read, and those of the output."""
        read = {i for call in self.active_calls for i in call.inputs}
        return (read | set(self.outputs)) - self.active

    @cached_property
    def still_calls(self) -> list[Call]:
        """The calls that make these, in order."""
        return _needed([c for c in self.calls if not c.active], self.still_reads)

    @cached_property
    def maker(self) -> dict[int, int]:
        """Which call makes a tensor, by its index in `calls`."""
        return {i: index for index, call in enumerate(self.calls) for i in call.outputs}

    @cached_property
    def uses(self) -> Counter[int]:
        """How often calls and the output read a tensor."""
        return Counter([*(i for call in self.calls for i in call.inputs), *self.outputs])

    def last_reads(self, reads: Sequence[Sequence[int]]) -> dict[int, int]:
        """Return where each tensor is read last: of these lists of tensors the index of the last
        one that has it, or their number if the output does."""
        last = {i: index for index, read in enumerate(reads) for i in read}
        return last | dict.fromkeys(self.outputs, len(reads))


class _Recorder(TorchFunctionMode):
    def __init__(self, inputs: Sequence[Tensor]):
        super().__init__()
        # Kept while the model runs, so that no address is used twice.
        self.tensors: list[Tensor] = list(inputs)
        self.number = {id(tensor): i for i, tensor in enumerate(inputs)}
        self.shapes = [tuple(tensor.shape) for tensor in inputs]
        self.dtypes = [tensor.dtype for tensor in inputs]
        self.active = {0}
        self.calls: list[Call] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if torch._C._functorch.peek_interpreter_stack() is not None:
            raise Untraceable("the forward calls torch.vmap or another transform of torch.func")
        if name_of(func) in ("__setitem__", "__set__") or "out" in kwargs:
            raise Untraceable(f"{name_of(func)} writes into a tensor")
        refs: list[int] = []

        def refer(value: Any) -> Any:
            if isinstance(value, Tensor) and id(value) in self.number:
                refs.append(self.number[id(value)])
                return Ref(refs[-1])
            return value

        call = Call(func, walk(args, refer), walk(kwargs, refer), [], refs)
        call.writes = _writes(name_of(func), kwargs)
        result = REPLACED.get(func, func)(*args, **kwargs)
        returned = tensors_in(result)
        reads = any(i in self.active for i in refs)
        if not returned:
            if reads and not _is_metadata(func):
                raise Untraceable(f"{name_of(func)} looks at a value of the sequence")
            return result
        self._check_in_place(call, returned)
        call.active = reads and not is_made_by_shape(func)
        for tensor in returned:
            self.number[id(tensor)] = len(self.tensors)
            call.outputs.append(len(self.tensors))
            self.tensors.append(tensor)
            self.shapes.append(tuple(tensor.shape))
            self.dtypes.append(tensor.dtype)
        if call.active:
            self.active.update(call.outputs)
        self.calls.append(call)
        return result

    def _check_in_place(self, call: Call, returned: list[Tensor]) -> None:
        # A tensor that is changed in place is a new number; what else looks at its memory is not
        # followed.
        changed = [i for i in call.inputs if any(self.tensors[i] is t for t in returned)]
        for i in changed:
            memory = _memory(self.tensors[i])
            same = [t for t in self.tensors if t is not self.tensors[i] and _memory(t) == memory]
            if same and call.writes:
                name = name_of(call.function)
                raise Untraceable(f"{name} changes a tensor that others are views of")

    def forget(self) -> None:
        """Let go of all tensors but those that do not depend on the sequence."""
        self.number = {}
        for i in self.active:
            self.tensors[i] = self.tensors[i].new_empty(0)


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _writes(name: str, kwargs: Any) -> bool:
    in_place = name.endswith("_") and not name.endswith("__")
    return (
        in_place or (name.startswith("__i") and name != "__invert__") or bool(kwargs.get("inplace"))
    )


_METADATA = (
    "__get__ size dim ndim stride numel nelement is_contiguous is_floating_point is_complex "
    "element_size data_ptr storage_offset get_device __len__ is_cuda __hash__ type is_signed "
    "__repr__ is_tensor is_storage has_names"
)


def _is_metadata(func: Any) -> bool:
    return name_of(func) in _METADATA.split()


def check_no_hooks(model: nn.Module) -> None:
    """Refuse a model with hooks, which see what a recorded forward leaves out or overwrites.

    Raises
    ------
    Untraceable: a module has a forward hook.
    """
    if any(m._forward_hooks or m._forward_pre_hooks for m in model.modules()):
        raise Untraceable("the model has hooks")


def record(model: nn.Module, X: Tensor, args: Sequence[Tensor] = ()) -> Recording:
    """Return the recording of the model's forward for windows like X (1, 4, length).

    Raises
    ------
    Untraceable: the forward looks at values, writes into tensors, depends on the batch otherwise
        than by numbers that grow with it, or mixes the windows of a batch.
    Whatever the model raises with a batch of two or four.
    """
    two, four = (_recorded(model, X, args, n) for n in _BATCHES)
    (calls, output, recorder), (other, other_output, other_recorder) = two, four
    if [c.function for c in calls] != [c.function for c in other]:
        raise Untraceable("the operations depend on the batch")
    for a, b in zip(calls, other):
        if a.outputs != b.outputs or a.active != b.active:
            raise Untraceable("the operations depend on the batch")
        a.args, a.kwargs = _merge(a.args, b.args), _merge(a.kwargs, b.kwargs)
    merged, n_inputs = _merge(output, other_output), 1 + len(args)
    kept = _needed(calls, refs_in(merged))
    numbers = {*range(n_inputs), *(i for call in kept for i in (*call.inputs, *call.outputs))}
    sizes = {i: _merge(recorder.shapes[i], other_recorder.shapes[i]) for i in sorted(numbers)}
    _check_windows_apart(kept, sizes)
    return Recording(
        kept,
        merged,
        n_inputs,
        dict(enumerate(recorder.shapes)),
        recorder.active,
        {i for i, size in sizes.items() if size[:1] == (Batch(1),)},
        sizes,
        dict(enumerate(recorder.dtypes)),
        _by_batch(kept, sizes, recorder, other_recorder, n_inputs),
    )


def _recorded(
    model: nn.Module, X: Tensor, args: Sequence[Tensor], n: int
) -> tuple[list[Call], Any, _Recorder]:
    inputs = [each[:1].repeat(n, *(1 for _ in each.shape[1:])) for each in (X, *args)]
    recorder = _Recorder(inputs)
    with torch.no_grad(), _left_as_found(model), recorder:
        output = model(*inputs)

    def refer(value: Any) -> Any:
        if isinstance(value, Tensor):
            if id(value) not in recorder.number:
                raise Untraceable("the output is not made by torch functions")
            return Ref(recorder.number[id(value)])
        return value

    found = walk(output, refer)
    recorder.forget()
    return recorder.calls, found, recorder


@contextmanager
def _left_as_found(model: nn.Module) -> Iterator[None]:
    """Take back what the forward leaves in attributes and buffers: a size, a state, a counter."""
    parts = [m.__dict__ for m in model.modules()]
    parts += [m._buffers for m in model.modules()]
    before = [dict(part) for part in parts]
    try:
        yield
    finally:
        for part, kept in zip(parts, before):
            for key in part.keys() - kept.keys():
                del part[key]
            part.update(kept)


def _merge(a: Any, b: Any) -> Any:
    """Return what is the same in the recordings with batches of two and four."""
    if type(a) is not type(b):
        raise Untraceable("the arguments depend on the batch")
    if isinstance(a, tuple | list):
        if len(a) != len(b):
            raise Untraceable("the arguments depend on the batch")
        items = [_merge(x, y) for x, y in zip(a, b)]
        if isinstance(a, list):
            return items
        return type(a)(*items) if hasattr(a, "_fields") else tuple(items)
    if isinstance(a, dict):
        if a.keys() != b.keys():
            raise Untraceable("the arguments depend on the batch")
        return {key: _merge(a[key], b[key]) for key in a}
    if isinstance(a, slice):
        return slice(*(_merge(getattr(a, k), getattr(b, k)) for k in ("start", "stop", "step")))
    if isinstance(a, Tensor):
        if a is b or (a.shape == b.shape and torch.equal(a, b)):
            return a
        raise Untraceable("a constant depends on the batch")
    if a is b or a == b:
        return a
    if isinstance(a, numbers.Integral) and not isinstance(a, bool):
        (n, m), (v, w) = _BATCHES, (int(a), int(b))
        if v % n == 0 and w % m == 0 and v // n == w // m:
            return Batch(v // n)
    raise Untraceable("the arguments depend on the batch")


def _needed(calls: Sequence[Call], tensors: Iterable[int]) -> list[Call]:
    """Return the calls on which these tensors depend, in order."""
    wanted, kept = set(tensors), []
    for call in reversed(calls):
        if wanted.intersection(call.outputs):
            wanted.update(call.inputs)
            kept.append(call)
    return kept[::-1]


def _check_windows_apart(calls: list[Call], sizes: dict[int, Any]) -> None:
    """Refuse what has no axis for the batch and yet depends on the sequences: all of them."""
    for call in calls:
        if call.active and not any(has_batch(sizes[i]) for i in call.outputs):
            raise Untraceable(f"{name_of(call.function)} mixes the windows of a batch")


def _by_batch(
    calls: list[Call], sizes: dict[int, Any], two: _Recorder, four: _Recorder, n_inputs: int
) -> set[int]:
    """Return the tensors, apart from the sequence, whose shape or values depend on the batch."""
    found = set(range(1, n_inputs))
    for call in calls:
        if call.active:
            continue
        depends = has_batch((call.args, call.kwargs)) or not found.isdisjoint(call.inputs)
        for i in call.outputs:
            if depends or has_batch(sizes[i]) or not torch.equal(two.tensors[i], four.tensors[i]):
                found.add(i)
    return found
