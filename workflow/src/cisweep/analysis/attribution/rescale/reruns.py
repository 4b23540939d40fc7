"""The calls of a trace run again in order, without the model's own code around them.

Which calls these are is known from the first pass, so what wraps them (modules, dispatch, wrapper
tensors) need not run for each reference; values pass from call to call through the cells.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cisweep.analysis.attribution.rescale.tracing import Cell, Entry, Trace, Tracked

EXAMPLES, REFERENCES = "each pass over examples", "each pass over references"


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
        self.drops = self._drops()
        self._clear()

    def _drops(self) -> list[list[Cell]]:
        """Return the cells whose value no call after this one reads, for each call."""
        last: dict[int, tuple[int, Cell]] = {}
        for index, entry in enumerate(self.calls):
            made = [cell for cell in entry.outputs if cell is not None]
            for cell in (*made, *entry.inputs):
                last[id(cell)] = (index, cell)
        # What the model made itself, and is no result of a call, stays as it is.
        of_pass = {id(cell) for entry in self.calls for cell in entry.outputs}
        of_pass.add(id(self.source.cell))
        of_pass -= {id(y.cell) for y in self.results if isinstance(y, Tracked)}
        drops: list[list[Cell]] = [[] for _ in self.calls]
        for key, (index, cell) in last.items():
            if key in of_pass:
                drops[index].append(cell)
        return drops

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
        for entry, drops in zip(self.calls, self.drops):
            value = run(entry)
            if entry.writes is None:
                values = value if isinstance(value, (list, tuple)) else (value,)
                for cell, each in zip(entry.outputs, values):
                    if cell is not None:
                        cell.value = each
            for cell in drops:
                cell.value = None
        values = [y.inner if isinstance(y, Tracked) else y for y in self.results]
        for y in self.results:
            if isinstance(y, Tracked):
                y.cell.value = None
        return values

    def forget(self) -> None:
        """Let go of everything, which holds itself in a circle otherwise."""
        self.trace.entries.clear()
        self.calls, self.drops, self.results, self.witness = [], [], [], None
