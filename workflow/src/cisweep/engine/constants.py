"""The tensors of a forward that do not depend on the sequence, at the batch that reads them.

Masks, positions, hidden states: what a model makes from the size of its batch is made again for
each size, never stretched from another one.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from cisweep.engine.calls import Call, run_call
from cisweep.engine.executor import Program, execute
from cisweep.engine.policy import FastPathOff
from cisweep.engine.recording import Recording

_KEPT = 3  # batch sizes whose tensors are kept: a full batch, the last one, and single windows
_SAME = 1e-5  # largest difference between rows that are the same, of the largest value


class Stills:
    """The still tensors of a recording, made when they are asked for.

    Parameters
    ----------
    recording: of the model.
    inputs: the sequence and further inputs of one window; a batch repeats the further inputs.
    """

    def __init__(self, recording: Recording, inputs: Sequence[Tensor]):
        self.recording, self.inputs = recording, [each[:1] for each in inputs]
        varies = recording.by_batch
        fixed = [c for c in recording.still_calls if varies.isdisjoint(c.outputs)]
        self.calls = [c for c in recording.still_calls if not varies.isdisjoint(c.outputs)]
        self.fixed = self._run(fixed, {}, 1)
        self._made: dict[int, dict[int, Tensor]] = {}
        self._same: set[tuple[int, int]] = set()

    def get(self, number: int, n: int) -> Tensor:
        """Return a tensor of the forward of n windows."""
        if number not in self.recording.by_batch:
            return self.fixed[number]
        if n not in self._made:
            if len(self._made) == _KEPT:
                del self._made[next(iter(self._made))]
            inputs = dict(enumerate(self.inputs))
            given = {i: x.repeat(n, *(1 for _ in x.shape[1:])) for i, x in inputs.items() if i}
            made = self._run(self.calls, self.fixed | given, n)
            read = self.recording.still_reads
            self._made[n] = {i: tensor for i, tensor in made.items() if i in read}
        return self._made[n][number]

    @torch.no_grad()
    def _run(self, calls: list[Call], known: dict[int, Tensor], n: int) -> dict[int, Tensor]:
        values, recording = dict(known), self.recording

        def run(index: int) -> list[Tensor]:
            for i in calls[index].inputs:
                if i in recording.active and i not in values:  # only its shape and type are read
                    shape, dtype = recording.shape(i, n), recording.dtypes[i]
                    values[i] = self.inputs[0].new_empty(shape, dtype=dtype)
            return run_call(calls[index], values, n)

        execute(Program.keeping_all(calls), values, run)
        # What stood for active tensors is that of a batch of n alone.
        return {i: tensor for i, tensor in values.items() if i not in recording.active}

    def check_same_rows(self, numbers: Iterable[int], n: int) -> None:
        """Check that in a batch of n each window has the values that one alone has.

        Raises
        ------
        FastPathOff: it has others (a position in the batch, a number of windows).
        """
        for number in numbers:
            if (number, n) in self._same:
                continue
            rows, one = self.get(number, n), self.get(number, 1)
            scale = one.abs().max() if one.is_floating_point() and one.numel() else 0
            if not bool(((rows == one) | ((rows - one).abs() <= _SAME * scale)).all()):
                raise FastPathOff("a constant differs between the windows of a batch")
            self._same.add((number, n))
