"""deep_lift_shap against tangermeme 1.6.0 and captum 0.9.0 where their rules see everything."""

import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cisweep.analysis.attribution.deep_lift_shap import (
    attribute,
    deep_lift_shap,
    input_x_gradient,
    integrated_gradients,
)
from cisweep.analysis.attribution.rescale.rules import ties

sys.path.insert(0, str(Path(__file__).parents[1]))
from trained_like import trained_like

tangermeme = pytest.importorskip("tangermeme.deep_lift_shap")
captum = pytest.importorskip("captum.attr")

LENGTH = 48


def one_hot(*shape: int, seed: int = 0) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return F.one_hot(torch.randint(0, 4, shape, generator=draw), 4).transpose(-1, -2).float()


X = one_hot(4, LENGTH, seed=1)
REFERENCES = one_hot(4, 5, LENGTH, seed=2)


class Square(nn.Module):
    """(N, 8, L) with an axis more, for layers on images."""

    def __init__(self, inside: nn.Module):
        super().__init__()
        self.inside = inside

    def forward(self, h):
        return self.inside(h.unsqueeze(1)).flatten(1, 2)


class Turned(nn.Module):
    def __init__(self, inside: nn.Module):
        super().__init__()
        self.inside = inside

    def forward(self, h):
        return self.inside(h.transpose(1, 2)).transpose(1, 2)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.act = nn.Conv1d(8, 8, 3, padding=2, dilation=2), nn.ReLU()

    def forward(self, h):
        return h + self.act(self.conv(h))


class Attention(nn.Module):
    """Attention by modules that tangermeme's rules see."""

    def __init__(self, sharpen: float = 1.0):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(8, 8) for _ in range(3))
        self.scores, self.mix = tangermeme.BilinearOp(), tangermeme.BilinearOp()
        self.softmax = nn.Softmax(dim=-1)
        with torch.no_grad():
            self.q.weight *= sharpen
            self.k.weight *= sharpen

    def forward(self, h):
        h = h.transpose(1, 2)
        logits = self.scores(self.q(h), self.k(h).transpose(1, 2))
        return self.mix(self.softmax(logits), self.v(h)).transpose(1, 2)


LAYERS = {
    "ReLU": nn.ReLU,
    "ReLU6": nn.ReLU6,
    "RReLU": nn.RReLU,
    "SELU": nn.SELU,
    "CELU": nn.CELU,
    "GELU": nn.GELU,
    "SiLU": nn.SiLU,
    "Mish": nn.Mish,
    "ELU": nn.ELU,
    "LeakyReLU": nn.LeakyReLU,
    "Sigmoid": nn.Sigmoid,
    "Tanh": nn.Tanh,
    "Softplus": nn.Softplus,
    "Softshrink": nn.Softshrink,
    "LogSigmoid": nn.LogSigmoid,
    "PReLU": nn.PReLU,
    "MaxPool1d": lambda: nn.MaxPool1d(4),
    "MaxPool1d, overlapping": lambda: nn.MaxPool1d(4, 2),
    "MaxPool2d": lambda: Square(nn.MaxPool2d(2)),
    "MaxPool1d after ReLU": lambda: nn.Sequential(nn.ReLU(), nn.MaxPool1d(3, 2, 1)),
    "Softmax": lambda: nn.Softmax(1),
    "GLU": lambda: nn.GLU(1),
    "LayerNorm": lambda: nn.LayerNorm(LENGTH),
    "RMSNorm": lambda: Turned(nn.RMSNorm(8)),
    "BatchNorm1d": lambda: nn.BatchNorm1d(8),
    "AvgPool1d": lambda: nn.AvgPool1d(3),
    "Conv2d": lambda: Square(nn.Conv2d(1, 3, 3)),
    "residual": Residual,
    "attention": Attention,
    "sharp attention": lambda: Attention(4.0),
}


def network(layer, dtype=torch.float32) -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv1d(4, 8, 7, padding=3),
        layer(),
        nn.Flatten(),
        nn.LazyLinear(6),
        nn.Tanh(),
        nn.Linear(6, 2),
    )
    net.eval()(X)
    return trained_like(net).to(dtype)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("hypothetical", [True, False])
