"""Tensors that report each operation run on them, and the two passes that compare them.

A model runs once on the examples (pass 1) and then on references (pass 2), always with the same
number of rows, so that the two values of any activation have one shape wherever the batch axis
stands in it. Pass 1 keeps what each non-linear operation needs of the example; pass 2, which
autograd follows, replaces derivatives by the multipliers of the pair. Pass 2 has to run the same
operations in the same order: where it does not, the model branches on values, which is refused.
"""

import inspect
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

import torch
from torch.overrides import enable_reentrant_dispatch
from torch.utils._pytree import tree_map_only
from torch.utils.weak import WeakIdKeyDictionary

from cisweep.errors import AttributionError

Handler = Callable[["Trace", Any, tuple, dict], Any]


@dataclass
class Storage:
    """Whether the memory that tensors share depends on the input yet."""

    active: bool


_ACTIVE = Storage(True)


class Cell:
    """Where the value of an activation in the present pass stands, for all that look at it."""

    __slots__ = ("value",)

    def __init__(self, value: torch.Tensor | None):
        self.value = value


class Tracked(torch.Tensor):
    """An activation that depends on the input: `inner` is its value in the present pass.

    Comparisons give a Tracked of dtype bool whose inner value is 0.0 or 1.0, so that a mask made
    from activations has a multiplier too. `producer` is the index of the call that wrote it last.
    A tensor that the model makes anew (`torch.zeros`) is tracked but not active until an
    activation is written into its storage.
    """

    cell: Cell
    trace: "Trace"
    producer: int
    memory: Storage
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(
        cls,
        trace: "Trace",
        inner: Any,
        producer: int,
        like: Any = None,
        dtype: Any = None,
        storage: Storage = _ACTIVE,
    ):
        """Wrap `inner`, a value or the cell of one; None, not computed, looks like `like`."""
        cell = inner if isinstance(inner, Cell) else Cell(inner)
        like = cell.value if like is None else like
        self = torch.Tensor._make_wrapper_subclass(
            cls,
            like.shape,
            strides=like.stride(),
            dtype=dtype or like.dtype,
            device=like.device,
        )
        self.cell, self.trace, self.producer = cell, trace, producer
        self.memory = storage
        return self

    @property
    def inner(self) -> torch.Tensor | None:
        """Return the value in the present pass; None where it is not computed."""
        return self.cell.value

    def __repr__(self) -> str:
        return f"Tracked({tuple(self.shape)}, {self.dtype})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        """Hand the call to the trace of the first tracked argument."""
        kwargs = kwargs or {}
        _depth.value = getattr(_depth, "value", 0) + 1
        try:
            found = tracked_in(args, kwargs)
            first = next((tensor for tensor in found if tensor.memory.active), found[0])
            return first.trace.call(func, args, kwargs, found)
        finally:
            _depth.value -= 1


@dataclass
class Entry:
    """One call of pass 1: what it read, what it keeps of the example, what it gave.

    `example` and `reference` run it again on what stands in the cells `inputs`; `outputs` has a
    cell, or None where that is no tensor, for each result. `writes` is what it changes in place.
    """

    func: Any
    reads: list[int]
    saved: list[Any]
    gave: list[Any]
    live: bool = False
    nested: bool = False
    example: Callable[[], tuple[Any, list[Any]]] | None = None
    reference: Callable[[list[Any]], Any] | None = None
    inputs: list[Cell] = field(default_factory=list)
    outputs: list[Cell | None] = field(default_factory=list)
    writes: Tracked | None = None


@dataclass(frozen=True)
class Look:
    """Shape, strides, dtype and device of a result that pass 2 need not compute."""

    shape: torch.Size
    strides: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    outer: torch.dtype

    def stride(self) -> tuple[int, ...]:
        """Return the strides, as a tensor would."""
        return self.strides


def tracked_in(*values: Any) -> list[Tracked]:
    """Return the tracked tensors in nested lists, tuples and dicts, in order."""
    found: list[Tracked] = []
    for value in values:
        kind = type(value)
        if kind is Tracked:
            found.append(value)
        elif kind is tuple or kind is list or issubclass(kind, (list, tuple)):
            if value:
                found += tracked_in(*value)
        elif kind is dict and value:
            found += tracked_in(*value.values())
    return found


def as_number(mask: Any) -> Any:
    """Return a tracked mask as the tracked 0.0 and 1.0 that it is inside; others as they are."""
    if isinstance(mask, Tracked) and mask.dtype is torch.bool:
        dtype = mask.trace.number if mask.inner is None else mask.inner.dtype
        return Tracked(mask.trace, mask.cell, mask.producer, like=mask, dtype=dtype)
    return mask


def as_mask(number: Tracked) -> Tracked:
    """Return tracked 0.0 and 1.0 as the mask that the model expects."""
    return Tracked(number.trace, number.cell, number.producer, like=number, dtype=torch.bool)


_depth = threading.local()


def reentrant() -> AbstractContextManager:
    """Return the context in which a handler may call torch as if from outside.

    A rule for a whole module runs outside already, where torch does not allow that context.
    """
    inside = getattr(_depth, "value", 0) > 0
    return enable_reentrant_dispatch() if inside else nullcontext()


_detached: WeakIdKeyDictionary = WeakIdKeyDictionary()


def _constant_of(parameter: torch.Tensor) -> torch.Tensor:
    """Return the parameter without its wish for gradients, for which autograd would keep inputs.

    It is the same tensor at each call, so that a convolution can keep the weights' layout for it.
    """
    known = _detached.get(parameter)
    if known is None or known.data_ptr() != parameter.data_ptr():
        known = _detached[parameter] = parameter.detach()
    return known


def bare(value: Any) -> Any:
    """Return `value` with tracked tensors replaced by this pass's values, constants detached."""
    kind = type(value)
    if kind is Tracked:
        return value.inner
    if kind is tuple or kind is list:
        return kind([bare(item) for item in value])
    if kind is dict:
        return {key: bare(item) for key, item in value.items()} if value else value
    if isinstance(value, torch.Tensor) and value.requires_grad:
        return _constant_of(value)
    return value


