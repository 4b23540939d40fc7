"""All single substitutions of one sequence, neighbouring positions side by side."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from cisweep.engine.propagation.changes import Example, Propagation, propagate

_CACHE_BYTES = 4 << 20  # what the largest change of a batch may take on a CPU
_MOST_NEIGHBOURS = 32


class Saturation:
    """Propagates the substitutions of sequences like x (1, 4, length), `at_once` mutants together.

    propagation: of the model.
    """

    def __init__(self, propagation: Propagation, x: Tensor, at_once: int):
        self.propagation = propagation
        self.neighbours = max(1, min(at_once // 3, _MOST_NEIGHBOURS))
        if x.device.type == "cpu":
            bytes_each = 3 * propagation.largest * x.dtype.itemsize
            self.neighbours = max(1, min(self.neighbours, _CACHE_BYTES // bytes_each))

    def example(self, inputs: Sequence[Tensor]) -> Example:
        """Return the tensors of a sequence (1, 4, length) and its further inputs."""
        return Example(self.propagation.recording, inputs, self.neighbours)

    def mutants(self, example: Example, start: int, end: int) -> Iterator[tuple[int, Tensor, Any]]:
        """Yield the model's outputs of all substitutions at positions [start, end).

        Each item is the first of n neighbouring positions, the letters (n, m) there, m = 3, or 4 at
        an N, and the output (n · m, …).
        """
        x = example.values[0][0]
        identity = torch.eye(4, device=x.device, dtype=x.dtype)
        for p, letters in self._neighbourhoods(x.cpu(), start, end):
            first = identity[letters] - x[:, p : p + len(letters)].T[:, None]
            yield p, letters, propagate(self.propagation, example, p, first.unsqueeze(2))

    def _neighbourhoods(
        self, one_hot: Tensor, start: int, end: int
    ) -> Iterator[tuple[int, Tensor]]:
        """Yield a first position and the letters (n, 3), or (n, 4) at N, of n neighbours."""
        is_n = one_hot[:, start:end].sum(dim=0) == 0
        others = torch.tensor([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])
        base = one_hot.argmax(dim=0)
        edges = torch.nonzero(is_n[1:] != is_n[:-1]).flatten() + 1
        bounds = [0, *edges.tolist(), end - start]
        for low, high in zip(bounds, bounds[1:]):
            for p in range(start + low, start + high, self.neighbours):
                n = min(self.neighbours, start + high - p)
                yield p, torch.arange(4).repeat(n, 1) if is_n[low] else others[base[p : p + n]]
