"""A pass over what the output reads gives the model's own outputs and gradients."""

import numpy as np
import pytest
import torch
from torch import nn

from cisweep.analysis import design
from cisweep.analysis.sequence_design.oracle import Oracle, frozen
from cisweep.engine.gradient import GradientPass, gradient_pass_of
from cisweep.engine.policy import FastPathOff, require
from cisweep.engine.recording import record
from cisweep.models import BPNet
from cisweep.models.wrappers import CountWrapper, ProfileWrapper


class Padded(nn.Module):
    """Padded dilated convolutions whose output reads `span` of the positions."""

    def __init__(self, span, filters=64, activation=None):
        super().__init__()
        self.first = nn.Conv1d(4, filters, 21, padding=10)
        self.rest = nn.ModuleList(
            nn.Conv1d(filters, filters, 3, padding=d, dilation=d) for d in (2, 4, 8)
        )
        self.last, self.span = nn.Linear(filters, 2), span
        self.activation = activation or nn.ReLU()

    def forward(self, X):
        x = self.activation(self.first(X))
        for conv in self.rest:
            x = torch.add(x, self.activation(conv(x)))
        return self.last(x[:, :, slice(*self.span)].mean(2))


class Mixed(Padded):
    """Residuals that are no plain block: a branch that is read twice, a scaled one, a maximum."""

    def forward(self, X):
        x = torch.relu(self.first(X))
        z = torch.relu(self.rest[0](x))
        x = x + z * 0.5
        z = torch.relu(self.rest[1](x))
        x = x + z
        y = nn.functional.pad(self.rest[2](z), (3, 0))[:, :, :-3].sigmoid()
        x = torch.cat([x, y], 1)
        return self.last(x.amax(-1)[:, : self.last.in_features])


def one_hot(n, length, seed=0):
    tokens = torch.from_numpy(np.random.default_rng(seed).integers(0, 4, (n, length)))
    return nn.functional.one_hot(tokens, 4).transpose(1, 2).float().contiguous()


def outputs_and_gradient(model, X):
    X = X.clone().requires_grad_(True)
    y = model(X)
    weight = torch.linspace(1, 2, y.numel(), dtype=X.dtype).reshape(y.shape)
    return y.detach(), torch.autograd.grad((y * weight).sum(), X)[0]


MODELS = {
    "padded, middle": lambda: Padded((150, 190)),
    "padded, to the end": lambda: Padded((-30, None)),
    "padded, whole": lambda: Padded((None,), 12),
    "gelu": lambda: Padded((100, 200), activation=nn.GELU()),
    "mixed": lambda: Mixed((None,)),
    "counts": lambda: CountWrapper(BPNet(16, 3)),
    "profile": lambda: ProfileWrapper(BPNet(64, 3)),
    "counts, padded": lambda: CountWrapper(BPNet(16, 4, trimming=20)),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_pass_gives_the_models_outputs_and_gradients(name):
    torch.manual_seed(3)
    model = MODELS[name]().eval().double()
    X = one_hot(3, 340).double()
    with torch.no_grad():
        recording = record(model, X[:1])
    for mine, expected in zip(
        outputs_and_gradient(GradientPass(recording), X), outputs_and_gradient(model, X)
    ):
        torch.testing.assert_close(mine, expected, rtol=1e-10, atol=1e-12)
    assert gradient_pass_of(model.float(), X.float()) is not None


def test_fewer_positions_are_computed_where_few_are_read():
    model = Padded((150, 160)).eval()
    made = gradient_pass_of(model, one_hot(1, 340))
    # 8, 4, 2 and 10 more on each side
    assert {high - low for low, high in made.propagation.needed.values()} == {10, 26, 34, 38, 58}
    # the first convolution with its ReLU, three blocks, the slice, the mean, the linear layer
    assert len(made.order) == 7


def test_what_cannot_be_recorded_or_has_hooks_has_no_pass():
    class Looks(Padded):
        def forward(self, X):
            return super().forward(X) if X.sum() > 0 else super().forward(-X)

    class Two(Padded):
        def forward(self, X):
            y = super().forward(X)
            return y, y

    X = one_hot(1, 340)
    hooked = Padded((0, 9))
    hooked.first.register_forward_hook(lambda *_: None)
    for model, reason in (
        (Looks((0, 9)), "looks at a value"),
        (Two((0, 9)), "returns several tensors"),
        (hooked, "the model has hooks"),
    ):
        with pytest.raises(FastPathOff, match=reason):
            gradient_pass_of(model, X)


def test_an_oracle_of_long_windows_gives_a_window_the_same_bits_wherever_it_stands():
    torch.manual_seed(1)
    model = Padded((500, 700)).eval()
    tokens = np.random.default_rng(1).integers(0, 4, (9, 1200)).astype(np.uint8)
    oracle = Oracle(model, None, torch.zeros(0), 4, recorded=True)
    with frozen([model], torch.device("cpu")):
        with require("gradients of the design"):
            y, gradients = oracle.gradients(tokens, lambda y, _: y.sum(1))
        assert torch.equal(oracle.predict(tokens), y)
        for i in (0, 3, 8):
            one, own = oracle.gradients(tokens[i : i + 1], lambda y, _: y.sum(1))
            assert torch.equal(one[0], y[i]) and torch.equal(own[0], gradients[i])


def test_designs_of_long_windows_follow_the_model_itself():
    torch.manual_seed(2)
    model, X = Padded((500, 700)).eval(), one_hot(1, 1200)
    y_bar = model(X).detach() + 0.5
    options = dict(max_iter=6, random_state=0, return_history=True)
    with require("gradients of the design"):
        _, passed = design(model, X, y_bar, **options)
    model.first.register_forward_hook(lambda *_: None)  # no pass: the model is called
    _, called = design(model, X, y_bar, **options)
    np.testing.assert_allclose(passed["total_loss"], called["total_loss"], rtol=1e-6)
