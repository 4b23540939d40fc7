"""Operations that are written out in others which have rules: norms, gates, quotients, attention.

Each function takes the arguments of the ATen operation of its name and is run on tracked tensors.
"""

import math
from typing import Any

import torch

from cisweep.analysis.attribution.rescale.tracing import Tracked, as_mask, as_number
from cisweep.errors import AttributionError


def div(a: Any, b: Any, *, rounding_mode: str | None = None) -> Any:
    """Return a / b as a product with a reciprocal; rounding has no derivative and is refused."""
    if rounding_mode is not None:
        raise AttributionError(f"division rounded to {rounding_mode!r} has no DeepLIFT rule")
    return a * torch.reciprocal(b)


def glu(x: Any, dim: int = -1) -> Any:
    """Return a · sigmoid(b) of the two halves of x."""
    a, b = x.chunk(2, dim)
    return a * torch.sigmoid(b)


def layer_norm(x: Any, shape: Any, weight: Any, bias: Any, eps: float) -> Any:
    """Return the three results of native_layer_norm, the last two (statistics) unused."""
    dims = list(range(-len(shape), 0))
    value = _standardize(x, dims, eps)
    value = value if weight is None else value * weight
    return value if bias is None else value + bias, torch.empty(0), torch.empty(0)


def _standardize(x: Any, dims: list[int], eps: float) -> Any:
    centred = x - x.mean(dims, keepdim=True)
    variance = (centred * centred).mean(dims, keepdim=True)
    return centred * torch.rsqrt(variance + eps)


def group_norm(
    x: Any, weight: Any, bias: Any, rows: int, channels: int, size: int, groups: int, eps: float
) -> Any:
    """Return the three results of native_group_norm."""
    value = _standardize(x.reshape(rows, groups, -1), [2], eps).reshape(x.shape)
    return _affine(value, weight, bias), torch.empty(0), torch.empty(0)


def _affine(value: Any, weight: Any, bias: Any) -> Any:
    shape = (1, -1, *[1] * (value.ndim - 2))
    value = value if weight is None else value * weight.view(shape)
    return value if bias is None else value + bias.view(shape)


def instance_norm(x: Any, weight: Any, bias: Any, eps: float) -> Any:
    """Return the results of native_batch_norm in training, which instance norm calls on one row."""
    if x.shape[0] != 1:
        raise AttributionError(
            "batch norm with the statistics of the batch mixes examples with each other",
            mend="keep running statistics (track_running_stats=True), or use another norm",
        )
    value = _standardize(x, [0, *range(2, x.ndim)], eps)
    return _affine(value, weight, bias), torch.empty(0), torch.empty(0)


def rms_norm(x: Any, shape: Any, weight: Any, eps: float | None) -> Any:
    """Return the two results of _fused_rms_norm."""
    dims = list(range(-len(shape), 0))
    eps = torch.finfo(x.dtype).eps if eps is None else eps
    value = x * torch.rsqrt((x * x).mean(dims, keepdim=True) + eps)
    return value if weight is None else value * weight, torch.empty(0)


def _spread(x: Any, dim: Any, correction: Any, keepdim: bool) -> Any:
    dims = [dim] if isinstance(dim, int) else list(dim or range(x.ndim))
    count = math.prod(x.shape[d] for d in dims)
    centred = x - x.mean(dims, keepdim=True)
    correction = 1 if correction is None else correction
    return (centred * centred).sum(dims, keepdim=keepdim) / max(count - correction, 0)


def var(x: Any, dim: Any = None, correction: Any = None, keepdim: bool = False) -> Any:
    """Return the variance over `dim`."""
    return _spread(x, dim, correction, keepdim)


def std(x: Any, dim: Any = None, correction: Any = None, keepdim: bool = False) -> Any:
    """Return the standard deviation over `dim`."""
    return torch.sqrt(_spread(x, dim, correction, keepdim))


def var_mean(x: Any, dim: Any = None, correction: Any = None, keepdim: bool = False) -> Any:
    """Return variance and mean over `dim`."""
    mean = x.mean(list(range(x.ndim)) if dim is None else dim, keepdim=keepdim)
    return _spread(x, dim, correction, keepdim), mean


def std_mean(x: Any, dim: Any = None, correction: Any = None, keepdim: bool = False) -> Any:
    """Return standard deviation and mean over `dim`."""
    spread, mean = var_mean(x, dim, correction, keepdim)
    return torch.sqrt(spread), mean


