"""Whether a fast path says what the model says."""

from collections.abc import Sequence

import torch
from torch import Tensor

from cisweep.engine.policy import FastPathOff


def check_agreement(
    found: Sequence[Tensor], expected: Sequence[Tensor], tolerance: float, what: str = "values"
) -> None:
    """Compare outputs of a fast path, at the batch in which they were made, with the model's.

    `tolerance` is the largest difference, of the largest finite value of the tensor. Infinities and
    NaNs have to be the same.

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
        same = (a == b) | (a.isnan() & b.isnan())
        if bool(same.all()):
            continue
        size = b.abs()
        scale = torch.where(size.isfinite(), size, 0).max().item()
        error = torch.where(same, 0, a - b).abs().max().item()
        if not error <= tolerance * max(scale, 1e-30):  # NaN too
            raise FastPathOff(
                f"{what} differ by {error:.3g} from the model's, which go up to {scale:.3g}"
            )
