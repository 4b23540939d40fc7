"""The tensors of a forward that do not depend on the sequence, at the batch that reads them.

Masks, positions, hidden states: what a model makes from the size of its batch is made again for
each size, never stretched from another one.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from cisweep.engine.operations import fast_convolutions
from cisweep.engine.policy import FastPathOff
from cisweep.engine.tape import Call, Tape, refs_in, run_call

_KEPT = 3  # batch sizes whose tensors are kept: a full batch, the last one, and single windows
_SAME = 1e-5  # largest difference between rows that are the same, of the largest value


class Stills:
    """The still tensors of a tape, made when they are asked for.

    Parameters
    ----------
    tape: of the model.
    inputs: the sequence and further inputs of one window; a batch repeats the further inputs.
    """

    def __init__(self, tape: Tape, inputs: Sequence[Tensor]):
        self.tape, self.inputs = tape, [each[:1] for each in inputs]
        read = {i for call in tape.calls if call.active for i in call.inputs}
        self.read = (read | set(refs_in(tape.output))) - tape.active
        still, wanted = [], set(self.read)
        for call in reversed(tape.calls):
            if not call.active and wanted.intersection(call.outputs):
                wanted.update(call.inputs)
                still.append(call)
        by_batch = tape.by_batch
        self.calls = [c for c in still[::-1] if not by_batch.isdisjoint(c.outputs)]
        self.fixed = self._run([c for c in still[::-1] if by_batch.isdisjoint(c.outputs)], {}, 1)
        self._made: dict[int, dict[int, Tensor]] = {}
        self._same: set[tuple[int, int]] = set()

    def get(self, number: int, n: int) -> Tensor:
        """Return a tensor of the forward of n windows."""
        if number not in self.tape.by_batch:
            return self.fixed[number]
        if n not in self._made:
            if len(self._made) == _KEPT:
                del self._made[next(iter(self._made))]
            inputs = dict(enumerate(self.inputs))
            given = {i: x.repeat(n, *(1 for _ in x.shape[1:])) for i, x in inputs.items() if i}
            made = self._run(self.calls, self.fixed | given, n)
            self._made[n] = {i: tensor for i, tensor in made.items() if i in self.read}
        return self._made[n][number]

    @torch.no_grad()
    def _run(self, calls: list[Call], known: dict[int, Tensor], n: int) -> dict[int, Tensor]:
        values, tape = dict(known), self.tape
        with fast_convolutions():
            for call in calls:
                for i in call.inputs:
                    if i in tape.active and i not in values:  # only its shape and type are read
                        values[i] = self.inputs[0].new_empty(tape.shape(i, n), dtype=tape.dtypes[i])
                values.update(zip(call.outputs, run_call(call, values, n), strict=True))
        return values

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