def settled(value: Any) -> Any:
    """Return `value` with the model's constants detached, once for all passes."""
    if isinstance(value, Tracked):
        return value
    if type(value) in (tuple, list):
        return type(value)([settled(item) for item in value])
    if isinstance(value, dict):
        return {key: settled(item) for key, item in value.items()}
    return bare(value)


def _without_constants(tensor: Tracked) -> Any:
    return tensor if tensor.memory.active else tensor.inner


@dataclass
class Trace:
    """The calls of one block of examples, replayed for each of its references.

    `repeats` says whether the calls, run again without the model, give what the model gives for
    other references; `repeats_examples`, for other examples too.
    """

    handler_of: Callable[[Any], Handler]
    entries: list[Entry] = field(default_factory=list)
    replaying: bool = False
    cursor: int = 0
    open: bool = False
    number: torch.dtype = torch.float32
    repeats: bool = True
    repeats_examples: bool = True

    def start(self, value: torch.Tensor, *, replay: bool) -> Tracked:
        """Return the tracked input of the next pass."""
        self.replaying, self.cursor, self.number = replay, 0, value.dtype
        return Tracked(self, value, -1)

    def call(self, func: Any, args: tuple, kwargs: dict, found: list[Tracked]) -> Any:
        """Run one operation by its handler and return tracked results; `found` are in `args`."""
        if not self.replaying:
            refuse_custom_functions()
        active = [tensor.memory.active for tensor in found]
        if not all(active):
            if not any(active):
                return self._idle(func, args, kwargs)
            first = 1 if func._schema.is_mutable else 0
            args = (*args[:first], *tree_map_only(Tracked, _without_constants, args[first:]))
            kwargs = tree_map_only(Tracked, _without_constants, kwargs)
        elif not self.open or any(tensor.trace is not self for tensor in found):
            raise AttributionError(
                "the model keeps activations of an earlier call",
                where=calling_line(),
                mend="let it forget them (a cache, a recurrent state) before each call",
            )
        return self.handler_of(func)(self, func, args, kwargs)

    def constant(self, value: torch.Tensor, storage: Storage | None = None) -> torch.Tensor:
        """Return a new tensor of the model's own as one that activations can be written into."""
        if not self.open or not value.is_floating_point():
            return value
        return Tracked(self, value, -1, storage=storage or Storage(False))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Run what a rule encloses on plain tensors, new ones plain too."""
        was, self.open = self.open, False
        try:
            yield
        finally:
            self.open = was

    def _idle(self, func: Any, args: tuple, kwargs: dict) -> Any:
        """Run an operation on tensors that do not depend on the input (yet)."""
        if torch.Tag.nondeterministic_seeded in func.tags:
            return self.handler_of(func)(self, func, args, kwargs)
        with reentrant(), torch.set_grad_enabled(self.open and self.replaying):
            value = func(*bare(args), **bare(kwargs))
        if func._schema.is_mutable:
            return args[0]
        storage = tracked_in(args, kwargs)[0].memory if func.is_view else None
        return tree_map_only(torch.Tensor, lambda t: self.constant(t, storage), value)

    def operation(
        self,
        func: Any,
        operands: Any,
        example: Callable[[], tuple[Any, list[Any]]],
        reference: Callable[[list[Any]], Any],
        *,
        dtype: torch.dtype | None = None,
        writes: Tracked | None = None,
    ) -> Any:
        """Run `example` in pass 1, keeping what it saves, or `reference` of that in pass 2.

        `dtype` is the type that the model sees, where it is not that of the value. `writes` is
        the tensor that the call changes in place, and then the result.
        """
        if writes is not None:
            # A tensor of the model's own that is written into has to be made anew by the model.
            self.repeats = self.repeats and writes.memory.active
            writes.memory.active = True
        if self.replaying:
            return self._replay(func, reference, writes)
        index, self.cursor = self.cursor, self.cursor + 1
        read = tracked_in(operands) if writes is None else [*tracked_in(operands), writes]
        if writes is not None:
            self.keep_what_is_overwritten(writes.inner)
        value, saved = example()
        entry = Entry(func, [tensor.producer for tensor in read], saved, [])
        entry.example, entry.reference = example, reference
        entry.inputs = [tensor.cell for tensor in read]
        entry.live, entry.writes = writes is not None, writes
        entry.nested = isinstance(value, (list, tuple))
        self.entries.append(entry)
        if writes is not None:
            writes.producer = index
            return writes
        return self._wrap(value, index, dtype, entry)

    def finish(self) -> None:
        """Check that the second pass ran as many operations as the first."""
        if self.cursor < len(self.entries):
            raise self._another_course("nothing")

    def hold(self, compute: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Return the example's value of `compute` in both passes: a constant of the pair."""
        index, self.cursor = self.cursor, self.cursor + 1
        self.repeats_examples = False
        if not self.replaying:
            self.entries.append(Entry(compute.__qualname__, [], [compute()], [], live=True))
        return self.entries[index].saved[0]

    def _wrap(self, value: Any, index: int, dtype: Any, entry: Entry) -> Any:
        """Return results of the example pass, tracked; the entry takes what they look like."""
        if isinstance(value, torch.Tensor):
            outer = dtype or value.dtype
            look = Look(value.shape, value.stride(), value.dtype, value.device, outer)
            tracked = Tracked(self, value, index, dtype=outer)
            entry.gave.append(look)
            entry.outputs.append(tracked.cell)
            return tracked
        if isinstance(value, (list, tuple)):
            return type(value)(self._wrap(item, index, dtype, entry) for item in value)
        entry.gave.append(value)
        entry.outputs.append(None)
        return value

    def _replay(self, func: Any, reference: Callable, writes: Tracked | None) -> Any:
        index = self.cursor
        self.cursor += 1
        if index >= len(self.entries) or self.entries[index].func is not func:
            raise self._another_course(str(func))
        entry = self.entries[index]
        looks = entry.gave
        if not entry.live:
            values = [None] * len(looks)
        else:
            with reentrant(), torch.enable_grad():
                value = reference(entry.saved)
            if writes is not None:
                writes.producer = index
                return writes
            values = value if isinstance(value, (list, tuple)) else [value]
        # Strides as in the example pass: by them torch chooses between a view and a copy.
        results = [
            Tracked(self, value, index, like=look, dtype=look.outer)
            if isinstance(look, Look)
            else look
            for value, look in zip(values, looks)
        ]
        return results[0] if len(results) == 1 and not entry.nested else tuple(results)

    def _another_course(self, ran: str) -> AttributionError:
        return AttributionError(
            f"the model ran {ran} for a reference where it ran something else for the example",
            where=calling_line(),
            mend="write the branch with torch.where, so that both sequences run the same calls",
        )

    def keep_what_is_overwritten(self, target: torch.Tensor) -> None:
        """Copy what entries have saved of a tensor that is about to change."""
        storage = target.untyped_storage().data_ptr()
        for entry in self.entries:
            for i, kept in enumerate(entry.saved):
                if isinstance(kept, torch.Tensor) and kept.untyped_storage().data_ptr() == storage:
                    entry.saved[i] = kept.clone()

    def mark_live(self, results: list[Tracked]) -> None:
        """Mark the calls that `results` depend on; pass 2 skips the others."""
        pending = [tensor.producer for tensor in results]
        pending += [i for entry in self.entries if entry.live for i in entry.reads]
        while pending:
            index = pending.pop()
            if index >= 0 and not self.entries[index].live:
                self.entries[index].live = True
                pending.extend(self.entries[index].reads)


