"""Weights and statistics as training leaves them, for networks that were made a moment ago.

A norm that was just made has mean 0, variance 1, scale 1 and shift 0, and hides a rule that
forgets one of them.
"""

import torch
from torch import nn


def trained_like(model: nn.Module, seed: int = 0) -> nn.Module:
    """Return the model, in evaluation mode, with all statistics, biases and scales drawn.

    Matrices and kernels keep what they are up to a factor of 0.5 to 1.5 an output.
    """
    draw = torch.Generator().manual_seed(seed)

    def uniform(like: torch.Tensor, low: float, high: float) -> torch.Tensor:
        return torch.rand(like.shape, generator=draw).to(like) * (high - low) + low

    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if not tensor.is_floating_point():
                continue
            if name.endswith("running_var"):
                tensor.copy_(uniform(tensor, 0.3, 2.5))
            elif name.endswith("running_mean") or "bias" in name.rsplit(".", 1)[-1]:
                tensor.copy_(torch.randn(tensor.shape, generator=draw).to(tensor) * 0.3)
            elif tensor.ndim == 1:
                sign = 1 - 2 * (torch.rand(tensor.shape, generator=draw) < 0.2).to(tensor)
                tensor.copy_(uniform(tensor, 0.5, 1.5) * sign)
            else:
                outputs = tensor.flatten(1)[:, :1].view(-1, *[1] * (tensor.ndim - 1))
                tensor.mul_(uniform(outputs, 0.5, 1.5))
    return model.eval()
