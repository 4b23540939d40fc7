"""What holds for DeepLIFT/SHAP of any network, and for every reference alike."""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cisweep.analysis.attribution.deep_lift_shap import attribute

sys.path.insert(0, str(Path(__file__).parents[1]))
from trained_like import trained_like

LENGTH, CHANNELS = 34, 16


def shifted(h):
    """Written into a tensor of the model's own."""
    out = h.new_zeros(h.shape)
    out[:, :, 1:] = h[:, :, :-1]
    return out


def gated(h):
    a, b = h.chunk(2, 1)
    return torch.cat([a * torch.sigmoid(b), F.relu(b)], 1)


ACTIVATIONS = {
    "relu": F.relu,
    "in place": nn.ReLU(inplace=True),
    "leaky": nn.LeakyReLU(0.2),
    "where": lambda h: torch.where(h > 0, h, 0.1 * h),
    "gelu": F.gelu,
    "tanh": torch.tanh,
    "exp": lambda h: torch.exp(0.3 * h),
    "gated": gated,
    "softmax": lambda h: 5 * torch.softmax(h, 1),
    "shifted": lambda h: shifted(F.relu(h)),
}


class Block(nn.Module):
    """A convolution over 16 channels, batch norm, an activation, and a sum around them."""

    def __init__(self, activation: str, width: int, dilation: int, norm: bool, residual: bool):
        super().__init__()
        self.conv = nn.Conv1d(CHANNELS, CHANNELS, width, dilation=dilation, padding="same")
        self.norm = nn.BatchNorm1d(CHANNELS) if norm else nn.Identity()
        self.activation, self.residual = ACTIVATIONS.get(activation), residual

    def forward(self, x):
        y = self.norm(self.conv(x))
        y = y if self.activation is None else self.activation(y)
        return x + y if self.residual else y


class Net(nn.Module):
    """Blocks of given kinds and one scalar of the positions 12 to 22."""

    def __init__(self, seed: int, blocks: list, pooled: bool, readout: str):
        super().__init__()
        torch.manual_seed(seed)
        self.first = nn.Conv1d(4, CHANNELS, 5, padding=2)
        self.blocks = nn.Sequential(*(Block(*each) for each in blocks))
        self.reach = 2 + sum((width - 1) // 2 * dilation + 1 for _, width, dilation, *_ in blocks)
        self.pooled, self.readout = pooled, readout
        self.out = nn.Linear(CHANNELS, 1)
        trained_like(self, seed)

    def forward(self, x):
        h = self.blocks(self.first(x))[:, :, 12:22]
        h = F.max_pool1d(h, 3, 2) if self.pooled else h
        h = h.amax(-1) if self.readout == "amax" else h.mean(-1)
        return self.out(h)


block = st.tuples(
    st.sampled_from(sorted(ACTIVATIONS)),
    st.sampled_from([1, 3, 5]),
    st.sampled_from([1, 2]),
    st.booleans(),
    st.booleans(),
)
nets = st.builds(
    Net,
    st.integers(0, 10**6),
    st.lists(block, min_size=1, max_size=3),
    st.booleans(),
    st.sampled_from(["mean", "amax"]),
)


def one_hot(seed: int, *shape: int) -> torch.Tensor:
    bases = torch.randint(0, 4, shape, generator=torch.Generator().manual_seed(seed))
    return F.one_hot(bases, 4).transpose(-1, -2).float()


X, REFERENCES = one_hot(1, 3, LENGTH), one_hot(2, 3, 4, LENGTH)


@settings(max_examples=12, deadline=None)
@given(nets)
def test_attributions_are_complete(net):
    found = attribute(net.eval(), X, REFERENCES, dtype="float64")
    assert found.deltas.abs().max() <= 1e-9 * max(found.mean_abs_dy.item(), 1e-6)


@settings(max_examples=12, deadline=None)
@given(nets, st.sampled_from([1, 2, 5]))
def test_the_batch_does_not_matter(net, batch_size):
    # In double precision: a secant over a change of 1e-6 is rounding noise in single.
    found, wanted = (
        attribute(net.eval(), X, REFERENCES, batch_size=b, dtype="float64")
        for b in (batch_size, 32)
    )
    size = wanted.hypothetical.abs().max().clamp(min=1e-6)
    assert (found.hypothetical - wanted.hypothetical).abs().max() <= 1e-7 * size


@settings(max_examples=12, deadline=None)
@given(nets)
def test_only_the_receptive_field_counts(net):
    outside = torch.ones(LENGTH, dtype=torch.bool)
    outside[max(0, 12 - net.reach) : 22 + net.reach] = False
    # In single precision a convolution by tiles leaves rounding beside what it does not read.
    for dtype, most in (("float64", 0), ("float32", 1e-6)):
        found = attribute(net.eval(), X, REFERENCES, multipliers=True, dtype=dtype)
        raw = found.multipliers
        assert (raw[..., outside].abs() <= most * raw.abs().max()).all()
        assert (found.projected[..., outside].abs() <= most * raw.abs().max()).all()


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3), st.booleans())
def test_a_linear_model_gives_its_weights_times_the_change(seed, n_blocks, norm):
    net = Net(seed, [("none", 3, 2, norm, True)] * n_blocks, False, "mean").eval()
    net = net.double()
    x = X.double().requires_grad_()
    (w,) = torch.autograd.grad(net(x).sum(), x)
    found = attribute(net, X, REFERENCES, multipliers=True)
    torch.testing.assert_close(found.multipliers[0], w[:, None].expand(-1, 4, -1, -1))
    change = (w[:, None] * (X[:, None] - REFERENCES)).sum(2).mean(1)
    torch.testing.assert_close(found.hypothetical.double()[0].mul(X).sum((1, 2)), change.sum(-1))


@settings(max_examples=12, deadline=None)
@given(nets)
def test_every_pass_has_the_same_bits(net):
    # The model itself runs for the first example and reference; later ones repeat its calls.
    x, references = X[:1].expand(4, -1, -1), REFERENCES[:1, :1].expand(4, 3, -1, -1)
    found = attribute(net.eval(), x, references, batch_size=1, multipliers=True)
    assert (found.multipliers == found.multipliers[:, :1, :1]).all()
    assert (found.delta_y == found.delta_y[:, :1, :1]).all()