def calling_line() -> str | None:
    """Return file and line of the model's code that made the present call, where there is one."""
    for frame in reversed(traceback.extract_stack()):
        name = frame.filename
        if "/torch/" not in name and "/cisweep/analysis/" not in name and "<" not in name:
            return f"{name}:{frame.lineno}"
    return None


_function_of: dict[CodeType, type | None] = {}


def _autograd_function(code: CodeType) -> type | None:
    """Return the autograd function whose forward has this code, or None.

    Asked of the classes, since `apply` leaves no frame of its own from torch 2.14 on, and a model
    may hold it as a bound method.
    """
    if code not in _function_of:
        pending, found = [torch.autograd.Function], None
        while pending and found is None:
            cls = pending.pop()
            pending += cls.__subclasses__()
            forward = vars(cls).get("forward")
            inner = inspect.unwrap(getattr(forward, "__func__", forward))
            found = cls if getattr(inner, "__code__", None) is code else None
        _function_of[code] = found
    return _function_of[code]


def refuse_custom_functions() -> None:
    """Refuse an operation inside an autograd function that the model's author wrote."""
    frame = sys._getframe(2)
    while frame is not None:
        cls = _autograd_function(frame.f_code)
        # CheckpointFunction computes what it wraps, no more.
        if cls is not None and cls.__name__ != "CheckpointFunction":
            raise AttributionError(
                f"custom autograd function {cls.__qualname__} has a gradient of its own, "
                "which need not belong to what it computes",
                where=calling_line(),
                mend="write it with torch operations, or put it into a module of its own and "
                "register a rule for the module's class in additional_nonlinear_ops",
            )
        frame = frame.f_back


def composite(expand: Callable[..., Any]) -> Handler:
    """Return the handler of an operation that is written out in others by `expand`."""

    def handle(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
        with reentrant():
            return expand(*args, **kwargs)

    return handle
