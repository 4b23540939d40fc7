"""A recorded forward run again: in place where a tensor is read no more, without unread heads.

Every value has the bits that the model gives it under the fast convolutions.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cisweep.engine.operations import REPLACED
from cisweep.engine.recording import check_no_hooks, record
from cisweep.engine.tape import Ref, Tape, refs_in, run_call, walk

_T = torch.Tensor
_CONVOLUTIONS = {torch.conv1d, torch.ops.aten.conv1d.default}
_RECTIFIERS = {torch.relu, F.relu, _T.relu, torch.ops.aten.relu.default}
_SUMS = {torch.add, _T.add, _T.__add__, torch.ops.aten.add.Tensor}
# Operations that read a tensor and keep no view of it.
_READERS = _CONVOLUTIONS | _RECTIFIERS | _SUMS | {torch.cat, _T.mean, _T.sum, _T.amax, F.linear}

TOLERANCE = 1e-5
"""Largest difference of a replay from its model that is accepted, of the largest output."""


class Replay:
    """Calls like the model, for any batch."""

    def __init__(self, tape: Tape):
        self.tape = tape
        self.last: dict[int, int] = {}
        for index, call in enumerate(tape.calls):
            self.last.update(dict.fromkeys(call.inputs, index))
        self.last.update(dict.fromkeys(refs_in(tape.output), len(tape.calls)))
        self.target = self._in_place()
        self.functions = [REPLACED.get(call.function, call.function) for call in tape.calls]

    def _in_place(self) -> dict[int, int]:
        """Return, for each call that may overwrite one of its inputs, that input's number."""
        fresh: set[int] = set()
        found = {}
        shapes = self.tape.shapes
        for index, call in enumerate(self.tape.calls):
            if call.function in _RECTIFIERS | _SUMS:
                free = [
                    i
                    for i in call.inputs
                    if i in fresh
                    and self.last[i] == index
                    and call.inputs.count(i) == 1
                    and shapes[i] == shapes[call.outputs[0]]
                ]
                if free and (call.function in _RECTIFIERS or self._is_plain_sum(call)):
                    found[index] = free[0]
            if call.function not in _READERS:
                fresh.difference_update(call.inputs)
            elif call.function in _CONVOLUTIONS | _RECTIFIERS | _SUMS and not call.writes:
                fresh.update(call.outputs)
        return found

    @staticmethod
    def _is_plain_sum(call: Any) -> bool:
        return (
            not call.kwargs and len(call.args) == 2 and all(isinstance(a, Ref) for a in call.args)
        )

    def __call__(
        self, *inputs: Tensor, leaving: Callable[[int, Tensor], None] | None = None
    ) -> Any:
        """Return the model's output; `leaving` is called with each tensor's number and the tensor
        before its last reader runs."""
        values = dict(enumerate(inputs))
        for index, call in enumerate(self.tape.calls):
            if leaving is not None:
                for number in dict.fromkeys(call.inputs):
                    if self.last[number] == index:
                        leaving(number, values[number])
            target = self.target.get(index)
            if target is None:
                results = run_call(call, values, inputs[0].shape[0], self.functions[index])
            elif call.function in _RECTIFIERS:
                results = [values[target].relu_()]
            else:
                other = next(a.number for a in call.args if a.number != target)
                results = [values[target].add_(values[other])]
            for number, tensor in zip(call.outputs, results, strict=True):
                values[number] = tensor
            for number in call.inputs:
                if self.last[number] == index:
                    values.pop(number, None)
        return walk(self.tape.output, lambda v: values[v.number] if isinstance(v, Ref) else v)


def replay_of(model: nn.Module, X: Tensor, args: tuple[Tensor, ...]) -> Replay:
    """Return a replay of the model for windows like X (1, 4, length); the caller checks it.

    Raises
    ------
    FastPathOff: the model cannot be recorded, or has hooks, which may keep what is overwritten.
    """
    check_no_hooks(model)
    return Replay(record(model, X, args))