def vector_norm(
    x: Any, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Any:
    """Return the norm of any order over `dim`."""
    dims = [dim] if isinstance(dim, int) else list(dim or range(x.ndim))
    x = x if dtype is None else x.to(dtype)
    if ord == 2:
        return torch.sqrt((x * x).sum(dims, keepdim=keepdim))
    if ord == 0:
        return (x != 0).to(x.dtype).sum(dims, keepdim=keepdim)
    size = torch.abs(x)
    if ord == 1:
        return size.sum(dims, keepdim=keepdim)
    if math.isinf(ord):
        return (size.amax if ord > 0 else size.amin)(dims, keepdim=keepdim)
    return (size**ord).sum(dims, keepdim=keepdim) ** (1 / ord)


def norm(x: Any, p: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return the norm of order p (None: 2) over `dim`."""
    return vector_norm(x, 2 if p is None else p, dim, keepdim, dtype=dtype)


def logaddexp(a: Any, b: Any) -> Any:
    """Return log(e^a + e^b)."""
    return torch.logsumexp(torch.stack(torch.broadcast_tensors(a, b), -1), -1)


def masked_fill(x: Any, mask: Any, value: Any) -> Any:
    """Return x with `value` where the mask, which depends on the input, is true."""
    return torch.where(mask, value, x)


def prod(x: Any, dim: int, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return the product over one axis, taken from left to right."""
    factors = (x if dtype is None else x.to(dtype)).unbind(dim)
    value = factors[0]
    for factor in factors[1:]:
        value = value * factor
    return value.unsqueeze(dim) if keepdim else value


def cumprod(x: Any, dim: int, *, dtype: Any = None) -> Any:
    """Return the products of all that stand up to each place of one axis."""
    factors = (x if dtype is None else x.to(dtype)).unbind(dim)
    found = [factors[0]]
    for factor in factors[1:]:
        found.append(found[-1] * factor)
    return torch.stack(found, dim)


def distances(a: Any, b: Any, p: float, mode: int | None = None) -> Any:
    """Return the distance of order p of each row of a (…, n, d) from each of b (…, m, d)."""
    return vector_norm(a.unsqueeze(-2) - b.unsqueeze(-3), p, -1)


def lerp(start: Any, end: Any, weight: Any) -> Any:
    """Return start + weight · (end − start)."""
    return start + weight * (end - start)


def addcdiv(x: Any, a: Any, b: Any, *, value: float = 1) -> Any:
    """Return x + value · a / b."""
    return x + a * torch.reciprocal(b) * value if isinstance(b, Tracked) else x + a / b * value


def logical_not(a: Any) -> Any:
    """Return 1 − a, as a mask."""
    return as_mask(1 - as_number(a))


def logical_and(a: Any, b: Any) -> Any:
    """Return a · b, as a mask."""
    return as_mask(as_number(a) * as_number(b))


def logical_or(a: Any, b: Any) -> Any:
    """Return a + b − a · b, as a mask."""
    a, b = as_number(a), as_number(b)
    return as_mask(a + b * 1.0 - a * b)


def logical_xor(a: Any, b: Any) -> Any:
    """Return a + b − 2 · a · b, as a mask."""
    a, b = as_number(a), as_number(b)
    return as_mask(a + b * 1.0 - 2 * a * b)


def attention(
    query: Any,
    key: Any,
    value: Any,
    mask: Any = None,
    dropout: float = 0.0,
    causal: bool = False,
    scale: float | None = None,
) -> Any:
    """Return scaled dot-product attention, written out; a boolean mask is True where seen."""
    if dropout:
        raise AttributionError("attention with dropout is random", mend="set dropout to 0")
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    if query.ndim > 3 and query.shape[-3] != key.shape[-3]:  # heads that share keys
        share = query.shape[-3] // key.shape[-3]
        key, value = (t.repeat_interleave(share, -3) for t in (key, value))
    logits = (query * scale) @ key.transpose(-2, -1)
    if causal:
        seen = torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device).tril()
        logits = logits.masked_fill(~seen, -math.inf)
    if mask is not None:
        hidden = mask.dtype == torch.bool
        logits = logits.masked_fill(~mask, -math.inf) if hidden else logits + mask
    # A row that sees nothing is 0, as in torch's kernels.
    return torch._safe_softmax(logits, -1) @ value


def flash_cpu(
    query: Any,
    key: Any,
    value: Any,
    dropout: float = 0.0,
    causal: bool = False,
    *,
    attn_mask: Any = None,
    scale: float | None = None,
) -> Any:
    """Return the results of _scaled_dot_product_flash_attention_for_cpu."""
    found = attention(query, key, value, attn_mask, dropout, causal, scale)
    return found, torch.empty(0)


def lstm_layer(
    x: Any,
    w_x: Any,
    w_h: Any,
    b_x: Any,
    b_h: Any,
    hidden: Any,
    cell: Any,
    reverse: bool,
    *rest: Any,
) -> Any:
    """Return the results of mkldnn_rnn_layer: one direction of an LSTM over x (time, rows, …)."""
    mode, has_biases = rest[1], rest[4]
    if mode != 2:
        raise AttributionError(f"a recurrent layer of oneDNN's mode {mode} has no DeepLIFT rule")
    bias = b_x + b_h if has_biases else None
    inputs = torch.nn.functional.linear(x, w_x, bias).unbind(0)
    hidden, cell = (t.reshape(t.shape[-2:]) for t in (hidden, cell))
    outputs = []
    for step in reversed(inputs) if reverse else inputs:
        gates = step + torch.nn.functional.linear(hidden, w_h)
        enter, forget, new, leave = gates.chunk(4, 1)
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * torch.tanh(new)
        hidden = torch.sigmoid(leave) * torch.tanh(cell)
        outputs.append(hidden)
    ordered = torch.stack(outputs[::-1] if reverse else outputs)
    return ordered, hidden.unsqueeze(0), cell.unsqueeze(0), torch.empty(0)
