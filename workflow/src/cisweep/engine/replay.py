"""A recorded forward run again: in place where a tensor is read no more, without unread heads.

Every value has the bits that the model gives it under the fast convolutions.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cisweep.engine.calls import Call, Ref, run_call
from cisweep.engine.executor import Leaving, Program, execute
from cisweep.engine.recording import Recording, check_no_hooks, record

_T = torch.Tensor
_CONVOLUTIONS = {torch.conv1d, torch.ops.aten.conv1d.default}
_RECTIFIERS = {torch.relu, F.relu, _T.relu, torch.ops.aten.relu.default}
_SUMS = {torch.add, _T.add, _T.__add__, torch.ops.aten.add.Tensor}
_MAKERS = _CONVOLUTIONS | _RECTIFIERS | _SUMS
# Operations that read a tensor and keep no view of it.
_READERS = _MAKERS | {torch.cat, _T.mean, _T.sum, _T.amax, F.linear}


class Replay:
    """Calls like the model, for any batch."""

    def __init__(self, recording: Recording):
        self.recording = recording
        self.program = Program.of(recording, recording.calls)
        self.target = self._in_place()

    def _in_place(self) -> dict[int, int]:
        """Return, for each call that may overwrite one of its inputs, that input's number."""
        calls, shapes = self.recording.calls, self.recording.shapes

        def may(index: int, number: int) -> bool:
            call = calls[index]
            known = call.function in _RECTIFIERS or self._is_plain_sum(call)
            alike = shapes[number] == shapes[call.outputs[0]]
            return known and alike and call.inputs.count(number) == 1

        return self.program.overwritable(
            may,
            makes_new=lambda index: calls[index].function in _MAKERS and not calls[index].writes,
            keeps_views=lambda index: calls[index].function not in _READERS,
        )

    @staticmethod
    def _is_plain_sum(call: Call) -> bool:
        plain = not call.kwargs and all(isinstance(a, Ref) for a in call.args)
        return call.function in _SUMS and plain and len(call.args) == 2

    def __call__(self, *inputs: Tensor, leaving: Leaving | None = None) -> Any:
        """Return the model's output; `leaving` is called with each tensor's number and the tensor
        before its last reader runs."""
        values, n = dict(enumerate(inputs)), inputs[0].shape[0]
        calls = self.recording.calls

        def run(index: int) -> list[Tensor]:
            call, target = calls[index], self.target.get(index)
            if target is None:
                return run_call(call, values, n)
            if call.function in _RECTIFIERS:
                return [values[target].relu_()]
            other = next(a.number for a in call.args if a.number != target)
            return [values[target].add_(values[other])]

        execute(self.program, values, run, leaving)
        return self.recording.result(values.__getitem__)


def replay_of(model: nn.Module, X: Tensor, args: tuple[Tensor, ...]) -> Replay:
    """Return a replay of the model for windows like X (1, 4, length); the caller checks it.

    Raises
    ------
    FastPathOff: the model cannot be recorded, or has hooks, which may keep what is overwritten.
    """
    check_no_hooks(model)
    return Replay(record(model, X, args))
