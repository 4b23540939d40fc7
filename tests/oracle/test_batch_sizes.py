"""Networks that make tensors from the size of their batch: every fast path against the model."""

from copy import deepcopy
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cisweep.analysis import (
    attribute,
    predict,
    predict_tiles,
    saturation_mutagenesis,
    substitution_effect,
)
from cisweep.analysis.attribution.rescale.reruns import Rerun
from cisweep.analysis.prediction import predict as prediction
from cisweep.analysis.sequence_design import greedy_pruning as pruning
from cisweep.analysis.sequence_design import oracle as design_oracle
from cisweep.analysis.sequence_design.oracle import Oracle, frozen
from cisweep.engine.calls import Untraceable
from cisweep.engine.policy import FastPathOff, require
from cisweep.engine.propagation import substitutions
from cisweep.engine.recording import record

N_FILTERS = 6


class Trunk(nn.Module):
    """A convolution, `middle` of its activations (B, 6, length), and a linear layer."""

    def __init__(self, width=N_FILTERS):
        super().__init__()
        self.conv = nn.Conv1d(4, N_FILTERS, 5)
        self.last = nn.Linear(width, 2)

    def forward(self, X):
        return self.last(self.middle(torch.relu(self.conv(X))))

    def middle(self, h):
        raise NotImplementedError


class Recurrent(Trunk):
    """The last step of an LSTM or GRU, whose first state torch makes of the batch."""

    def __init__(self, kind, batch_first, bidirectional, layers=1):
        super().__init__(5 * (1 + bidirectional))
        self.rnn = kind(N_FILTERS, 5, layers, batch_first=batch_first, bidirectional=bidirectional)

    def middle(self, h):
        if self.rnn.batch_first:
            return self.rnn(h.transpose(1, 2))[0][:, -1]
        return self.rnn(h.permute(2, 0, 1))[0][-1]


class GivenState(Recurrent):
    """The first state of a batch is cut from an attribute, by a size kept in another one."""

    def __init__(self):
        super().__init__(nn.GRU, False, False)
        self.register_buffer("state", torch.randn(1, 1, 5).repeat(1, 300, 1))
        self.n = None

    def middle(self, h):
        self.n = h.shape[0]
        return self.rnn(h.permute(2, 0, 1), self.state[:, : self.n].contiguous())[0][-1]


class KeptState(Recurrent):
    """The first state is made anew where the kept one is of another batch."""

    def __init__(self):
        super().__init__(nn.LSTM, True, False)
        self.state = None

    def middle(self, h):
        if self.state is None or self.state[0].shape[1] != len(h):
            self.state = tuple(torch.full((1, len(h), 5), v, dtype=h.dtype) for v in (0.3, -0.2))
        return self.rnn(h.transpose(1, 2), self.state)[0][:, -1]


class Gather(Trunk):
    def middle(self, h):
        rows = torch.arange(h.shape[0])
        return torch.softmax(h.mean(2), 1)[rows] + h.amax(2)[rows, 0 * rows + 3].unsqueeze(1)


class Masked(Trunk):
    """A mask of the batch, positions expanded to it, `full` and `repeat` by it."""

    def __init__(self):
        super().__init__(2 * N_FILTERS + 1)
        self.embed = nn.Embedding(100, N_FILTERS)
        self.register_buffer("offset", torch.linspace(-1, 1, N_FILTERS)[None])

    def middle(self, h):
        n, _, length = h.shape
        mask = torch.arange(length).repeat(n, 1) < torch.full((n, 1), length - 4)
        positions = torch.arange(length).unsqueeze(0).expand(n, length)
        x = h.transpose(1, 2) + self.embed(positions)
        x = x.masked_fill(~mask.unsqueeze(2), 0).tanh().mean(1)
        extra = [torch.full((n, 1), 0.5, dtype=h.dtype), self.offset.repeat(n, 1)]
        return torch.cat([x, *extra], 1)


class Viewed(Trunk):
    """Flattened by view with the batch's size, and stacked along another axis and back."""

    def middle(self, h):
        n = h.size(0)
        x = h.reshape(1, n * N_FILTERS, -1).amax(2).view(n, -1)
        return x.t().contiguous().t() + h.new_zeros(n, N_FILTERS) + torch.zeros_like(x)


class Added(Trunk):
    """Constants of the batch within the convolutional part."""

    def __init__(self):
        super().__init__()
        self.second = nn.Conv1d(N_FILTERS, N_FILTERS, 3, padding=1)

    def middle(self, h):
        h = h * torch.full(h.shape, 0.7, dtype=h.dtype) + torch.ones_like(h)
        h = torch.relu(self.second(h) + self.last.bias.mean().expand(h.shape))
        return h.mean(2)


