"""The calls of a trace run again in order, without the model's own code around them.

Which calls these are is known from the first pass, so what wraps them (modules, dispatch, wrapper
tensors) need not run for each reference; values pass from call to call through the cells.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from cisweep.analysis.attribution.rescale.tracing import Cell, Entry, Trace, Tracked
from cisweep.engine.executor import Program, execute

EXAMPLES, REFERENCES = "each pass over examples", "each pass over references"


class _Cells:
    """The cells of a pass as the values of the engine's loop: what looks at a cell sees them."""

    def __init__(self) -> None:
        self.cells: list[Cell] = []
        self._number: dict[int, int] = {}

    def number(self, cell: Cell) -> int:
        """Return the cell's number, a new one for a new cell."""
        found = self._number.setdefault(id(cell), len(self.cells))
        if found == len(self.cells):
            self.cells.append(cell)
        return found

    def __getitem__(self, number: int) -> Any:
        return self.cells[number].value

    def __setitem__(self, number: int, value: Any) -> None:
        self.cells[number].value = value

    def pop(self, number: int, default: None = None) -> None:
        """Let go of a value."""
        self.cells[number].value = None


class Rerun:
    """The live calls of a trace between its input and the scalars that the targets read.

    Parameters
    ----------
    trace: after the example pass, with its live calls marked.
    source: the tracked input.
    results: the scalars, tracked, or plain where they do not depend on the input.
    """

    def __init__(self, trace: Trace, source: Tracked, results: list[Tensor]):
        self.trace, self.source, self.results = trace, source, results
        self.shape = source.shape
        self.checked = False  # whether the model has run the same calls for a reference
        # References and what the model gave for them, until the calls run again gave the same.
        self.witness: tuple[Tensor, list[Tensor]] | None = None
        self.examples_agree = False  # whether they gave what the model gives for other examples
        self.calls = [e for e in trace.entries if e.live and e.reference is not None]
        self.cells = _Cells()
        self.program = self._program()
        self._clear()

    def _program(self) -> Program:
        """Return the calls with what each gives, and the cells that no later one reads."""
        number = self.cells.number
        made = [[number(c) for c in entry.outputs if c is not None] for entry in self.calls]
        read = [[*own, *map(number, entry.inputs)] for own, entry in zip(made, self.calls)]
        last = {n: index for index, numbers in enumerate(read) for n in numbers}
        # What the model made itself, and is no result of a call, stays as it is.
        of_pass = {number(self.source.cell)}.union(*made)
        of_pass -= {number(y.cell) for y in self.results if isinstance(y, Tracked)}
        lines = [
            (own, tuple(n for n in dict.fromkeys(numbers) if last[n] == i and n in of_pass))
            for i, (own, numbers) in enumerate(zip(made, read))
        ]
        return Program(self.calls, lines, last)

    def _clear(self) -> None:
        """Let go of the values of a pass."""
        self.source.cell.value = None
        for entry in self.trace.entries:
            for cell in entry.outputs:
                if cell is not None:
                    cell.value = None

    def examples(self, x: Tensor) -> list[Tensor]:
        """Return the scalars of other examples, and keep what their references need."""
        with torch.no_grad():
            return self._run(x, self._example)

    def references(self, x: Tensor) -> list[Tensor]:
        """Return the scalars of references, with the multipliers as their graph."""
        with torch.enable_grad():
            return self._run(x, lambda entry: entry.reference(entry.saved))

    def outputs(self, x: Tensor) -> list[Tensor]:
        """Return the scalars of references alone."""
        with torch.no_grad():
            return self._run(x, lambda entry: entry.reference(entry.saved))

    def _example(self, entry: Entry) -> Any:
        if entry.writes is not None:
            self.trace.keep_what_is_overwritten(entry.writes.inner)
        value, entry.saved = entry.example()
        return value

    def _run(self, x: Tensor, run: Callable[[Entry], Any]) -> list[Tensor]:
        self.source.cell.value = x
        calls = self.calls
        execute(self.program, self.cells, lambda index: _tensors(calls[index], run(calls[index])))
        values = [y.inner if isinstance(y, Tracked) else y for y in self.results]
        for y in self.results:
            if isinstance(y, Tracked):
                y.cell.value = None
        return values

    def forget(self) -> None:
        """Let go of everything, which holds itself in a circle otherwise."""
        self.trace.entries.clear()
        self.calls, self.results, self.witness = [], [], None
        self.cells, self.program = _Cells(), Program([], [], {})


def _tensors(entry: Entry, value: Any) -> Sequence[Any]:
    """Return what a call gave for its cells; nothing where it wrote into a tensor."""
    if entry.writes is not None:
        return ()
    if not isinstance(value, (list, tuple)):
        return (value,) if entry.outputs[0] is not None else ()
    return [each for cell, each in zip(entry.outputs, value) if cell is not None]
