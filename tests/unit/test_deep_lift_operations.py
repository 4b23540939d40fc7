"""Every operation is complete: the attributions of a pair add up to the difference of outputs."""

import math
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from cisweep.analysis.attribution.deep_lift_shap import attribute
from cisweep.errors import AttributionError

sys.path.insert(0, str(Path(__file__).parents[1]))
from trained_like import trained_like

N, N_REFERENCES, LENGTH, CHANNELS = 2, 3, 12, 8


def one_hot(n: int, length: int, seed: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return F.one_hot(torch.randint(0, 4, (n, length), generator=draw), 4).transpose(1, 2).double()


class Around(nn.Module):
    """A net with the operation between a convolution and a linear layer: (N, 8, 12) -> any."""

    def __init__(self, operation, module: nn.Module | None = None):
        super().__init__()
        torch.manual_seed(1)
        self.first = nn.Conv1d(4, CHANNELS, 5, padding=2)
        self.module = module
        self.operation = operation

    def forward(self, x):
        hidden = self.first(x) * 2
        value = self.operation(hidden) if self.module is None else self.module(hidden)
        value = value[0] if isinstance(value, tuple) else value
        # A fixed wave weighs the outputs; two targets.
        flat = value.reshape(x.shape[0], -1).double()
        weights = torch.cos(torch.arange(flat.shape[1] * 2, dtype=flat.dtype)).view(-1, 2)
        return flat @ weights


def pairs(seed: int = 0):
    x = one_hot(N, LENGTH, seed)
    references = torch.stack([one_hot(N, LENGTH, seed + k + 1) for k in range(N_REFERENCES)], 1)
    return x, references


def shortfall(model: nn.Module, **settings) -> float:
    x, references = pairs()
    model = model.double().eval()
    found = attribute(model, x, references, [0, 1], **settings)
    with torch.no_grad():
        wanted = model(x)[:, None] - torch.stack([model(r) for r in references.unbind(1)], 1)
    torch.testing.assert_close(found.delta_y, wanted.movedim(2, 0), rtol=1e-9, atol=1e-9)
    assert found.mean_abs_dy.min() > 1e-6
    return (found.deltas.abs().amax((1, 2)) / found.mean_abs_dy).max().item()


def assign(h):
    out = h.new_zeros(h.shape)
    out[:, :3] = h[:, :3] * h[:, 3:6]
    out[:, 3] = 1.0
    out[:, 4:] += torch.exp(h[:, 4:])
    return out


def assign_into_plain(h):
    out = torch.zeros(h.shape, dtype=h.dtype)
    out[:, ::2] = h[:, ::2]
    out[..., 3:6] += h[..., :3] ** 2
    return out


def in_place_on_view(h):
    h = h.clone()
    view = h[:, :4]
    view.relu_()
    view.mul_(h[:, 4:])
    h[h > 1] = 0.5
    return h


def overwritten_later(h):
    gated = F.gelu(h)
    squared = h * gated
    h += squared
    h.sigmoid_()
    return h * squared


POSITIVE = {
    "log": torch.log,
    "log2": torch.log2,
    "log10": torch.log10,
    "log1p": torch.log1p,
    "sqrt": torch.sqrt,
    "rsqrt": torch.rsqrt,
    "reciprocal": torch.reciprocal,
    "constant / x": lambda h: 2.5 / h,
    "x ** -1.5": lambda h: h**-1.5,
    "2 ** x": lambda h: 2.0**h,
    "x ** y": lambda h: h[:, :4] ** h[:, 4:],
    "lgamma": torch.lgamma,
    "quotient": lambda h: h[:, :4] / h[:, 4:],
    "div_": lambda h: h.clone().div_(h.flip(1)),
    "prod": lambda h: h[:, :4].prod(1),
    "addcdiv": lambda h: torch.addcdiv(h, h, h.flip(1)),
    "where with an unused nan": lambda h: torch.where(h > 2, torch.log(h - 1.9), h),
}
CURVES = {
    "abs": torch.abs,
    "exp": torch.exp,
    "expm1": torch.expm1,
    "exp2": torch.exp2,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "square": torch.square,
    "sin": torch.sin,
    "cos": torch.cos,
    "erf": torch.erf,
    "atan": torch.atan,
    "asinh": torch.asinh,
    "softplus": F.softplus,
    "silu": F.silu,
    "mish": F.mish,
    "gelu": F.gelu,
    "elu": F.elu,
    "gelu tanh": lambda h: F.gelu(h, approximate="tanh"),
    "celu": F.celu,
    "selu": F.selu,
    "relu": F.relu,
    "torch.relu": torch.relu,
    "Tensor.relu": lambda h: h.relu(),
    "relu_": lambda h: h.clone().relu_(),
    "F.relu inplace": lambda h: F.relu(h, inplace=True),
    "relu6": F.relu6,
    "leaky_relu": F.leaky_relu,
    "hardtanh": F.hardtanh,
    "hardsigmoid": F.hardsigmoid,
    "hardswish": F.hardswish,
    "hardshrink": F.hardshrink,
    "softshrink": F.softshrink,
    "tanhshrink": F.tanhshrink,
    "softsign": F.softsign,
    "logsigmoid": F.logsigmoid,
    "threshold": lambda h: F.threshold(h, 0.1, 0.0),
    "clamp": lambda h: h.clamp(-0.5, 0.7),
    "clamp min": lambda h: torch.clamp(h, min=0),
    "clamp tensor": lambda h: torch.clamp(h, min=torch.linspace(-1, 1, LENGTH)),
    "clamp_": lambda h: h.clone().clamp_(min=0.1),
    "x ** 3": lambda h: h**3,
    "x ** 2": lambda h: h.pow(2),
    "torch.pow": lambda h: torch.pow(h, 2),
    "maximum constant": lambda h: torch.maximum(h, torch.zeros(LENGTH, dtype=h.dtype)),
    "where constant": lambda h: torch.where(h > 0, h, torch.zeros_like(h)),
    "where scalar": lambda h: torch.where(h > 0, h, 0.1 * h),
    "x * mask": lambda h: h * (h > 0),
    "mask to float": lambda h: h * (h > 0).double(),
    "masked_fill": lambda h: h.masked_fill(h < 0, 0),
    "masks": lambda h: h * ((h > 0) & (h < 1) | ~(h > -1)),
    "x > y": lambda h: torch.where(h > h.flip(1), h, h.flip(1) * 2),
    "sign": torch.sign,
    "round": torch.round,
    "nan_to_num": torch.nan_to_num,
}
SEVERAL = {
    "x * x": lambda h: h * h,
    "x * y": lambda h: h[:, :4] * h[:, 4:],
    "x.mul_(y)": lambda h: h.clone().mul_(h.flip(1)),
    "three": lambda h: h * h.flip(1) * h.roll(1, 1),
    "broadcast product": lambda h: h * h.mean(2, keepdim=True),
    "matmul": lambda h: h.transpose(1, 2) @ h,
    "bmm": lambda h: torch.bmm(h, h.transpose(1, 2)),
    "einsum": lambda h: torch.einsum("bcl,bdl->bcd", h, h),
    "baddbmm": lambda h: torch.baddbmm(h[:, :, :8], h, h.transpose(1, 2), beta=0.3),
    "einsum of three": lambda h: torch.einsum("bcl,bcl,bdl->bd", h, h, h),
    "addmm": lambda h: torch.stack([torch.addmm(row[:, :8], row, row.t()) for row in h]),
    "addcmul": lambda h: torch.addcmul(h, h, h.flip(2), value=0.5),
    "lerp": lambda h: torch.lerp(h, h.flip(1), torch.sigmoid(h)),
    "active weights": lambda h: torch.stack(
        [F.conv1d(row[None], row[:2, :3][:, None].expand(-1, 8, -1))[0] for row in h]
    ),
    "maximum": lambda h: torch.maximum(h, h.flip(1)),
    "minimum": lambda h: torch.minimum(h, h.flip(1)),
    "torch.max of two": lambda h: torch.max(h, h.flip(1)),
    "clamp by activation": lambda h: h.clamp_min(h.mean(1, keepdim=True)),
    "softmax": lambda h: torch.softmax(h * 3, 1),
    "Tensor.softmax": lambda h: h.softmax(-1),
    "log_softmax": lambda h: F.log_softmax(h, -1),
    "softmin": lambda h: F.softmin(h, 1),
    "softmax float32 in": lambda h: F.softmax(h, 1, dtype=torch.float64),
    "masked softmax": lambda h: torch.softmax(
        h.masked_fill(torch.arange(LENGTH) > 7, -math.inf), -1
    ),
    "logsumexp": lambda h: torch.logsumexp(h, (1, 2)),
    "logsumexp keepdim": lambda h: torch.logsumexp(h, 1, keepdim=True),
    "logaddexp": lambda h: torch.logaddexp(h, h.flip(1)),
    "glu": lambda h: F.glu(h, 1),
    "swiglu": lambda h: F.silu(h[:, :4]) * h[:, 4:],
    "var": lambda h: h.var(1),
    "std": lambda h: h.std(-1, keepdim=True),
    "var_mean": lambda h: torch.cat(torch.var_mean(h, 2), 1),
    "norm": lambda h: h.norm(dim=1),
    "normalize": lambda h: F.normalize(h, dim=1),
    "norm 1": lambda h: torch.linalg.vector_norm(h, 1, 2),
    "cumprod": lambda h: h.cumprod(1),
    "cdist": lambda h: torch.cdist(h, h.flip(1)),
    "cdist, 1": lambda h: torch.cdist(h, torch.ones(3, LENGTH, dtype=h.dtype), p=1),
    "pairwise_distance": lambda h: F.pairwise_distance(h, h.flip(1)),
    "norm 3": lambda h: torch.linalg.vector_norm(h, 3, 2),
    "atan2": lambda h: torch.atan2(h, h.flip(1)),
    "hypot": lambda h: torch.hypot(h, h.flip(1)),
    "cosine": lambda h: F.cosine_similarity(h, h.flip(1), dim=1),
    "layer_norm": lambda h: F.layer_norm(h, (LENGTH,)),
    "rms_norm": lambda h: F.rms_norm(h, (LENGTH,)),
    "group_norm": lambda h: F.group_norm(h, 4),
    "instance_norm": lambda h: F.instance_norm(h),
    "attention": lambda h: F.scaled_dot_product_attention(h, h.flip(1), h),
    "attention causal": lambda h: F.scaled_dot_product_attention(h, h.flip(1), h, is_causal=True),
    "attention mask": lambda h: F.scaled_dot_product_attention(
        h[:, None], h[:, None].flip(2), h[:, None], attn_mask=torch.ones(8, 8).tril(1).bool()
    ),
    "attention bias": lambda h: F.scaled_dot_product_attention(
        h, h, h, attn_mask=torch.linspace(-1, 1, 64, dtype=h.dtype).view(8, 8), scale=0.3
    ),
    "bilinear": lambda h: F.bilinear(
        h[..., 0], h[..., 1], torch.linspace(-1, 1, 128, dtype=h.dtype).view(2, 8, 8)
    ),
}
MAXIMA = {
    "amax": lambda h: h.amax(-1),
    "amax of two axes": lambda h: h.amax((1, 2)),
    "amin": lambda h: h.amin(1, keepdim=True),
    "max.values": lambda h: h.max(-1).values,
    "min.values": lambda h: h.min(1)[0],
    "max_pool1d": lambda h: F.max_pool1d(h, 3),
    "overlapping": lambda h: F.max_pool1d(h, 4, 2, 1),
    "dilated": lambda h: F.max_pool1d(h, 2, 1, dilation=3),
    "ceil": lambda h: F.max_pool1d(h, 5, 5, ceil_mode=True),
    "max_pool2d": lambda h: F.max_pool2d(h[:, None], 3, 2),
    "adaptive": lambda h: F.adaptive_max_pool1d(h, 5),
    "adaptive 2d": lambda h: F.adaptive_max_pool2d(h[:, None], 3),
    "max of relu": lambda h: F.relu(h).amax(-1),
    "max_pool3d": lambda h: F.max_pool3d(h.view(len(h), 1, 2, 4, 12), 2),
}
BY_PLACE = {
    "sort": lambda h: h.sort(1)[0],
    "sort, descending": lambda h: torch.sort(h, -1, descending=True).values,
    "sort, stable": lambda h: torch.sort(h, dim=1, stable=True)[0],
    "topk": lambda h: h.topk(2, 1)[0],
    "topk, smallest": lambda h: torch.topk(h, 3, dim=-1, largest=False).values,
    "kthvalue": lambda h: h.kthvalue(2, 1)[0],
    "kthvalue, keepdim": lambda h: h.kthvalue(5, 2, keepdim=True).values,
    "median": lambda h: h.median(2).values,
    "median, keepdim": lambda h: h.median(1, keepdim=True)[0],
    "topk of ties": lambda h: F.relu(h - 0.5).topk(6, 2)[0],
}
LINEAR = {
    "as_strided": lambda h: h.as_strided(
        (len(h), 8, 5, 4), (h.stride(0), h.stride(1), 2 * h.stride(2), h.stride(2))
    ),
    "views": lambda h: (
        h.permute(2, 0, 1).flip(0).transpose(0, 1).reshape(len(h), -1)[:, 3:-2].unsqueeze(1)
    ),
    "view after conv": lambda h: F.conv1d(h, torch.ones(6, 8, 3, dtype=h.dtype)).view(len(h), -1),
    "cat, stack": lambda h: torch.cat(
        [h, torch.stack([h[:, 0], h[:, 1]], 1) * 2, torch.ones(len(h), 1, 12)], 1
    ),
    "unbind, sum": lambda h: sum(torch.unbind(h, 1)),
    "chunk": lambda h: h.chunk(3, 2)[1],
    "split": lambda h: h.split([3, 5], 1)[1],
    "pad": lambda h: F.pad(h, (2, 3)),
    "reflect": lambda h: F.pad(h, (2, 3), mode="reflect"),
    "replicate": lambda h: F.pad(h, (1, 1), mode="replicate"),
    "circular": lambda h: F.pad(h, (1, 1), mode="circular"),
    "cumsum": lambda h: h.cumsum(-1),
    "mean, sum": lambda h: h.mean(1) + h.sum((1, 2), keepdim=True)[:, 0],
    "roll": lambda h: h.roll(2, 2),
    "nearest": lambda h: F.interpolate(h, scale_factor=2),
    "linear": lambda h: F.interpolate(h, 20, mode="linear"),
    "avg_pool1d": lambda h: F.avg_pool1d(h, 3, 2),
    "adaptive_avg": lambda h: F.adaptive_avg_pool1d(h, 5),
    "avg_pool2d": lambda h: F.avg_pool2d(h[:, None], 2),
    "index": lambda h: h[:, [3, 1, 1]],
    "index_select": lambda h: h.index_select(2, torch.tensor([2, 0])),
    "ellipsis": lambda h: h[..., None, 2],
    "mask": lambda h: h[:, torch.arange(8) % 2 == 0],
    "gather": lambda h: h.gather(2, torch.zeros(len(h), 8, 2, dtype=torch.long)),
    "masked_fill constant": lambda h: h.masked_fill(torch.arange(12) > 5, 2.0),
    "casts": lambda h: h.to(torch.complex128).real.double(),
    "where constant mask": lambda h: torch.where(torch.arange(12) > 5, h, -h),
    "tril": torch.tril,
    "einsum constant": lambda h: torch.einsum("bcl,cd->bdl", h, torch.ones(8, 3, dtype=h.dtype)),
    "unfold": lambda h: h.unfold(2, 4, 2),
    "im2col": lambda h: F.unfold(h[:, None], 3),
    "diff": lambda h: torch.diff(h),
    "conv2d": lambda h: F.conv2d(h[:, None], torch.ones(2, 1, 3, 3, dtype=h.dtype), padding=1),
    "conv same": lambda h: F.conv1d(h, torch.ones(2, 8, 4, dtype=h.dtype), padding="same"),
    "conv grouped": lambda h: F.conv1d(
        h, torch.ones(8, 4, 3, dtype=h.dtype), groups=2, dilation=2, stride=2
    ),
    "conv transpose": lambda h: F.conv_transpose1d(h, torch.ones(8, 2, 4, dtype=h.dtype), stride=2),
    "rsub": lambda h: 1 - h,
    "neg": lambda h: -h,
    "div": lambda h: h / 3,
    "scatter_add": lambda h: torch.zeros_like(h).scatter_add(
        2, torch.zeros(len(h), 8, 12, dtype=torch.long), h
    ),
    "fft": lambda h: torch.view_as_real(torch.fft.rfft(h)),
    "pixel_shuffle": lambda h: F.pixel_shuffle(h[:, None].expand(-1, 4, -1, -1), 2),
    "expand": lambda h: h[:, :1].expand(-1, 3, -1),
    "repeat": lambda h: h.repeat(1, 2, 1),
    "tile": lambda h: h.tile(2),
    "repeat_interleave": lambda h: h.repeat_interleave(2, 1),
    "dropout": lambda h: F.dropout(h, training=False),
    "linear layer": lambda h: F.linear(h, torch.ones(3, 12, dtype=h.dtype)),
    "clone": lambda h: h.clone().contiguous(),
    "assign": assign,
    "assign into plain": assign_into_plain,
    "in place on a view": in_place_on_view,
    "overwritten later": overwritten_later,
    "kept buffer": lambda h: torch.ones_like(h) + h,
}
MODULES = {
    "ReLU": nn.ReLU,
    "ReLU in place": lambda: nn.ReLU(inplace=True),
    "LeakyReLU": nn.LeakyReLU,
    "PReLU": lambda: nn.PReLU(8),
    "RReLU": nn.RReLU,
    "GLU": lambda: nn.GLU(1),
    "Softmax": lambda: nn.Softmax(1),
    "LogSoftmax": lambda: nn.LogSoftmax(2),
    "LayerNorm": lambda: nn.LayerNorm(12),
    "RMSNorm": lambda: nn.RMSNorm(12),
    "GroupNorm": lambda: nn.GroupNorm(2, 8),
    "InstanceNorm1d": lambda: nn.InstanceNorm1d(8, affine=True),
    "BatchNorm1d": lambda: nn.BatchNorm1d(8),
    "MaxPool1d": lambda: nn.MaxPool1d(3, 2),
    "MaxPool2d": lambda: nn.MaxPool2d(2),
    "Dropout": nn.Dropout,
    "Identity": nn.Identity,
    "Flatten": nn.Flatten,
    "MultiheadAttention": lambda: SelfAttention(nn.MultiheadAttention(12, 3, batch_first=True)),
    "MultiheadAttention, sequence first": lambda: SequenceFirst(
        SelfAttention(nn.MultiheadAttention(12, 3))
    ),
    "TransformerEncoderLayer": lambda: nn.TransformerEncoderLayer(12, 3, 20, batch_first=True),
    "TransformerEncoder": lambda: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(12, 2, 20, batch_first=True, norm_first=True, activation="gelu"),
        2,
    ),
    "LSTM": lambda: nn.LSTM(12, 5, batch_first=True, bidirectional=True),
    "GRU": lambda: nn.GRU(12, 5, batch_first=True),
    "RNN": lambda: nn.RNN(12, 5, batch_first=True),
    "Conv2d": lambda: Lifted(nn.Conv2d(1, 3, 3)),
    "ConvTranspose1d": lambda: nn.ConvTranspose1d(8, 2, 3),
    "Bilinear": lambda: Twice(nn.Bilinear(12, 12, 3)),
    "Upsample": lambda: nn.Upsample(scale_factor=3),
    "LPPool": lambda: nn.LPPool1d(2, 3),
    "ELU": nn.ELU,
}


