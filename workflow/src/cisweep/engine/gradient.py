"""A recorded forward run again where a gradient is wanted: only what the output reads, and fused.

Of each tensor only the positions that a later operation reads are computed, and a convolution
with its ReLU, and the sum with its own input that often follows, is one operation with one
gradient. What is not known here is called as it was recorded, for what replaces operations where
gradients flow is the caller's context.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cisweep.engine.calls import Call, Untraceable, run_call
from cisweep.engine.convolution.dispatch import conv1d, input_gradient
from cisweep.engine.executor import Program, execute
from cisweep.engine.propagation.assembly import assemble
from cisweep.engine.propagation.changes import EMPTY, Interval
from cisweep.engine.propagation.rules import Convolution, Function, Scaled, Sum
from cisweep.engine.recording import Recording, check_no_hooks, record
from cisweep.engine.verify import SAME_CALLS, check_agreement

_RELUS = frozenset({F.relu, torch.relu})


@dataclass(frozen=True)
class _Reach:
    """What a convolution reads of its input as it is held: [start, end), and the zeros beside."""

    start: int
    end: int
    left: int
    right: int

    def of(self, x: Tensor) -> Tensor:
        """Return the part of x (N, channels, positions) that is read."""
        return x if (self.start, self.end) == (0, x.shape[2]) else x[:, :, self.start : self.end]


class _Block(torch.autograd.Function):
    """relu(conv(x)), and plus a part of x if `start` is given; gradients go to x alone."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, dilation: int, reach: _Reach,
        start: int | None,
    ) -> Tensor:  # fmt: skip
        z = conv1d(reach.of(x), weight, bias, 1, reach.left, dilation).relu_()
        ctx.save_for_backward(z)
        ctx.weight, ctx.dilation, ctx.reach, ctx.start = weight, dilation, reach, start
        ctx.length = x.shape[2]
        return z if start is None else z + x[:, :, start : start + z.shape[2]]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (z,) = ctx.saved_tensors
        reach = ctx.reach
        inner = torch.ops.aten.threshold_backward(gradient, z, 0)
        back = input_gradient(inner, ctx.weight, reach.left, ctx.dilation)
        if (reach.start, reach.end) != (0, ctx.length):
            back = F.pad(back, (reach.start, ctx.length - reach.end))
        if ctx.start is not None:
            back[:, :, ctx.start : ctx.start + z.shape[2]] += gradient
        return back, None, None, None, None, None


Run = Callable[[dict[int, Tensor], int], list[Tensor]]


