"""A model's forward pass as a list of operations, that can be run again on part of the data.

The forward is recorded with a batch of two and one of three. What is the same in both is a
constant, a number in the ratio 2 : 3 is the batch, and everything else (a value that is looked
at, another path through the code) means that there is no tape: `record` returns None, and the
caller runs the model itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from cisweep.models.fast_operations import REPLACED


@dataclass(frozen=True)
class Ref:
    """A tensor of the tape, by its number."""

    number: int


@dataclass(frozen=True)
class Batch:
    """A number that is `factor` times the batch."""

    factor: int


@dataclass
class Call:
    """One operation: `outputs` are the numbers of the tensors that it returns."""

    function: Callable[..., Any]
    args: Any
    kwargs: Any
    outputs: list[int]
    inputs: list[int] = field(default_factory=list)
    active: bool = False  # depends on the sequence
    writes: bool = False  # changes an input in place

    @cached_property
    def is_flat(self) -> bool:
        """Whether no argument is a structure of others."""
        leaves = (*self.args, *self.kwargs.values())
        return not any(isinstance(leaf, tuple | list | dict | slice) for leaf in leaves)


@dataclass
class Tape:
    """The operations of a forward, of which only those that the output needs are kept.

    Tensor 0 is the sequence, 1 … n_inputs − 1 the further inputs. `shapes` are those of a batch of
    two; `batched` are the tensors whose first axis is the batch.
    """

    calls: list[Call]
    output: Any
    n_inputs: int
    shapes: dict[int, tuple[int, ...]]
    active: set[int]
    batched: set[int]


class Untraceable(Exception):
    """The forward cannot be recorded; the message says why."""


class _Recorder(TorchFunctionMode):
    def __init__(self, inputs: Sequence[Tensor]):
        super().__init__()
        self.tensors: list[Tensor] = list(inputs)  # kept, so that no address is used twice
        self.number = {id(tensor): i for i, tensor in enumerate(inputs)}
        self.shapes = [tuple(tensor.shape) for tensor in inputs]
        self.active = {0}
        self.calls: list[Call] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        refs: list[int] = []

        def refer(value: Any) -> Any:
            if isinstance(value, Tensor) and id(value) in self.number:
                refs.append(self.number[id(value)])
                return Ref(refs[-1])
            return value

        call = Call(func, walk(args, refer), walk(kwargs, refer), [], refs)
        call.writes = _writes(_name(func), kwargs)
        result = REPLACED.get(func, func)(*args, **kwargs)
        returned = tensors_in(result)
        reads = any(i in self.active for i in refs)
        if not returned:
            if reads and not _is_metadata(func):
                raise Untraceable(f"{_name(func)} looks at a value of the sequence")
            return result
        self._check_in_place(call, returned)
        call.active = reads and not _is_made_by_shape(func)
        for tensor in returned:
            self.number[id(tensor)] = len(self.tensors)
            call.outputs.append(len(self.tensors))
            self.tensors.append(tensor)
            self.shapes.append(tuple(tensor.shape))
        if call.active:
            self.active.update(call.outputs)
        self.calls.append(call)
        return result

    def _check_in_place(self, call: Call, returned: list[Tensor]) -> None:
        name = _name(call.function)
        if name in ("__setitem__", "__set__") or any(k == "out" for k in call.kwargs):
            raise Untraceable(f"{name} writes into a tensor")
        # A tensor that is changed in place is a new number; what else looks at its memory is not
        # followed.
        changed = [i for i in call.inputs if any(self.tensors[i] is t for t in returned)]
        for i in changed:
            memory = _memory(self.tensors[i])
            same = [t for t in self.tensors if t is not self.tensors[i] and _memory(t) == memory]
            if same and call.writes:
                raise Untraceable(f"{name} changes a tensor that others are views of")


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _writes(name: str, kwargs: Any) -> bool:
    in_place = name.endswith("_") and not name.endswith("__")
    return (
        in_place or (name.startswith("__i") and name != "__invert__") or bool(kwargs.get("inplace"))
    )


def _name(func: Any) -> str:
    return getattr(func, "__name__", str(func))


_METADATA = (
    "__get__ size dim ndim stride numel nelement is_contiguous is_floating_point is_complex "
    "element_size data_ptr storage_offset get_device __len__ is_cuda __hash__ type is_signed "
    "__repr__ is_tensor is_storage has_names"
)
_MADE_BY_SHAPE = "new_zeros new_ones new_full new_empty zeros_like ones_like full_like empty_like"


def _is_metadata(func: Any) -> bool:
    return _name(func) in _METADATA.split()


def _is_made_by_shape(func: Any) -> bool:
    return _name(func) in _MADE_BY_SHAPE.split()


def walk(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return a structure of tuples, lists, dicts and slices with `change` applied to each leaf."""
    if isinstance(value, tuple):
        items = (walk(item, change) for item in value)
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    if isinstance(value, list):
        return [walk(item, change) for item in value]
    if isinstance(value, dict):
        return {key: walk(item, change) for key, item in value.items()}
    if isinstance(value, slice):
        return slice(*(walk(v, change) for v in (value.start, value.stop, value.step)))
    return change(value)