class SelfAttention(nn.Module):
    def __init__(self, attention):
        super().__init__()
        self.attention = attention

    def forward(self, h):
        return self.attention(h, h, h)[0]


class SequenceFirst(nn.Module):
    def __init__(self, inside):
        super().__init__()
        self.inside = inside

    def forward(self, h):
        return self.inside(h.transpose(0, 1)).transpose(0, 1)


class Lifted(nn.Module):
    def __init__(self, inside):
        super().__init__()
        self.inside = inside

    def forward(self, h):
        return self.inside(h[:, None])


class Twice(nn.Module):
    def __init__(self, inside):
        super().__init__()
        self.inside = inside

    def forward(self, h):
        return self.inside(h, h.flip(1))


@pytest.mark.parametrize("name", [*CURVES, *SEVERAL, *MAXIMA, *BY_PLACE, *LINEAR])
def test_functions_are_complete(name):
    operation = {**CURVES, **SEVERAL, **MAXIMA, **BY_PLACE, **LINEAR}[name]
    assert shortfall(Around(operation)) < 1e-9


@pytest.mark.parametrize("name", POSITIVE)
def test_functions_of_positive_numbers_are_complete(name):
    assert shortfall(Around(lambda h: POSITIVE[name](F.softplus(h) + 0.5))) < 1e-9


