"""The outputs of the traced passes are compared with those of the model, called plainly."""

import random
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cisweep.analysis.attribution.deep_lift_shap import (
    attribute,
    attribute_along_path,
    attribute_by_gradient,
)
from cisweep.analysis.attribution.rescale.rules import table as rules
from cisweep.analysis.attribution.rescale.tracing import bare
from cisweep.config.targets import TargetConfig
from cisweep.errors import AttributionError
from cisweep.models.targets import TargetModule

sys.path.insert(0, str(Path(__file__).parents[1]))
from trained_like import trained_like

LENGTH = 40


def one_hot(*shape: int, seed: int = 0) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    bases = torch.randint(0, 4, (*shape, LENGTH), generator=draw)
    return F.one_hot(bases, 4).transpose(-1, -2).float()


X, REFERENCES = one_hot(5, seed=1), one_hot(5, 6, seed=2)


class Net(nn.Module):
    """Convolution, batch norm, ReLU, max pooling, a dense head of three targets."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.body = nn.Sequential(
            nn.Conv1d(4, 12, 7, padding=3), nn.BatchNorm1d(12), nn.ReLU(), nn.MaxPool1d(4)
        )
        self.out = nn.Linear(12, 3)
        trained_like(self)

    def forward(self, x):
        return self.out(self.body(x).mean(-1))


def without_shift(trace, func, args, kwargs):
    """The rule of batch norm, but for the shift by mean and bias."""
    x, weight, _, mean, var, *rest = args
    return rules._batch_norm(
        trace, func, (x, weight, None, torch.zeros_like(bare(mean)), var, *rest), kwargs
    )


def scaled(rule, by):
    """A rule whose output, and with it every multiplier, is a little too large."""

    def handle(trace, func, args, kwargs):
        value = rule(trace, func, args, kwargs)
        values = value if isinstance(value, tuple) else (value,)
        first = rules.linear(trace, torch.ops.aten.mul.Tensor, (values[0], by), {})
        return (first, *values[1:]) if isinstance(value, tuple) else first

    return handle


def mutate(monkeypatch, name, rule):
    for key in [key for key in rules.RULES if name in key]:
        monkeypatch.setitem(rules.RULES, key, rule)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_batch_norm_without_its_shift_is_seen(monkeypatch, dtype):
    mutate(monkeypatch, "batch_norm", without_shift)
    with pytest.raises(AttributionError, match="not that of the model: outputs are .* apart"):
        attribute(Net(), X, REFERENCES, [0, 2], dtype=dtype)


@pytest.mark.parametrize("name", ["convolution", "relu", "max_pool2d_with_indices", "addmm"])
def test_a_forward_that_is_slightly_wrong_is_seen(monkeypatch, name):
    found = attribute(Net(), X, REFERENCES)
    mutate(monkeypatch, name, scaled(rules.RULES[name], 1 + 1e-2))
    with pytest.raises(AttributionError, match="please report it with the model's layers"):
        attribute(Net(), X, REFERENCES)
    assert (found.deltas.abs() < 1e-4 * found.mean_abs_dy).all()


def test_it_is_seen_for_references_and_in_later_blocks(monkeypatch):
    """A fault of the second pass alone, and one that begins after the first block."""
    rule = rules.RULES["relu"]
    for begins in (1, 8):
        seen = []

        def handle(trace, func, args, kwargs, seen=seen, begins=begins):
            def again(_=None):
                seen.append(1)
                return torch.relu(args[0].inner) * (1.1 if len(seen) > begins else 1)

            return trace.operation(func, args, lambda: (again(), []), again)

        monkeypatch.setitem(rules.RULES, "relu", handle)
        with pytest.raises(AttributionError, match="not that of the model"):
            attribute(Net(), X, REFERENCES, batch_size=1)
    monkeypatch.setitem(rules.RULES, "relu", rule)


def test_held_weights_of_a_profile_are_compared_too(monkeypatch):
    class Profile(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.norm, self.out = (
                nn.Conv1d(4, 8, 5), nn.BatchNorm1d(8), nn.Conv1d(8, 2, 3)
            )  # fmt: skip
            trained_like(self)

        def forward(self, x):
            return self.out(F.relu(self.norm(self.conv(x)))) * 4

    target = TargetConfig(name="profile", head=0, reduce="profile", scale="logit")
    module = TargetModule(Profile(), [target])
    found = attribute(module, X, REFERENCES)
    assert (found.deltas.abs() < 1e-4 * found.mean_abs_dy).all()
    mutate(monkeypatch, "batch_norm", without_shift)
    with pytest.raises(AttributionError, match="not that of the model"):
        attribute(module, X, REFERENCES)


def test_a_model_that_is_random_is_named():
    class Noisy(Net):
        def forward(self, x):
            return super().forward(x) * (1 + random.random())

    with pytest.raises(AttributionError, match="different outputs for the same input.*state"):
        attribute(Noisy(), X, REFERENCES)


class Shifted(Net):
    def forward(self, x):
        return super().forward(x) * 1e-3 + 1e4


class Cancelling(Net):
    """Its rounding is that of numbers a million times as large as the output."""

    def forward(self, x):
        y = super().forward(x)
        return (y * 1e-4 + 300.0) * 1.7 - 510.0


class NothingButRounding(Net):
    """The sum of what a norm has centred: 0 but for rounding, which a float64 call tells."""

    def forward(self, x):
        return 1e3 * F.layer_norm(self.body(x).mean(-1), (12,)).sum(1, keepdim=True)


class Squeezed(Net):
    def forward(self, x):
        return super().forward(x)[:, :1].squeeze()


@pytest.mark.parametrize("make", [Net, Shifted, Cancelling, Squeezed])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
@pytest.mark.parametrize("n", [1, 5])
def test_rounding_is_no_fault(make, dtype, n):
    attribute(make(), X[:n], REFERENCES[:n], dtype=dtype)


def test_rounding_alone_is_no_fault():
    attribute(NothingButRounding(), X, REFERENCES)


@pytest.mark.parametrize("what", ["equal", "homopolymer", "no base"])
def test_windows_without_a_difference_are_no_fault(what):
    x = {"equal": X, "homopolymer": X * 0 + torch.eye(4)[0][:, None], "no base": X * 0}[what]
    found = attribute(Net(), x, x[:, None].expand(-1, 4, -1, -1))
    assert (found.delta_y == 0).all() and (found.projected == 0).all()


def test_a_program_of_one_batch_size_is_compared(monkeypatch):
    program = torch.export.export(Net(), (X[:3],)).module()
    found, wanted = (attribute(m, X[:3], REFERENCES[:3], batch_size=3) for m in (program, Net()))
    torch.testing.assert_close(found.hypothetical, wanted.hypothetical)
    mutate(monkeypatch, "batch_norm", without_shift)
    with pytest.raises(AttributionError, match="not that of the model"):
        attribute(program, X[:3], REFERENCES[:3], batch_size=3)


class Rooted(Net):
    """A root of what is 0 where the window begins with A."""

    def forward(self, x):
        return super().forward(x) + torch.sqrt(x[:, 1:, :4].sum((1, 2)))[:, None]


def test_gradients_at_a_roots_zero_are_refused():
    x = X.clone()
    x[2, :, :4] = torch.eye(4)[0][:, None]
    references = x[:, None].roll(5, -1)
    references[..., :4] = x[:, None, :, :4]
    found = attribute(Rooted(), x, references)
    assert found.hypothetical.isfinite().all()
    for method in (attribute_along_path, attribute_by_gradient):
        with pytest.raises(AttributionError, match="a root or a norm is infinite at 0"):
            method(Rooted(), x, references)


def test_outputs_that_are_no_numbers_are_refused():
    class Logarithm(Net):
        def forward(self, x):
            return torch.log(x[:, 0].sum(1, keepdim=True)) + super().forward(x)

    x = X.clone()
    x[1] = torch.eye(4)[1][:, None]
    for method in (attribute, attribute_along_path, attribute_by_gradient):
        with pytest.raises(AttributionError, match="output is infinite or NaN"):
            method(Logarithm(), x, REFERENCES)
    # A window of N that fills up a block may have no output.
    x[1] = 0.0
    attribute(Logarithm(), x, torch.where((x == 0).all(1)[:, None, None], 0.0, REFERENCES))
