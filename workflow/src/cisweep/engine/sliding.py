"""A recorded forward, run on a stretch of many windows without repeating what they share.

Each convolution runs once over the stretch, and what a model does with a whole window (a mean, a
dense layer, an output) is done with the windows' parts of it.
"""

from typing import Any

import torch
from torch import Tensor, nn

from cisweep.engine.calls import Call, name_of, run_call
from cisweep.engine.constants import Stills
from cisweep.engine.executor import Program, execute
from cisweep.engine.policy import FastPathOff
from cisweep.engine.propagation.parsing import local_rule
from cisweep.engine.propagation.rules import Convolution, Pointwise, Sum
from cisweep.engine.recording import record

# Operations that only lay a window's part out in another way before a dense layer.
_LAYOUTS = frozenset({"flatten", "reshape", "view", "squeeze", "unsqueeze", "transpose", "permute"})


class Sliding:
    """A model's forward that runs on a stretch of many windows.

    Parameters
    ----------
    model: recorded on one window.
    window: one-hot (1, 4, window_bp).
    stride_bp: distance of window starts.
    """

    def __init__(self, model: nn.Module, window: Tensor, stride_bp: int):
        self.stride_bp, self.window_bp = stride_bp, window.shape[2]
        self.recording = record(model, window)
        self.shapes = self.recording.shapes
        self.stills = Stills(self.recording, [window])
        self.alike: set[int] = set()  # constants of which one window's is taken for all
        # Positions [start, end) of each sliding tensor that no padding of the window reaches.
        self.clean: dict[int, tuple[int, int]] = {0: (0, self.window_bp)}
        self.rules: list[Any] = []
        local = {0}
        for call in self.recording.active_calls:
            rule = local_rule(call, self.recording, local)
            if rule is not None and rule.is_local:
                local.update(call.outputs)
                self.clean[call.outputs[0]] = self._clean(rule)
            else:
                self._check_gather(call, rule)
            self.rules.append(rule)
        for number in self.recording.outputs:
            self._check_clean(number, "an output")
        self.program = Program.of(self.recording, self.recording.active_calls)
        self.in_place = self._in_place()

    def _in_place(self) -> dict[int, int]:
        """Return the number of the tensor that each call may overwrite."""

        def is_new(index: int) -> bool:
            return isinstance(self.rules[index], Pointwise | Convolution)

        return self.program.overwritable(
            may=lambda index, _: isinstance(self.rules[index], Pointwise),
            makes_new=is_new,
            keeps_views=lambda index: not is_new(index),
        )

    def _clean(self, rule: Any) -> tuple[int, int]:
        starts, ends = [], []
        for number, (a, b) in rule.reads.items():
            if number in self.clean:
                starts.append(self.clean[number][0] - a)
                ends.append(self.clean[number][1] - b)
            else:
                self._check_constant(number)
        length = self.shapes[rule.call.outputs[0]][2]
        return max(0, *starts), min(length, *ends)

    def _check_constant(self, number: int) -> None:
        still = self.stills.get(number, 1)
        if not torch.equal(still, still[:, :, :1].expand_as(still)):
            raise _not_sliding("a constant differs between positions of the window")
        self.alike.add(number)

    def _check_gather(self, call: Call, rule: Any) -> None:
        sliding = [i for i in call.inputs if i in self.clean]
        name = name_of(call.function)
        if sliding and rule is None and name not in _LAYOUTS:
            raise _not_sliding(f"{name} does not slide along the sequence")
        for number in sliding:
            self._check_clean(number, name)

    def _check_clean(self, number: int, reader: str) -> None:
        if number not in self.clean:
            return
        start, end = self.clean[number]
        length = self.shapes[number][2]
        if (start, end) != (0, length):
            raise _not_sliding(
                f"{reader} reads {length} positions, of which padding at the window's ends "
                f"reaches all but [{start}, {end})"
            )

    @torch.no_grad()
    def __call__(self, stretch: Tensor, n_windows: int) -> Any:
        """Return the model's output of n windows; `stretch` is one-hot (1, 4, length)."""
        longer = stretch.shape[2] - self.window_bp
        self.stills.check_same_rows(self.alike, n_windows)
        values: dict[int, Tensor] = {0: stretch}

        def run(index: int) -> list[Tensor]:
            call, rule = self.program.calls[index], self.rules[index]
            if index in self.in_place:
                return [self._overwrite(index, call, rule, values, longer)]
            if rule is not None and rule.is_local:
                return self._slide(call, rule, values, longer)
            given = {i: self._windows(i, values, n_windows) for i in call.inputs}
            return run_call(call, given, n_windows)

        execute(self.program, values, run)
        return self.recording.result(lambda number: self._windows(number, values, n_windows))

    def _overwrite(
        self, index: int, call: Call, rule: Any, values: dict[int, Tensor], longer: int
    ) -> Tensor:
        """Run a rectifier or a sum in the memory of its input; anything else as usual."""
        target = values[self.in_place[index]]
        if isinstance(rule, Sum) and len(set(rule.numbers)) == 2:
            other = next(i for i in rule.numbers if i != self.in_place[index])
            if other in values:
                return target.add_(values[other])
        if getattr(rule, "function", None) is torch.relu:
            return target.relu_()
        return self._slide(call, rule, values, longer)[0]

    def _slide(self, call: Call, rule: Any, values: dict[int, Tensor], longer: int) -> list[Tensor]:
        """Run an operation over a stretch that is `longer` than a window."""
        given = {}
        for i in call.inputs:
            if i in values:
                given[i] = values[i]
            else:
                still = self.stills.get(i, 1)
                given[i] = still[:, :, :1].expand(*still.shape[:2], still.shape[2] + longer)
        if call.function is torch.Tensor.__getitem__ and not hasattr(rule, "index"):
            start, end, _ = call.args[1][-1].indices(self.shapes[call.inputs[0]][2])
            return [given[call.inputs[0]][:, :, start : end + longer]]
        return run_call(call, given, 1)

    def _windows(self, number: int, values: dict[int, Tensor], n_windows: int) -> Tensor:
        """Return a tensor with the windows as its batch."""
        if number not in values:
            return self.stills.get(number, n_windows)
        value = values[number]
        if number not in self.clean:
            return value
        length = self.shapes[number][2]
        return value[0].unfold(1, length, self.stride_bp)[:, :n_windows].transpose(0, 1)


def _not_sliding(why: str) -> FastPathOff:
    return FastPathOff(f"the model cannot run over a stretch of windows: {why}")
