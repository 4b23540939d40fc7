"""Multipliers at poles and at a root's zero: finite, complete, and of no harm to the others.

Channels 0 to 2 are the ones in question: zero in both sequences ("dead"), within 1e-7 of zero
("near"), or zero in two of four references alone ("one"). Channels 3 to 7 are ordinary.
"""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cisweep.analysis.attribution.deep_lift_shap import attribute
from cisweep.analysis.attribution.rescale.rules.elementwise import rounding_of, secant

LENGTH, ODD = 12, 3
LIMITS = [(torch.float32, 1e-4), (torch.float64, 1e-9)]
CASES = ["dead", "near", "one"]


def one_hot(n: int, seed: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    bases = torch.randint(0, 4, (n, LENGTH), generator=draw)
    return F.one_hot(bases, 4).transpose(1, 2).double()


def pairs() -> tuple[torch.Tensor, torch.Tensor]:
    """Examples begin with C, the first two references with A: the switch of the case "one"."""
    x, references = one_hot(3, 0), torch.stack([one_hot(3, k + 1) for k in range(4)], 1)
    x[..., 0] = torch.eye(4)[1]
    references[..., 0] = torch.eye(4)[1]
    references[:, :2, :, 0] = torch.eye(4)[0]
    return x, references


class Net(nn.Module):
    """Eight channels of a convolution, an operation on each channel, a fixed wave of weights."""

    def __init__(self, operation, case: str | None):
        super().__init__()
        torch.manual_seed(1)
        self.conv = nn.Conv1d(4, 8, 5, padding=2).double()
        self.operation, self.case = operation, case

    def hidden(self, x):
        h = self.conv(x)
        odd, rest = h[:, 3 : 3 + ODD], h[:, ODD:]
        if self.case is None:
            return rest
        switch = {"dead": 0.0, "near": 1e-7, "one": x[:, 1:2, :1]}[self.case]
        return torch.cat([odd * switch, rest], 1)

    def forward(self, x):
        value = self.operation(self.hidden(x)).flatten(1)
        weights = torch.cos(torch.arange(16.0 * LENGTH, dtype=value.dtype)).view(2, 8, LENGTH)
        weights = weights[:, :, : value.shape[1] // (8 if self.case else 8 - ODD)]
        weights = weights if self.case else weights[:, ODD:]
        return value @ weights.flatten(1).T


def nonnegative(operation):
    return lambda h: operation(F.relu(h))


OF_EACH = {
    "sqrt": nonnegative(torch.sqrt),
    "x ** 0.5": nonnegative(lambda h: h**0.5),
    "x ** -0.5 where positive": nonnegative(lambda h: torch.where(h > 0, h**-0.5, 0.0)),
    "cube root": lambda h: torch.sign(h) * h.abs() ** (1 / 3),
    "log where positive": nonnegative(lambda h: torch.where(h > 0, torch.log(h), 0.0)),
    "reciprocal where not 0": lambda h: torch.where(h.abs() > 1e-3, 1 / h, 0.0),
    "entropy": nonnegative(torch.special.entr),
    "x log x": nonnegative(lambda h: torch.xlogy(h, h)),
    "asin": lambda h: torch.asin(h.clamp(-1, 1)),
    "acos of 1": lambda h: torch.acos(torch.where(h.abs() > 1e-3, h.clamp(-1, 1), 1.0)),
    "atanh": lambda h: torch.atanh(h.clamp(-1, 1) * 0.99),
    "square root of a square": lambda h: (h * h).sqrt(),
    "rsqrt": lambda h: h * torch.rsqrt(h * h + 1e-12),
}
OF_CHANNELS = {
    "std": lambda h: h.std(2),
    "std_mean": lambda h: torch.cat(torch.std_mean(h, 2, keepdim=True), 2),
    "var": lambda h: h.var(2),
    "norm": lambda h: h.norm(dim=2),
    "norm 0": lambda h: torch.linalg.vector_norm(F.relu(h), 0, 2),
    "norm 0.5": lambda h: torch.linalg.vector_norm(h, 0.5, 2),
    "norm 1": lambda h: torch.linalg.vector_norm(h, 1, 2),
    "norm 3": lambda h: torch.linalg.vector_norm(h, 3, 2),
    "norm inf": lambda h: torch.linalg.vector_norm(h, math.inf, 2),
    "norm -inf": lambda h: torch.linalg.vector_norm(h, -math.inf, 2),
    "normalize": lambda h: F.normalize(h, dim=2),
    "normalize 1": lambda h: F.normalize(h, p=1, dim=2),
    "normalize 3": lambda h: F.normalize(h, p=3, dim=2),
    "x / (|x| + tiny)": lambda h: h / (h.norm(dim=2, keepdim=True) + 1e-8),
    "cosine similarity": lambda h: F.cosine_similarity(h, h.flip(2), dim=2),
    "layer norm": lambda h: F.layer_norm(h, (LENGTH,)),
    "layer norm, eps 1e-12": lambda h: F.layer_norm(h, (LENGTH,), eps=1e-12),
    "rms norm": lambda h: F.rms_norm(h, (LENGTH,)),
    "instance norm": lambda h: F.instance_norm(h),
    "LPPool": lambda h: F.lp_pool1d(h, 2, 3),
    "x ** y": lambda h: F.relu(h) ** (F.relu(h.flip(2)) + 0.5),
    "atan2": lambda h: torch.atan2(h, h.flip(2).abs()),
    "hypot": lambda h: torch.hypot(h, h.flip(2)),
    "softmax": lambda h: torch.softmax(h, 2),
    "log_softmax": lambda h: F.log_softmax(h, 2),
    "logsumexp of a mask": lambda h: torch.exp(torch.logsumexp(h + minus_infinite(h), 2)),
    "maximum of a mask": lambda h: torch.exp((h + minus_infinite(h)).amax(2)),
    "max_pool1d of a mask": lambda h: F.relu(F.max_pool1d(h + minus_infinite(h), 4)),
}


def minus_infinite(h):
    """−inf for channels 0 to 2 and for the last four positions of all of the eight channels."""
    hidden = torch.arange(LENGTH) >= LENGTH - 4
    hidden = hidden.expand(h.shape[1], LENGTH).clone()
    hidden[: h.shape[1] - (8 - ODD)] = True
    return torch.where(hidden, -math.inf, 0.0).to(h.dtype)


@pytest.mark.parametrize("name", [*OF_EACH, *OF_CHANNELS])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("dtype", "limit"), LIMITS)
def test_multipliers_are_finite_and_complete(name, case, dtype, limit):
    x, references = pairs()
    net = Net({**OF_EACH, **OF_CHANNELS}[name], case)
    found = attribute(net, x, references, [0, 1], dtype=dtype, multipliers=True)
    assert found.multipliers.isfinite().all()
    assert (found.deltas.abs().amax((1, 2)) < limit * found.mean_abs_dy).all()


@pytest.mark.parametrize("name", [*OF_EACH, *OF_CHANNELS])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_other_channels_have_what_they_have_alone(name, dtype):
    x, references = pairs()
    operation = {**OF_EACH, **OF_CHANNELS}[name]
    found, alone = (
        attribute(Net(operation, case), x, references, [0, 1], dtype=d, multipliers=True)
        for case, d in (("dead", dtype), (None, torch.float64))
    )
    wanted = alone.multipliers
    limit = 1e-9 if dtype is torch.float64 else 1e-3
    assert (found.multipliers - wanted).abs().max() < limit * wanted.abs().max()


def units(z_e, z_r, function):
    """Return Δf / Δz of each unit, 0 where Δz is."""
    rise = function(z_e) - function(z_r)
    return torch.where(z_e == z_r, 0.0, rise / (z_e - z_r))


def of_norm(z_e, z_r):
    total = z_e.norm() + z_r.norm()
    return (z_e + z_r) / total if total > 0 else torch.zeros_like(z_e)


def of_std(z_e, z_r):
    c_e, c_r = z_e - z_e.mean(), z_r - z_r.mean()
    shares = (c_e + c_r) / (len(c_e) - 1) / (c_e.std(correction=0) + c_r.std(correction=0))
    shares = shares * ((len(c_e) - 1) / len(c_e)) ** 0.5
    return shares - shares.mean()


CLOSED_FORMS = {
    "sqrt": (
        lambda z: torch.sqrt(F.relu(z)).sum(1),
        lambda e, r: units(e, r, lambda z: F.relu(z).sqrt()),
    ),
    "log": (
        lambda z: torch.log(F.relu(z) + 0.05).sum(1),
        lambda e, r: units(e, r, lambda z: torch.log(F.relu(z) + 0.05)),
    ),
    "norm": (lambda z: z.norm(dim=1), of_norm),
    "norm of zeros alone": (
        lambda z: z[:, :2].norm(dim=1) + z[:, 4:].norm(dim=1),
        lambda e, r: torch.cat([torch.zeros(4), of_norm(e[4:], r[4:])]),
    ),
    "std": (lambda z: z.std(1), of_std),
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-4), (torch.float64, 1e-9)])
def test_values_by_closed_forms(name, dtype, limit):
    """Of ten units, two dead and two within 1e-7 of zero, over all sixteen inputs at once."""
    torch.manual_seed(0)
    weight = torch.randn(10, 4 * LENGTH, dtype=torch.float64)
    weight[:2] = 0.0
    weight[2:4] *= 1e-7
    operation, closed = CLOSED_FORMS[name]

    class Units(nn.Module):
        def forward(self, x):
            return operation(x.flatten(1) @ weight.to(x.dtype).T)

    x, references = pairs()
    found = attribute(Units(), x, references, dtype=dtype, multipliers=True).multipliers[0]
    for i in range(len(x)):
        for k in range(references.shape[1]):
            # The rule is judged, not the rounding of what it is given.
            pair = torch.stack([x[i], references[i, k]]).flatten(1).to(dtype)
            z_e, z_r = (pair @ weight.to(dtype).T).double()
            wanted = (weight.T @ closed(z_e, z_r).double()).view(4, LENGTH)
            error = (found[i, k].double() - wanted).abs().max()
            assert error < limit * wanted.abs().max()


