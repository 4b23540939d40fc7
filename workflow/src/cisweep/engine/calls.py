"""The calls of a recording, what stands in them for tensors and the batch, and how one is run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch import Tensor

from cisweep.engine.operations import REPLACED
from cisweep.engine.policy import FastPathOff


@dataclass(frozen=True)
class Ref:
    """A tensor of the recording, by its number."""

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

    @cached_property
    def fast(self) -> Callable[..., Any]:
        """What runs in place of the function, as within `fast_convolutions` and without its cost:
        a context would see every operation of the calls around this one."""
        return REPLACED.get(self.function, self.function)


class Untraceable(FastPathOff):
    """The forward cannot be recorded; the message says why."""


def name_of(func: Any) -> str:
    """Return what an operation is called."""
    return getattr(func, "__name__", str(func))


_MADE_BY_SHAPE = frozenset(
    ["new_zeros", "new_ones", "new_full", "new_empty", "zeros_like", "ones_like", "full_like",
     "empty_like"]
)  # fmt: skip


def is_made_by_shape(func: Any) -> bool:
    """Return whether an operation reads of its first tensor only what that looks like."""
    return name_of(func) in _MADE_BY_SHAPE


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


def refs_in(value: Any) -> list[int]:
    """Return the numbers of the tensors that a structure refers to."""
    found: list[int] = []
    walk(value, lambda leaf: found.append(leaf.number) if isinstance(leaf, Ref) else None)
    return found


def has_batch(value: Any) -> bool:
    """Return whether a structure has a number that is the batch."""
    found: list[bool] = []
    walk(value, lambda leaf: found.append(True) if isinstance(leaf, Batch) else None)
    return bool(found)


def run_call(
    call: Call, values: dict[int, Tensor], n: int, function: Callable[..., Any] | None = None
) -> list[Tensor]:
    """Return the tensors that a call gives in a batch of n.

    function: what is called; None for the fast operation in place of the recorded one.
    """

    def fill(leaf: Any) -> Any:
        if isinstance(leaf, Ref):
            value = values[leaf.number]
            return value.clone() if call.writes else value
        if isinstance(leaf, Batch):
            return leaf.factor * n
        return leaf.clone() if call.writes and isinstance(leaf, Tensor) else leaf

    if call.is_flat:  # without a walk, which costs as much as a small operation
        args = [fill(leaf) for leaf in call.args]
        kwargs = {name: fill(leaf) for name, leaf in call.kwargs.items()}
    else:
        args, kwargs = walk(call.args, fill), walk(call.kwargs, fill)
    result = (function or call.fast)(*args, **kwargs)
    return [result] if isinstance(result, Tensor) else tensors_in(result)