class GradientPass:
    """Calls like the model, for any batch of windows as long as the recorded one."""

    def __init__(self, recording: Recording):
        self.recording, self.propagation = recording, assemble(recording)
        self.uses, self.maker = recording.uses, recording.maker
        rules = {id(rule.call): rule for rule in self.propagation.rules}
        self.rules = [rules.get(id(call)) for call in recording.calls]
        self.runs: dict[int, Run] = {}
        self.reads: dict[int, list[int]] = {}
        for k in range(len(recording.calls) - 1, -1, -1):
            if k not in self.reads:
                self._lay_out(k)
        self.order = sorted(self.runs)
        calls, reads = [recording.calls[k] for k in self.order], [self.reads[k] for k in self.order]
        self.program = Program.of(recording, calls, reads)

    def _held(self, number: int) -> Interval:
        """Return the positions of a tensor that are held."""
        if number == 0:
            return 0, self.recording.shapes[0][2]
        shape = self.recording.shapes[number]
        whole = (0, shape[2]) if len(shape) == 3 else EMPTY
        made = self.maker.get(number)
        rule = None if made is None else self.rules[made]
        return self.propagation.needed.get(number, EMPTY) if _is_local(rule) else whole

    def _lay_out(self, k: int) -> None:
        """Decide how call k is run; the calls that it takes in are not run by themselves."""
        call, rule = self.recording.calls[k], self.rules[k]
        if not _is_local(rule):
            self._put(k, call.inputs, self._as_recorded(call))
        elif self._held(call.outputs[0]) == EMPTY:
            self.reads[k] = []  # nothing reads it
        elif isinstance(rule, Sum) and (block := self._residual(k, rule)):
            inner, taken, source, start = block
            for each in inner:
                self.reads[each] = []
            self._put(k, [source], self._block(taken, source, start))
        elif isinstance(rule, Function) and (conv := self._rectified(k)):
            self.reads[self.maker[conv.out]] = []
            self._put(k, [conv.number], self._block(conv, conv.number, None))
        elif isinstance(rule, Convolution):
            self._put(k, [rule.number], self._convolution(rule))
        elif isinstance(rule, Scaled) and rule.scale is None:
            self._put(k, [rule.number], self._shifted(rule))
        else:
            self._put(k, call.inputs, self._cropped(call))

    def _put(self, k: int, reads: list[int], run: Run) -> None:
        self.runs[k], self.reads[k] = run, list(reads)

    def _rectified(self, k: int) -> Convolution | None:
        """Return the fast convolution whose ReLU call k is, if nothing else reads it."""
        call = self.recording.calls[k]
        if call.function not in _RELUS and getattr(call.function, "__name__", "") != "relu":
            return None
        conv = self.rules[self.maker[call.inputs[0]]] if call.inputs[0] in self.maker else None
        if not isinstance(conv, Convolution) or self.uses[conv.out] != 1:
            return None
        reach = self._reach(conv)
        return conv if reach.left == reach.right else None

    def _residual(self, k: int, rule: Sum) -> tuple[list[int], Convolution, int, int] | None:
        """Return the calls of relu(conv(x)) + a part of x, its convolution, x, the part's start."""
        if len(rule.numbers) != 2:
            return None
        for branch, other in (rule.numbers, rule.numbers[::-1]):
            made = self.maker.get(branch)
            if made is None or not isinstance(self.rules[made], Function):
                continue
            conv = self._rectified(made)
            if conv is None or self.uses[branch] != 1 or self._held(branch) != self._held(rule.out):
                continue
            inner, shift = [made, self.maker[conv.out]], 0
            if other != conv.number:
                crop = self.rules[self.maker[other]] if other in self.maker else None
                if not isinstance(crop, Scaled) or crop.scale is not None or crop.shift < 0:
                    continue
                if crop.number != conv.number or self.uses[other] != 1:
                    continue
                inner, shift = [*inner, self.maker[other]], crop.shift
                if self._held(rule.out)[1] + shift > self.recording.shapes[conv.number][2]:
                    continue  # padding
            start = self._held(rule.out)[0] + shift - self._held(conv.number)[0]
            return inner, conv, conv.number, start
        return None

    def _reach(self, conv: Convolution) -> _Reach:
        low, high = self._held(conv.out)
        length, (held, _) = self.recording.shapes[conv.number][2], self._held(conv.number)
        first = low - conv.padding
        last = high + conv.dilation * (conv.weight.shape[2] - 1) - conv.padding
        return _Reach(
            max(first, 0) - held, min(last, length) - held, max(-first, 0), max(last - length, 0)
        )

    def _block(self, conv: Convolution, source: int, start: int | None) -> Run:
        reach, bias = self._reach(conv), conv.bias
        return lambda values, n: [
            _Block.apply(values[source], conv.weight, bias, conv.dilation, reach, start)
        ]

    def _convolution(self, rule: Convolution) -> Run:
        reach = self._reach(rule)

        def run(values: dict[int, Tensor], n: int) -> list[Tensor]:
            x, pad = reach.of(values[rule.number]), reach.left
            if reach.left != reach.right:
                x, pad = F.pad(x, (reach.left, reach.right)), 0
            return [conv1d(x, rule.weight, rule.bias, 1, pad, rule.dilation)]

        return run

    def _shifted(self, rule: Scaled) -> Run:
        """A slice, padding with zeros, or the tensor itself."""
        low, high = self._held(rule.out)
        length, (held, _) = self.recording.shapes[rule.number][2], self._held(rule.number)
        first, last = low + rule.shift, high + rule.shift

        def run(values: dict[int, Tensor], n: int) -> list[Tensor]:
            x = values[rule.number][:, :, max(first, 0) - held : min(last, length) - held]
            beside = (max(-first, 0), max(last - length, 0))
            return [F.pad(x, beside) if any(beside) else x]

        return run

    def _cropped(self, call: Call) -> Run:
        """The recorded operation on the positions of its inputs that its output is held at."""
        low, high = self._held(call.outputs[0])
        starts = {i: self._held(i)[0] for i in call.inputs if len(self.recording.shapes[i]) == 3}

        def run(values: dict[int, Tensor], n: int) -> list[Tensor]:
            parts = {
                i: values[i][:, :, low - starts[i] : high - starts[i]] if i in starts else values[i]
                for i in call.inputs
            }
            return run_call(call, parts, n, call.function)

        return run

    def _as_recorded(self, call: Call) -> Run:
        return lambda values, n: run_call(call, values, n, call.function)

    def __call__(self, X: Tensor) -> Any:
        """Return the model's output of X (N, 4, length)."""
        values: dict[int, Tensor] = {0: X}
        runs = [self.runs[k] for k in self.order]
        execute(self.program, values, lambda index: runs[index](values, len(X)))
        return self.recording.result(values.__getitem__)


def _is_local(rule: Any) -> bool:
    return rule is not None and rule.is_local


def gradient_pass_of(model: nn.Module, X: Tensor) -> GradientPass:
    """Return a pass that agrees with the model on X, in outputs and gradients.

    X: (N, 4, length) one-hot, a batch of the size and the kind that is then asked for. The model
    returns one tensor.

    Raises
    ------
    FastPathOff: the model has hooks, returns several tensors, or computes in a half precision, or
        the pass differs from it.
    Whatever keeps the model from being recorded.
    """
    tolerance = SAME_CALLS.of(X.dtype)
    check_no_hooks(model)
    made = GradientPass(record(model, X[:1]))
    found, expected = (_with_gradient(f, X) for f in (made, model))
    check_agreement(found[:1], expected[:1], tolerance, "outputs")
    check_agreement(found[1:], expected[1:], tolerance, "gradients")
    return made


@torch.enable_grad()
def _with_gradient(model: Callable[[Tensor], Tensor], X: Tensor) -> tuple[Tensor, Tensor]:
    X = X.detach().clone().requires_grad_(True)
    y = model(X)
    if not isinstance(y, Tensor):
        raise Untraceable("the model returns several tensors")
    (gradient,) = torch.autograd.grad(y.sum(), X)
    return y.detach(), gradient
