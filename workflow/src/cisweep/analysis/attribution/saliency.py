"""Input times gradient, corrected for the direction in which no sequence can move."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cisweep.analysis.attribution.deep_lift_shap import attribute_by_gradient


def saliency(
    model: nn.Module,
    X: Tensor,
    args: Sequence[Tensor] | None = None,
    target: int = 0,
    batch_size: int = 32,
    hypothetical: bool = False,
    gradient_correction: bool = True,
    func: Callable[[Any], Tensor] | None = None,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device | None = None,
    verbose: bool = False,
) -> Tensor:
    """Return the gradient at the observed bases (N, 4, length), in the arguments of tangermeme 1.6.

    Parameters
    ----------
    model, X, args, batch_size, dtype, device: as in `deep_lift_shap`.
    target: a column of the output.
    hypothetical: give all four bases their gradient, not only the observed one.
    gradient_correction: take the mean over the four bases off at each position.
    func: is given the model's output, and returns what `target` is a column of.

    Raises AttributionError for X of another shape, and for a target without a gradient.

    Source: Simonyan et al. 2013; Majdandzic et al. 2023, Genome Biology 24; tangermeme 1.6
    saliency.
    """
    wanted = target if func is None else lambda output: func(output)[:, target]
    found = attribute_by_gradient(
        model, X, None, [wanted], args=tuple(args or ()) or None, batch_size=batch_size,
        device=device, dtype=dtype, verbose=verbose, gradient_correction=gradient_correction,
    ).hypothetical[0]  # fmt: skip
    return found if hypothetical else found * X.cpu()