def tensors_in(value: Any) -> list[Tensor]:
    """Return the tensors of a structure, in order."""
    found: list[Tensor] = []
    walk(value, lambda leaf: found.append(leaf) if isinstance(leaf, Tensor) else None)
    return found


def record(model: nn.Module, X: Tensor, args: Sequence[Tensor] = ()) -> Tape:
    """Return the tape of the model's forward for windows like X (1, 4, length).

    Raises
    ------
    Untraceable: the forward looks at values, writes into tensors, or depends on the batch.
    """
    two, three = (_recorded(model, X, args, n) for n in (2, 3))
    (calls, output, recorder), (other, other_output, other_recorder) = two, three
    if [c.function for c in calls] != [c.function for c in other]:
        raise Untraceable("the operations depend on the batch")
    batched = {
        i
        for i, (a, b) in enumerate(zip(recorder.shapes, other_recorder.shapes))
        if a[:1] == (2,) and b[:1] == (3,)
    }
    for a, b in zip(calls, other):
        if a.outputs != b.outputs:
            raise Untraceable("the operations depend on the batch")
        a.args, a.kwargs = _merge(a.args, b.args), _merge(a.kwargs, b.kwargs)
    merged = _merge(output, other_output)
    shapes = dict(enumerate(recorder.shapes))
    kept = _needed(calls, merged)
    return Tape(kept, merged, 1 + len(args), shapes, recorder.active, batched)


@torch.no_grad()
def _recorded(
    model: nn.Module, X: Tensor, args: Sequence[Tensor], n: int
) -> tuple[list[Call], Any, _Recorder]:
    inputs = [each[:1].repeat(n, *(1 for _ in each.shape[1:])) for each in (X, *args)]
    recorder = _Recorder(inputs)
    with recorder:
        output = model(*inputs)

    def refer(value: Any) -> Any:
        if isinstance(value, Tensor):
            if id(value) not in recorder.number:
                raise Untraceable("the output is not made by torch functions")
            return Ref(recorder.number[id(value)])
        return value

    return recorder.calls, walk(output, refer), recorder


def _merge(a: Any, b: Any) -> Any:
    """Return what is the same in the recordings with batches of two and three."""
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
    if a == b:
        return a
    if isinstance(a, int) and a % 2 == 0 and b % 3 == 0 and a // 2 == b // 3:
        return Batch(a // 2)
    raise Untraceable("the arguments depend on the batch")


def refs_in(value: Any) -> list[int]:
    """Return the numbers of the tensors that a structure refers to."""
    found: list[int] = []
    walk(value, lambda leaf: found.append(leaf.number) if isinstance(leaf, Ref) else None)
    return found


def _needed(calls: list[Call], output: Any) -> list[Call]:
    """Return the calls on which the output depends, in order."""
    wanted, kept = set(refs_in(output)), []
    for call in reversed(calls):
        if wanted.intersection(call.outputs):
            wanted.update(call.inputs)
            kept.append(call)
    return kept[::-1]


def run_call(
    call: Call, values: dict[int, Tensor], n: int, function: Callable[..., Any] | None = None
) -> list[Tensor]:
    """Return the tensors that a call, or another function of it, gives in a batch of n."""

    def fill(leaf: Any) -> Any:
        if isinstance(leaf, Ref):
            value = values[leaf.number]
            return value.clone() if call.writes else value
        return leaf.factor * n if isinstance(leaf, Batch) else leaf

    if call.is_flat:  # without a walk, which costs as much as a small operation
        args = [fill(leaf) for leaf in call.args]
        kwargs = {name: fill(leaf) for name, leaf in call.kwargs.items()}
    else:
        args, kwargs = walk(call.args, fill), walk(call.kwargs, fill)
    result = (function or call.function)(*args, **kwargs)
    return [result] if isinstance(result, Tensor) else tensors_in(result)