def test_equal_to_tangermeme_per_layer(name, hypothetical, monkeypatch):
    # Of near ties tangermeme takes the first position, we share: here only exact ties are shared.
    monkeypatch.setattr(ties, "_TIE", 0.0)
    # In double precision: tangermeme's softmax rule alone has 1e-4 of rounding in float32.
    net = network(LAYERS[name], torch.float64)
    settings = {"references": REFERENCES, "target": 1, "hypothetical": hypothetical}
    wanted = tangermeme.deep_lift_shap(net, X, device="cpu", **settings)
    found = deep_lift_shap(net, X, **settings).to(wanted.dtype)
    assert wanted.abs().max() > 1e-4
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5 * wanted.abs().max().item())


def test_equal_to_tangermeme_pair_by_pair():
    net = network(nn.ReLU)
    settings = {"references": REFERENCES, "raw_outputs": True}
    wanted = tangermeme.deep_lift_shap(net, X, device="cpu", **settings)
    torch.testing.assert_close(deep_lift_shap(net, X, **settings), wanted, rtol=1e-4, atol=1e-6)


def test_same_references_from_the_same_seeds_as_tangermeme():
    """A function of our own, drawn by both: reference k has seed random_state + k."""

    def rolled(x, n, random_state=None):
        draw = torch.Generator().manual_seed(random_state)
        steps = torch.randint(1, LENGTH, (n,), generator=draw)
        return torch.stack([x.roll(int(s), -1) for s in steps], 1)

    net = network(nn.ReLU)
    settings = {
        "references": rolled,
        "n_shuffles": 3,
        "random_state": 11,
        "return_references": True,
    }
    wanted = tangermeme.deep_lift_shap(net, X, device="cpu", batch_size=5, **settings)
    found = deep_lift_shap(net, X, **settings)
    assert torch.equal(found.references, wanted.references)
    torch.testing.assert_close(found.attributions, wanted.attributions, rtol=0, atol=1e-6)


def test_equal_to_captum():
    net = nn.Sequential(
        nn.Conv1d(4, 8, 7),
        nn.ReLU(),
        nn.Conv1d(8, 8, 5),
        nn.ReLU(),
        nn.Flatten(),
        nn.LazyLinear(16),
        nn.ReLU(),
        nn.Linear(16, 2),
    )
    torch.manual_seed(3)
    net(X)
    for layer in net:
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    net = net.double().eval()
    found = attribute(net, X, REFERENCES, [1], multipliers=True)
    for i in range(len(X)):
        x, r = X[i : i + 1].double(), REFERENCES[i].double()
        wanted = captum.DeepLiftShap(net).attribute(x, r, target=1)
        # Captum's are multiplied by x − r and averaged.
        mine = (found.multipliers[0, i] * (x - r)).mean(0, keepdim=True)
        torch.testing.assert_close(mine, wanted, rtol=1e-6, atol=1e-10)


def test_input_x_gradient_equals_captum():
    net = network(nn.GELU, torch.float64)
    x = X.double().requires_grad_()
    wanted = captum.InputXGradient(net).attribute(x, target=0)
    torch.testing.assert_close(input_x_gradient(net, X), wanted)


def test_integrated_gradients_equal_captum():
    net, x = network(nn.GELU, torch.float64), X.double()
    peer = captum.IntegratedGradients(net)
    wanted = torch.stack(
        [
            peer.attribute(x, baselines=r.double(), target=0, n_steps=7, method="gausslegendre")
            for r in REFERENCES.unbind(1)
        ]
    ).mean(0)
    found = integrated_gradients(net, X, references=REFERENCES, n_steps=7)
    # captum gives a value to each channel that differs; ours stands at the observed base.
    torch.testing.assert_close(found, wanted.sum(1, keepdim=True) * x)


def test_functional_layers_that_tangermeme_takes_as_linear():
    """The reason for rules by operation: its deltas are large where ours are rounding errors."""

    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.out = nn.Conv1d(4, 8, 7), nn.Linear(8, 1)

        def forward(self, x):
            return self.out(F.relu(self.conv(x)).amax(-1))

    net = Functional().eval()
    found = deep_lift_shap(net, X, references=REFERENCES, return_deltas=True)
    assert found.deltas.abs().max() < 1e-6
    with pytest.warns(RuntimeWarning):
        tangermeme.deep_lift_shap(net, X, references=REFERENCES, device="cpu")
