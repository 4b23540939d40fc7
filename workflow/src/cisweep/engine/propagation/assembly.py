"""By which rules a change goes through a recorded forward, and what of each tensor they read."""

import math

from torch import Tensor

from cisweep.engine.calls import Call, run_call
from cisweep.engine.executor import Program
from cisweep.engine.propagation.changes import EMPTY, Interval, Local, Propagation, Rule, State
from cisweep.engine.propagation.parsing import local_rule
from cisweep.engine.propagation.rules import LocalRule
from cisweep.engine.recording import Recording


class Whole:
    """An operation that is run on whole tensors, one for each substitution."""

    is_local = False

    def __init__(self, call: Call, recording: Recording):
        self.call = call
        self.lengths = {
            i: recording.shapes[i][2] for i in call.inputs if len(recording.shapes[i]) == 3
        }

    def needed(self, interval: Interval) -> dict[int, Interval]:
        """Return all positions of every input."""
        return {i: (0, length) for i, length in self.lengths.items()}

    def run(self, state: State) -> list[Local | Tensor]:
        """Return the outputs for all substitutions of the batch."""
        values = {i: state.whole(i) for i in self.call.inputs}
        return list(run_call(self.call, values, state.n * state.m))


def assemble(recording: Recording) -> Propagation:
    """Return how a change goes through each operation that depends on the sequence."""
    local: set[int] = {0}
    rules: list[Rule] = []
    for call in recording.active_calls:
        rule = local_rule(call, recording, local) or Whole(call, recording)
        if rule.is_local:
            local.update(call.outputs)
        rules.append(rule)
    for index, rule in enumerate(rules):
        feeds = [s for s in rules[index + 1 :] if rule.call.outputs[0] in s.call.inputs]
        if hasattr(rule, "feed"):
            rule.feed(feeds, rule.call.outputs[0] in recording.outputs)
    program = Program.of(recording, recording.active_calls)
    needed = _needed(recording, rules, local)
    largest = _largest(recording, rules, needed)
    read = {i for rule in rules if rule.is_local for i in rule.call.inputs}
    return Propagation(
        recording, rules, program, needed, largest, sorted(read & recording.by_batch)
    )


def _needed(recording: Recording, rules: list[Rule], local: set[int]) -> dict[int, Interval]:
    """Return the positions of each local tensor that are read."""
    needed = {i: (0, recording.shapes[i][2]) for i in recording.outputs if i in local}
    for rule in reversed(rules):
        reads = rule.needed(needed.get(rule.call.outputs[0], EMPTY))
        for i, (low, high) in reads.items():
            if i in local and low < high:
                low, high = max(low, 0), min(high, recording.shapes[i][2])
                before = needed.get(i)
                needed[i] = (low, high) if before is None else _union(before, (low, high))
    return needed


def _largest(recording: Recording, rules: list[Rule], needed: dict[int, Interval]) -> int:
    """Return how many numbers one substitution changes in the tensor where it changes most."""
    spans: dict[int, Interval] = {0: (0, 1)}
    largest = 1
    for rule in rules:
        out = rule.call.outputs[0]
        shape = recording.shapes[out]
        if isinstance(rule, LocalRule):
            reads = [(i, a, b) for i, (a, b) in rule.reads.items() if i in spans]
            low = min(spans[i][0] - b for i, _, b in reads)
            high = max(spans[i][1] - a for i, a, _ in reads)
            spans[out] = (low, high)
            low_needed, high_needed = needed.get(out, EMPTY)
            largest = max(largest, min(high - low, high_needed - low_needed) * shape[1])
        else:
            sizes = [recording.shapes[i] for i in (*rule.call.outputs, *rule.call.inputs)]
            if isinstance(rule, Whole):
                largest = max(largest, *(math.prod(size[1:]) for size in sizes))
    return largest


def _union(a: Interval, b: Interval) -> Interval:
    return min(a[0], b[0]), max(a[1], b[1])
