"""Softmax, its logarithm and logsumexp by logarithmic means.

For z the logits and LSE their logsumexp: ΔLSE is the secant through exp, sum and log, so the
multiplier of z_i is L(e^z_i) / L(S), with L the logarithmic mean (a − b)/(log a − log b) of example
and reference and S the sum. Then log y = z − LSE is linear, and y has Δy/Δlog y = L(y). Sharp
attention keeps its mass this way, which exp × 1/sum with a midpoint loses.
"""

from typing import Any

import torch

from cisweep.analysis.attribution.rescale.rules.elementwise import logarithmic_mean
from cisweep.analysis.attribution.rescale.tracing import Trace


class _LogSumExp(torch.autograd.Function):
    """logsumexp with the secant share of each logit."""

    @staticmethod
    def forward(ctx: Any, z: torch.Tensor, z_e: torch.Tensor, lse_e: torch.Tensor, dims: Any):
        """Return logsumexp(z) with the axes `dims` kept."""
        lse = torch.logsumexp(z, dims, keepdim=True)
        ctx.save_for_backward(_shares(z, z_e, lse, lse_e))
        return lse

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor):
        """Return the multipliers of the logits."""
        return gradient * ctx.saved_tensors[0], None, None, None


def _shares(z: torch.Tensor, z_e: torch.Tensor, lse: torch.Tensor, lse_e: torch.Tensor) -> Any:
    """Return ΔLSE/Δz by logarithmic means, both scaled by the larger sum."""
    scale = torch.maximum(lse, lse_e)
    scale = torch.where(scale.isfinite(), scale, 0.0)
    terms = logarithmic_mean(torch.exp(z_e - scale), torch.exp(z - scale), z_e - z)
    total = logarithmic_mean(torch.exp(lse_e - scale), torch.exp(lse - scale), lse_e - lse)
    return torch.where(total > 0, terms / total, 0.0)


class _Softmax(torch.autograd.Function):
    """softmax or log_softmax along one axis."""

    @staticmethod
    def forward(
        ctx: Any, z: Any, value: Any, z_e: Any, value_e: Any, lse_e: Any, dim: int, log: bool
    ):
        """Return `value`, keeping the shares and, for softmax, L(y)."""
        lse = torch.logsumexp(z, dim, keepdim=True)
        ctx.dim, ctx.log = dim, log
        kept = [_shares(z, z_e, lse, lse_e)]
        if not log:
            kept.append(logarithmic_mean(value_e, value, (z_e - z) - (lse_e - lse)))
        ctx.save_for_backward(*kept)
        return value

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor):
        """Return the multipliers of the logits."""
        shares = ctx.saved_tensors[0]
        if not ctx.log:
            gradient = gradient * ctx.saved_tensors[1]
        back = gradient - shares * gradient.sum(ctx.dim, keepdim=True)
        return back, None, None, None, None, None, None


def softmax(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    """Handle softmax and log_softmax, also the one that gives 0 for a fully masked row."""
    x, dim = args[0], args[1]
    log = "log" in func._schema.name

    def example() -> tuple[Any, list[Any]]:
        value = func(x.inner, *args[1:], **kwargs)
        z = x.inner.to(value.dtype)
        return value, [z, value, torch.logsumexp(z, dim, keepdim=True)]

    def reference(saved: list[Any]) -> Any:
        z = x.inner.to(saved[1].dtype)
        with torch.no_grad():
            value = func(x.inner, *args[1:], **kwargs)
        return _Softmax.apply(z, value, *saved, dim, log)

    return trace.operation(func, (x,), example, reference)


def logsumexp(trace: Trace, func: Any, args: tuple, kwargs: dict) -> Any:
    """Handle logsumexp over one or more axes."""
    x, dims = args[0], args[1]
    keepdim = kwargs.get("keepdim", args[2] if len(args) > 2 else False)

    def finish(lse: torch.Tensor) -> torch.Tensor:
        return lse if keepdim else lse.squeeze(dims if isinstance(dims, int) else tuple(dims))

    def example() -> tuple[Any, list[Any]]:
        lse = torch.logsumexp(x.inner, dims, keepdim=True)
        return finish(lse), [x.inner, lse]

    def reference(saved: list[Any]) -> Any:
        return finish(_LogSumExp.apply(x.inner, *saved, dims))

    return trace.operation(func, (x,), example, reference)