@pytest.mark.parametrize("name", MODULES)
def test_modules_are_complete(name):
    torch.manual_seed(2)
    module = trained_like(MODULES[name]())
    assert shortfall(Around(None, module)) < 1e-9


REFUSED = {
    "item": (lambda h: h * float(h.sum()), "reads the value of an activation"),
    "if": (lambda h: h if h.sum() > 0 else -h, "reads the value of an activation"),
    "detach": (lambda h: h * h.detach(), "detaches an activation"),
    ".data": (lambda h: h + h.data, "detaches an activation"),
    "argmax": (
        lambda h: h + h.argmax(1, keepdim=True),
        "aten.argmax.default returns or reads positions",
    ),
    "embedding of an argmax": (
        lambda h: F.embedding(h.argmax(1), torch.ones(8, 2, dtype=h.dtype)),
        "depend on activations.*take the values at these positions by max, sort or topk",
    ),
    "argsort": (lambda h: h + h.argsort(1), "aten.add.Tensor returns or reads positions"),
    "index by a sort": (
        lambda h: h.gather(1, h.sort(1)[1]),
        "aten.gather.default returns or reads",
    ),
    "cummax": (lambda h: h.cummax(1)[0], "aten.cummax.default is neither linear"),
    "mode": (lambda h: h.mode(1)[0], "aten.mode.default is neither linear"),
    "floor division": (lambda h: h // 2, "aten"),
    "long": (lambda h: h.long(), "aten._to_copy"),
    "dropout": (lambda h: F.dropout(h, 0.5), "is random"),
    "noise": (lambda h: h + torch.randn_like(h), "aten.randn_like"),
    "batch statistics": (lambda h: F.batch_norm(h, None, None, training=True), "mixes examples"),
    "remainder": (lambda h: h % 2, "aten.remainder"),
    "index by maximum": (lambda h: h.gather(1, h.max(1, keepdim=True)[1]), "aten.gather"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_rule_is_refused_by_name(name):
    operation, message = REFUSED[name]
    with pytest.raises(AttributionError, match=message):
        shortfall(Around(operation))


@pytest.mark.parametrize("direction", [False, True])
def test_an_lstm_in_single_precision_is_complete(direction):
    """In float32 torch runs it as one operation of oneDNN."""
    torch.manual_seed(2)
    model = Around(None, nn.LSTM(12, 5, 2, batch_first=True, bidirectional=direction)).float()
    x, references = pairs()
    found = attribute(model, x.float(), references.float(), [0, 1], dtype=torch.float32)
    assert (found.deltas.abs().amax((1, 2)) < 1e-5 * found.mean_abs_dy).all()
    with torch.no_grad():
        wanted = model(x.float())[:, None] - torch.stack(
            [model(r.float()) for r in references.unbind(1)], 1
        )
    torch.testing.assert_close(found.delta_y, wanted.movedim(2, 0).float(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["attention", "attention mask", "attention bias"])
def test_attention_written_out_by_torch_is_complete(name):
    """As it is where the device has other kernels than the CPU's."""
    with sdpa_kernel(SDPBackend.MATH):
        assert shortfall(Around(SEVERAL[name])) < 1e-9


def test_heads_that_share_keys():
    def attend(h):
        query, key = h.view(len(h), 4, 4, 6), h[:, :4].reshape(len(h), 2, 4, 6)
        return F.scaled_dot_product_attention(query, key, key, enable_gqa=True)

    assert shortfall(Around(attend)) < 1e-9


def test_the_largest_one_is_the_maximum_and_all_together_are_the_sum():
    x, references = pairs()
    found = [
        attribute(Around(operation).double().eval(), x, references, [0], multipliers=True)
        for operation in (
            lambda h: h.topk(1, 1)[0],
            lambda h: h.amax(1, keepdim=True),
            lambda h: h.topk(CHANNELS, 1)[0].sum(1),
            lambda h: h.sum(1),
        )
    ]
    for a, b in (found[:2], found[2:]):
        torch.testing.assert_close(a.multipliers, b.multipliers, rtol=1e-9, atol=1e-12)
