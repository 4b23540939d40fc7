"""Whether the traced forward is the model's own: the outputs of a model that is called plainly.

The convergence deltas compare attributions with the outputs of the traced passes, so a rule whose
forward is wrong, and whose multipliers fit it, would leave no delta.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from cisweep.analysis.attribution.rescale.calls import HELD
from cisweep.engine.verify import differences
from cisweep.errors import AttributionError

LIMIT = 1e-4  # of the mean |f(x) − f(r)|
_UNITS = 64  # of rounding, in eps of the largest output
_OWN_ROUNDING = 10  # times the model's own distance to float64


class HeldWeights(TorchFunctionMode):
    """Weights of the first call, the examples', for the later ones."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Tensor] = []
        self.cursor: int | None = None

    def again(self) -> None:
        """Give from now on what was kept."""
        self.cursor = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        """Run a function of torch; the held ones give what they gave for the examples."""
        if func not in HELD:
            return func(*args, **(kwargs or {}))
        if self.cursor is None:
            with torch._C.DisableTorchFunction():
                self.kept.append(func(*args, **(kwargs or {})))
            return self.kept[-1]
        self.cursor += 1
        return self.kept[self.cursor - 1]


@dataclass(frozen=True)
class Witness:
    """A few rows of a block and what the traced passes said of them.

    x, args: the examples of the block; reference: one for each; y, y_reference: (targets, rows),
    the traced outputs; change: mean |f(x) − f(r)| of the targets, (targets, 1) over the block, or
    (targets, rows) where each row has targets of its own.
    """

    x: Tensor
    reference: Tensor
    args: tuple[Tensor, ...]
    y: Tensor
    y_reference: Tensor
    change: Tensor

    def first(self, n: int) -> "Witness":
        """Return the first n rows."""
        x, reference, y, y_reference = self.x, self.reference, self.y, self.y_reference
        args = tuple(a[:n] for a in self.args)
        change = self.change[:, :n]
        return Witness(x[:n], reference[:n], args, y[:, :n], y_reference[:, :n], change)


def check_forward(witness: Witness, own: Callable[[], Tensor], fine: Callable[[], Tensor]) -> None:
    """Raise AttributionError where the traced outputs are not those of the model called plainly.

    own, fine: give these, (targets, rows) of the examples and then of references, in the precision
    of the passes and in float64. Outputs may differ by 1e-4 of the mean |f(x) − f(r)| and by
    rounding; where 64 eps of the largest output do not explain a difference, float64 says what
    the model's own rounding is.
    """
    plain = own()
    eps, plain = torch.finfo(plain.dtype).eps, plain.double()
    traced = torch.cat([witness.y, witness.y_reference], 1)[:, : plain.shape[1]].double()
    size = plain.abs().nan_to_num(0.0, 0.0, 0.0).amax(1, keepdim=True)
    change = witness.change.double().expand(-1, len(witness.x)).repeat(1, 2)[:, : plain.shape[1]]
    limit = LIMIT * change + _UNITS * eps * size
    if (_distance(traced, plain) <= limit).all():
        return
    again = _distance(own().double(), plain)
    if (again > limit).any():
        raise AttributionError(
            f"the model gives different outputs for the same input, {again.max().item():.3g} apart",
            mend="leave noise, and state that is kept between calls, out of its forward pass",
        )
    try:
        exact = fine().double()
    except Exception:  # a model that is bound to its precision
        exact = plain
    rounding = _distance(plain, exact).amax(1, keepdim=True)
    error, limit = _distance(traced, exact), limit + _OWN_ROUNDING * rounding
    if (error <= limit).all():
        return
    target, row = divmod(int((error - limit).argmax()), error.shape[1])
    worst, mean = error[target, row].item(), change[target, row].item()
    raise AttributionError(
        f"the forward pass of the DeepLIFT rules is not that of the model: outputs are {worst:.3g} "
        f"apart, where the mean |f(x) − f(reference)| is {mean:.3g}",
        where=f"target {target}",
        mend="one of the model's operations has a wrong rule, which is a fault of cisweep: please "
        "report it with the model's layers, and use integrated_gradients until it is mended",
    )


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """Return the differences of (targets, rows); NaN does not differ from NaN."""
    return differences(a, b).nan_to_num(torch.inf)
