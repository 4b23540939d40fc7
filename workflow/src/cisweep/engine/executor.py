"""The one loop that runs recorded calls.

A program says which calls run and which tensors no later one reads; what a call does (the
operation itself, on a part of its inputs, in place, of a change) is given with each run.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

from torch import Tensor

from cisweep.engine.calls import Call, run_call
from cisweep.engine.recording import Recording

Run = Callable[[int], Sequence[Any]]
"""Returns the outputs of a program's call, given its index."""
Leaving = Callable[[int, Tensor], None]
"""Gets a tensor's number and the tensor before its last reader runs."""


class Values(Protocol):
    """What stands for tensors' numbers while calls run, such as a dict."""

    def __getitem__(self, number: int, /) -> Any: ...
    def __setitem__(self, number: int, value: Any, /) -> None: ...
    def pop(self, number: int, default: None, /) -> Any:
        """Let go of a tensor."""


@dataclass(frozen=True)
class Program:
    """Calls in the order in which they run, with the tensors that leave after each.

    `calls` are those of a recording, or whatever else `Run` is given the index of; `lines` are each
    call's outputs and the tensors that no later one reads, `last` the index of the last call that
    reads a tensor.
    """

    calls: Sequence[Any]
    lines: list[tuple[list[int], tuple[int, ...]]]
    last: dict[int, int]

    @classmethod
    def of(
        cls,
        recording: Recording,
        calls: Sequence[Call],
        reads: Sequence[Sequence[int]] | None = None,
    ) -> Self:
        """Return the program of all or some calls of a recording, whose output stays to the end.

        reads: which tensors each of them reads; None: its inputs.
        """
        reads = [call.inputs for call in calls] if reads is None else reads
        last = recording.last_reads(reads)
        lines = [
            (call.outputs, tuple(i for i in dict.fromkeys(read) if last[i] == index))
            for index, (call, read) in enumerate(zip(calls, reads, strict=True))
        ]
        return cls(calls, lines, last)

    @classmethod
    def keeping_all(cls, calls: Sequence[Call]) -> Self:
        """Return a program after which every tensor is still there."""
        return cls(calls, [(call.outputs, ()) for call in calls], {})

    def overwritable(
        self,
        may: Callable[[int, int], bool],
        makes_new: Callable[[int], bool],
        keeps_views: Callable[[int], bool],
    ) -> dict[int, int]:
        """Return, by the index of a call, the input that it may overwrite.

        It is one that a call made anew, that nothing is a view of, and that no later call reads.

        Parameters (of a call, given its index)
        ----------
        may: whether it can be run in the memory of an input, given its number.
        makes_new: whether nothing else holds what it returns.
        keeps_views: whether what it returns may be a view of its inputs.
        """
        fresh: set[int] = set()
        found = {}
        for index, call in enumerate(self.calls):
            free = [i for i in call.inputs if i in fresh and self.last[i] == index]
            free = [i for i in free if may(index, i)]
            if free:
                found[index] = free[0]
            if keeps_views(index):
                fresh.difference_update(call.inputs)
            elif makes_new(index):
                fresh.update(call.outputs)
        return found


def execute(
    program: Program,
    values: Values,
    run: Run,
    leaving: Leaving | None = None,
    made: Callable[[int, Any], None] | None = None,
) -> None:
    """Run the calls of a program and put what they return into `values`, by number.

    What no later call reads is taken out again, so that memory holds what is still needed.

    Parameters
    ----------
    values: the inputs, and whatever the calls read that is none of their outputs.
    run: runs a call; contexts are its own matter.
    leaving, made: called with a tensor before its last reader runs, and once it is made.
    """
    for index, (outputs, last) in enumerate(program.lines):
        if leaving is not None:
            for number in last:
                leaving(number, values[number])
        for number, result in zip(outputs, run(index), strict=True):
            values[number] = result
            if made is not None:
                made(number, result)
        for number in last:
            values.pop(number, None)


def every_tensor(recording: Recording, inputs: Sequence[Tensor]) -> dict[int, Tensor]:
    """Return all tensors of a forward, by number."""
    values, n, calls = dict(enumerate(inputs)), inputs[0].shape[0], recording.calls
    execute(Program.keeping_all(calls), values, lambda index: run_call(calls[index], values, n))
    return values
