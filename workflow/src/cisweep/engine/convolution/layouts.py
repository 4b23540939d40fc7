"""Weights in other layouts, made once and kept as long as they do not change."""

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor


class _Prepared(NamedTuple):
    alive: weakref.ref
    stamp: tuple[Any, ...]
    made: dict[Any, Any]


# By the weight's id: a look-up in a dictionary with weak keys costs as much as a small operation.
_prepared: dict[int, _Prepared] = {}


def stamp_of(tensor: Tensor | None) -> tuple[Any, ...]:
    """Return what differs once a tensor has been changed or replaced."""
    return () if tensor is None else (tensor._version, tensor.data_ptr(), tensor.dtype)


def laid_out(weight: Tensor, name: Any, make: Callable[[Tensor], Any]) -> Any:
    """Return make(weight), kept as long as the weight lives and is not changed."""
    stamp, key = stamp_of(weight), id(weight)
    entry = _prepared.get(key)
    if entry is None or entry.alive() is not weight or entry.stamp != stamp:
        # Bound, since a module's names are gone when the last weights end with the process.
        def forget(gone: weakref.ref, prepared: dict[int, _Prepared] = _prepared) -> None:
            if key in prepared and prepared[key].alive is gone:
                del prepared[key]

        entry = _prepared[key] = _Prepared(weakref.ref(weight, forget), stamp, {})
    if name not in entry.made:
        with torch.no_grad():
            entry.made[name] = make(weight.detach())
    return entry.made[name]
