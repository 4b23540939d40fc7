"""Plain gradients: along the path from reference to example, or at the example alone.

They need no rules and little memory, so they serve where a model of hundreds of kilobases leaves
no room for more; they are not complete (the path: up to its quadrature).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cisweep.analysis.attribution.rescale.agreement import Witness
from cisweep.analysis.attribution.rescale.passes import (
    OfEachRow,
    Targets,
    call_of,
    evaluating,
    read_scalars,
    scalars,
    split_columns,
)
from cisweep.engine.operations import fast_convolutions
from cisweep.engine.running import DIFFERENTIABLE
from cisweep.errors import AttributionError


def off_simplex(gradients: Tensor) -> Tensor:
    """Return gradients (…, 4, length) less their mean over the four bases.

    That mean points off the simplex of sequences, where no sequence lies and the model is
    arbitrary (Majdandzic et al. 2023).
    """
    return gradients - gradients.mean(dim=-2, keepdim=True)


@dataclass(frozen=True)
class PathGradients:
    """Gradients averaged over `nodes` of the way from reference (0) to example (1)."""

    call: Any
    targets: Targets
    nodes: tuple[tuple[float, float], ...]  # (place, weight)
    complete: bool
    corrected: bool = False  # see `off_simplex`
    unbounded = (
        "the derivative of a root or a norm is infinite at 0: add a small constant inside it, or "
        "use deep_lift_shap, whose secants are finite"
    )

    @property
    def of_each_row(self) -> bool:
        """Whether the targets of a row are its own."""
        return isinstance(self.targets, OfEachRow)

    def pairs(
        self, x: Tensor, references: Sequence[Tensor], args: tuple
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield the mean gradients and the targets of example and reference, for each reference."""
        y_example = self._values(x, args)
        for reference in references:
            total = x.new_zeros(len(self.targets), *x.shape)
            connected: set[int] = set()
            for place, weight in self.nodes:
                at = reference + place * (x - reference)
                total += weight * self._gradients(at, args, connected)
            y_reference = self._values(reference, args)
            self._check_connected(connected, y_example, y_reference)
            yield off_simplex(total) if self.corrected else total, y_example, y_reference

    def check(self, witness: Witness) -> None:
        """Accept the block: the outputs are the model's own."""

    def _values(self, x: Tensor, args: tuple) -> Tensor:
        with torch.no_grad(), fast_convolutions():
            return torch.stack(self._read(x, args))

    def _read(self, x: Tensor, args: tuple) -> list[Tensor]:
        args, columns = split_columns(self.targets, args)
        return scalars(read_scalars(self.call(x, *args), self.targets, len(x)), columns)

    def _check_connected(self, connected: set[int], y_example: Tensor, y_reference: Tensor) -> None:
        """Refuse a target that changes with the sequence and has no gradient at all."""
        targets = self.targets
        for i in range(len(targets)):
            if i not in connected and not torch.equal(y_example[i], y_reference[i]):
                target = "of a window" if isinstance(targets, OfEachRow) else targets[i]
                raise AttributionError(
                    f"target {target} changes with the sequence and has no gradient with respect "
                    "to it (the model looks letters up by argmax, compares, or detaches)",
                    mend=DIFFERENTIABLE + ", or use saturation mutagenesis",
                )

    def _gradients(self, x: Tensor, args: tuple, connected: set[int]) -> Tensor:
        """Return the gradients of the targets at x; `connected` takes those that have one."""
        x = x.detach().clone().requires_grad_()
        with torch.enable_grad(), fast_convolutions():
            values = self._read(x, args)
        found = torch.zeros(len(values), *x.shape, dtype=x.dtype, device=x.device)
        for i, value in enumerate(values):
            if value.requires_grad:
                (gradient,) = torch.autograd.grad(
                    value.sum(), x, retain_graph=i + 1 < len(values), allow_unused=True
                )
                if gradient is not None:
                    connected.add(i)
                    found[i] = gradient
        return found


@contextmanager
def path_gradients(
    model: nn.Module,
    targets: Targets,
    n_steps: int | None,
    *,
    device: torch.device,
    dtype: torch.dtype,
    corrected: bool = False,
) -> Iterator[PathGradients]:
    """Yield the method with Gauss-Legendre nodes, or, for None, with the example alone.

    corrected: take off what points off the simplex (`off_simplex`).
    """
    if n_steps is None:
        nodes: tuple[tuple[float, float], ...] = ((1.0, 1.0),)
    else:
        places, weights = np.polynomial.legendre.leggauss(n_steps)
        nodes = tuple(zip(((places + 1) / 2).tolist(), (weights / 2).tolist()))
    with evaluating(model):
        call = call_of(model, device, dtype, frozen=True)
        yield PathGradients(call, targets, nodes, n_steps is not None, corrected)