CURVES = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "softplus": F.softplus,
    "log1p of e^x": lambda x: torch.log1p(torch.exp(x)),
    "sine": torch.sin,
}


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_secant_of_any_two_inputs(name, dtype):
    """Against the derivative's mean on the way, in float64, for Δx of 1e-15 to 1.

    The derivative at the example stands for Δx up to 1.5 eps^½ |x|, where it is off by half of
    Δx for a curvature of 1; a larger Δx divides a rounding of eps |x|. Here |x| <= 4.
    """
    torch.manual_seed(0)
    x_e = torch.empty(4000, dtype=dtype).uniform_(-4, 4)
    x = x_e + torch.randn_like(x_e) * 10 ** torch.empty_like(x_e).uniform_(-15, 0)
    curve = CURVES[name]
    leaf = x_e.clone().requires_grad_()
    value_e = curve(leaf)
    (slope,) = torch.autograd.grad(value_e.sum(), leaf)
    value_e = value_e.detach()
    found = secant(value_e - curve(x), x_e - x, slope, rounding_of(value_e), x_e)
    places, weights = map(torch.from_numpy, np.polynomial.legendre.leggauss(20))
    nodes = ((places + 1) / 2)[:, None]
    path = (x.double() + nodes * (x_e.double() - x.double())).requires_grad_()
    (slopes,) = torch.autograd.grad(curve(path).sum(), path)
    error = (found.double() - weights @ slopes / 2).abs().max()
    assert error < 2 * (4 * torch.finfo(dtype).eps) ** 0.5