MODELS = {
    "lstm": lambda: Recurrent(nn.LSTM, True, False),
    "lstm, batch second": lambda: Recurrent(nn.LSTM, False, False, layers=2),
    "lstm, both ways": lambda: Recurrent(nn.LSTM, True, True),
    "gru": lambda: Recurrent(nn.GRU, True, False),
    "gru, both ways, batch second": lambda: Recurrent(nn.GRU, False, True),
    "given state": GivenState,
    "kept state": KeptState,
    "gather": Gather,
    "masked": Masked,
    "viewed": Viewed,
    "added": Added,
}


def made(name):
    torch.manual_seed(4)
    model = MODELS[name]().double().eval()
    return model.requires_grad_(False)


def tokens(n, length, seed=0):
    drawn = np.random.default_rng(seed).integers(0, 4, (n, length)).astype(np.uint8)
    return torch.from_numpy(drawn)


def one_hot(n, length, seed=0):
    return F.one_hot(tokens(n, length, seed).long(), 4).transpose(1, 2).double().contiguous()


@pytest.fixture(params=MODELS)
def model(request):
    return made(request.param)


@pytest.mark.parametrize("batch_size", [4, 32])
def test_mutagenesis(model, batch_size):
    X = one_hot(2, 70)
    X[0, :, 55:58] = 0  # N: batches of another size
    options = dict(start=46, end=69, batch_size=batch_size, raw_outputs=True)
    with require("saturation mutagenesis"):
        found = saturation_mutagenesis(model, X, **options)
    expected = saturation_mutagenesis(model, X, fast=False, **options)
    torch.testing.assert_close(found.y0, expected.y0, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(found.y_hat, expected.y_hat, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("at_once", [1000, 3])
def test_substitution_effect(model, at_once, monkeypatch):
    monkeypatch.setattr(substitutions, "_WHOLE_BASES", {"cpu": 70 * at_once})
    X = one_hot(7, 70).repeat_interleave(2, 0)
    rows = torch.tensor([[i, 61 + 2 * (i % 2), i % 4] for i in range(14)])
    with require("substitution effects"):
        before, after = substitution_effect(model, X, rows)
    edited = X.clone()
    edited[rows[:, 0], :, rows[:, 1]] = torch.eye(4).double()[rows[:, 2]]
    torch.testing.assert_close(before, model(X), rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(after, model(edited), rtol=1e-9, atol=1e-11)


def test_pruning(model, monkeypatch):
    X, X_hat = one_hot(1, 90), one_hot(1, 90)
    X_hat[:, :, 46:90:2] = one_hot(1, 22, seed=5)
    expected = pruning.pruning_paths(model, X, X_hat)
    monkeypatch.setattr(pruning, "PROPAGATE_FROM_BP", 90)
    with require("greedy pruning"):
        found = pruning.pruning_paths(model, X, X_hat)
    assert found[0].positions == expected[0].positions and len(found[0].positions) > 10
    np.testing.assert_allclose(found[0].predictions, expected[0].predictions, rtol=1e-9)


def test_replay(model, monkeypatch):
    X = tokens(260, 40)
    with require("prediction"):
        found = predict(model, X, batch_size=8)
    monkeypatch.setattr(prediction, "_REPLAYED", 1000)
    assert torch.equal(found, predict(model, X, batch_size=8))
    expected = model(F.one_hot(X.long(), 4).transpose(1, 2).double())
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)


def test_tiles(model):
    """Windows without their overlaps where the model slides, the windows themselves elsewhere."""
    X = tokens(1, 700)[0]
    found = predict_tiles(model, X, 70, 7, stretch_bp=300)
    expected = predict(model, X.unfold(0, 70, 7))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", [n for n in MODELS if n != "added"])
def test_tiles_are_taken(name):
    with require("prediction of windows"):
        predict_tiles(made(name), tokens(1, 700)[0], 70, 35, stretch_bp=300)


def test_gradients(model, monkeypatch):
    monkeypatch.setattr(design_oracle, "RECORDED_BP", range(80, 100))
    X, like = tokens(6, 90).numpy(), torch.zeros(0).double()
    with frozen([model], torch.device("cpu")):
        plain = Oracle(deepcopy(model), None, like, 4)  # a kept state is that of another batch
        expected, slope = plain.gradients(X, lambda y, _: y.sum(1))
        fast = Oracle(model, None, like, 4, recorded=True)
        with require("gradients of the design"):
            found, mine = fast.gradients(X, lambda y, _: y.sum(1))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(mine, slope, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", ["gather", "masked", "viewed", "added"])
def test_attribution(name):
    model, X, references = made(name), one_hot(9, 70), one_hot(27, 70, 1).view(9, 3, 4, 70)
    with require("each pass over examples", "each pass over references"):
        found = attribute(model, X, references, [0, 1], batch_size=4)
    for i in (0, 5, 8):
        one = attribute(model, X[i : i + 1], references[i : i + 1], [0, 1])
        torch.testing.assert_close(found.projected[:, i], one.projected[:, 0])
    expected = torch.stack([model(X) - model(references[:, k]) for k in range(3)], 2)
    torch.testing.assert_close(found.delta_y, expected.transpose(0, 1))
    assert found.deltas.abs().max() < 1e-10


@pytest.mark.parametrize(
    ("part", "fault"),
    [
        ("examples", "raises"),
        ("examples", "differs"),
        ("references", "raises"),
        ("outputs", "differs"),  # of references, without gradients
    ],
)
def test_an_attribution_without_calls_run_again_is_the_same(part, fault, monkeypatch):
    model, X, references = made("gather"), one_hot(9, 70), one_hot(27, 70, 1).view(9, 3, 4, 70)
    run = partial(attribute, model, X, references, [0, 1], batch_size=4)
    expected, right = run(), getattr(Rerun, part)

    def wrong(self, x):
        if fault == "raises":
            raise IndexError("too far")
        return [y + 1 for y in right(self, x)]

    monkeypatch.setattr(Rerun, part, wrong)
    reason = "IndexError: too far" if fault == "raises" else "run again differ by 1"
    name = "examples" if part == "examples" else "references"
    with pytest.raises(FastPathOff, match=reason), require(f"each pass over {name}"):
        run()
    found = run()
    assert torch.equal(found.hypothetical, expected.hypothetical)
    assert torch.equal(found.delta_y, expected.delta_y)


class Ranked(Trunk):
    """A window's value depends on its place in the batch."""

    def middle(self, h):
        return h.mean(2) * (1 + torch.arange(h.shape[0], dtype=h.dtype)[:, None] // 4)


class Placed(Trunk):
    """As `Ranked`, before the convolutional part ends."""

    def middle(self, h):
        places = torch.arange(h.shape[0], dtype=h.dtype)[:, None, None] // 8
        return (h + places.expand(h.shape)).relu().mean(2)


class Large(Trunk):
    """Takes another course for large batches only."""

    def middle(self, h):
        return h.mean(2) if len(h) < 8 else h.mean(2) * 1.5


class Half(Trunk):
    """A size that is not in proportion to the batch."""

    def middle(self, h):
        return h.mean(2) + h.new_ones(1 + len(h), 1).mean()


class Fixed(Trunk):
    """Built for one size of batch."""

    def middle(self, h):
        return h.reshape(32, N_FILTERS, -1).mean(2)


class Counting(Trunk):
    """A number that was two in one call and four in another would look like the batch."""

    calls = 0

    def middle(self, h):
        self.calls += 2
        return h.mean(2) * torch.ones(self.calls, 1, dtype=h.dtype).sum() / self.calls


def recorded(model):
    with torch.no_grad():
        return record(model.double().eval(), one_hot(1, 70))


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        (Half, Untraceable, "the arguments depend on the batch"),
        (Fixed, RuntimeError, "is invalid for input of size"),
    ],
)
def test_what_depends_on_the_batch_otherwise_is_not_recorded(kind, error, message):
    with pytest.raises(error, match=message):
        recorded(kind())


def test_a_model_is_left_as_it_was_found():
    model = Counting()
    recorded(model)
    assert model.calls == 0 and "calls" not in vars(model)
    kept = made("kept state")
    recorded(kept)
    assert kept.state is None


def test_a_fixed_batch_is_predicted_in_full():
    torch.manual_seed(0)
    model, X = Fixed().double().eval(), one_hot(1, 70)
    found = saturation_mutagenesis(model, X, start=30, end=34, batch_size=32, raw_outputs=True)
    expected = saturation_mutagenesis(
        model, X, start=30, end=34, batch_size=32, raw_outputs=True, fast=False
    )
    assert torch.equal(found.y_hat, expected.y_hat)


def test_a_constant_that_differs_between_windows_is_not_stretched():
    torch.manual_seed(0)
    reason = "a constant differs between the windows of a batch"
    with pytest.raises(FastPathOff, match=reason), require("saturation mutagenesis"):
        saturation_mutagenesis(Placed().double().eval(), one_hot(1, 70))


@pytest.mark.parametrize("kind", [Ranked, Large])
def test_what_differs_only_in_the_batches_that_are_used_is_predicted_in_full(kind):
    """Batches of one, two and four windows say nothing about them."""
    torch.manual_seed(0)
    model, X = kind().double().eval(), one_hot(1, 70)
    options = dict(start=30, end=50, batch_size=32, raw_outputs=True)
    reason = "propagated values differ|between the windows"
    with pytest.raises(FastPathOff, match=reason), require("saturation mutagenesis"):
        saturation_mutagenesis(model, X, **options)
    found = saturation_mutagenesis(model, X, **options)
    expected = saturation_mutagenesis(model, X, fast=False, **options)
    assert torch.equal(found.y_hat, expected.y_hat)
