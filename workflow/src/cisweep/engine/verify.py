"""Whether a fast path says what the model says: which values are compared, and how near they are.

What is compared was made at the batch that is used. A fast path may differ from the model by the
rounding of its kind (`Tolerance`), of the largest finite value of each tensor.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cisweep.engine.policy import FastPathOff


@dataclass(frozen=True)
class Tolerance:
    """Largest difference from the model, of the largest value, by the dtype of the computation.

    `other` is that of further dtypes; with None these have no fast path.
    """

    float32: float
    float64: float = 1e-9
    other: float | None = None

    def of(self, dtype: torch.dtype) -> float:
        """Return the tolerance of a dtype.

        Raises
        ------
        FastPathOff: the fast path is not for this dtype.
        """
        known = {torch.float32: self.float32, torch.float64: self.float64}
        found = known.get(dtype, self.other)
        if found is None:
            raise FastPathOff(f"the model computes in {str(dtype).removeprefix('torch.')}")
        return found


SAME_CALLS = Tolerance(1e-5)
"""The model's own calls, or parts of them, in its order (replay, gradients): only the convolutions
round otherwise, by up to 5e-6."""
PROPAGATED = Tolerance(1e-4)
"""Changes that are added to unchanged values, or stretches whose kernels add in another order: the
rounding of twenty layers adds up, and of a sum that nearly cancels it is large."""
SINGLE_CHANGE = Tolerance(1e-5)
"""One change a sequence: its effect is a difference of two outputs, often a hundredth of them."""
TRACED = Tolerance(1e-4, 1e-4, 1e-4)
"""Calls that the rules of DeepLIFT run again: rules may compute an operation by another formula,
and in any dtype, for the completeness of each attribution is checked too."""


def compared_rows(n: int, most: int) -> Tensor:
    """Return which of n rows are compared with the model: `most`, from the first to the last."""
    return torch.linspace(0, n - 1, min(n, most), dtype=torch.float64).round().long()


def differences(a: Tensor, b: Tensor) -> Tensor:
    """Return |a − b|: 0 where both are equal, infinities and NaNs too, NaN where only one is."""
    same = (a == b) | (a.isnan() & b.isnan())
    if bool(same.all()):  # truth values too, which cannot be subtracted
        return torch.zeros_like(b)
    return torch.where(same, 0, (a - b).abs())


def check_agreement(
    found: Sequence[Tensor], expected: Sequence[Tensor], tolerance: float, what: str = "values"
) -> None:
    """Compare outputs of a fast path, at the batch in which they were made, with the model's.

    `tolerance` is that of the path's kind and dtype. Infinities and NaNs have to be the same.

    Raises
    ------
    FastPathOff: they differ; the message begins with `what`.
    """
    if len(found) != len(expected):
        raise FastPathOff(f"{what} are {len(found)} tensors, not {len(expected)}")
    for a, b in zip(found, expected):
        if a.shape != b.shape:
            raise FastPathOff(f"{what} have shape {tuple(a.shape)}, not {tuple(b.shape)}")
        if not b.numel():
            continue
        error = differences(a, b).max().item()
        if error == 0:
            continue
        size = b.abs()
        scale = torch.where(size.isfinite(), size, 0).max().item()
        if not error <= tolerance * max(scale, 1e-30):  # NaN too
            raise FastPathOff(
                f"{what} differ by {error:.3g} from the model's, which go up to {scale:.3g}"
            )
