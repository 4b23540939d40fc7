"""The class Ledidi, DesignWrapper and MinGap against Ledidi 2.2.0 (CPU), and by hand."""

import inspect

import ledidi as peer
import numpy as np
import pytest
import torch
from ledidi.losses import MinGap as PeersMinGap
from ledidi.wrappers import DesignWrapper as PeersWrapper
from torch import nn

from cisweep.analysis import DesignWrapper, Ledidi, MinGap, design
from cisweep.errors import DesignError

LENGTH = 60


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Ledidi, peer.Ledidi),
        (Ledidi.fit_transform, peer.Ledidi.fit_transform),
        (Ledidi.forward, peer.Ledidi.forward),
        (DesignWrapper, PeersWrapper),
        (MinGap, PeersMinGap),
    ],
)
def test_a_claimed_name_has_the_peers_arguments(ours, theirs):
    mine, wanted = (inspect.signature(each).parameters for each in (ours, theirs))
    assert list(mine) == list(wanted)
    for key, parameter in wanted.items():
        if isinstance(parameter.default, nn.Module):
            assert type(mine[key].default) is type(parameter.default)
            assert mine[key].default.reduction == parameter.default.reduction
        else:
            assert mine[key].default == parameter.default, key


class Net(nn.Module):
    """Three outputs, or, with `bins`, three at each of so many places."""

    def __init__(self, seed: int = 0, bins: int | None = None):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.first, self.last = nn.Conv1d(4, 16, 9, padding=4), nn.Conv1d(16, 3, 1)
        self.bins = bins
        for parameter in self.parameters():
            parameter.data *= 3

    def forward(self, X):
        y = self.last(torch.relu(self.first(X)))
        return y.mean(dim=2) if self.bins is None else nn.functional.adaptive_avg_pool1d(y, 5)


def window(seed: int = 0, length: int = LENGTH) -> torch.Tensor:
    tokens = torch.from_numpy(np.random.default_rng(seed).integers(0, 4, length))
    return nn.functional.one_hot(tokens, 4).T[None].float().contiguous()


# A large eps edits every batch: Ledidi can take the rounding of an unedited batch's mean for an
# improvement, and its weights then come from another iteration.
OPTIONS = {"batch_size": 5, "max_iter": 12, "eps": 0.02, "l": 0.001, "verbose": False}


def pair(seed: int = 0, bins: int | None = None, **options):
    options = OPTIONS | options
    return (
        Ledidi(Net(seed, bins), (4, LENGTH), **options),
        peer.Ledidi(Net(seed, bins), (4, LENGTH), **options),
    )


def cases():
    mask = torch.zeros(LENGTH, dtype=torch.bool)
    mask[10:40] = True
    prior = torch.randn(1, 4, LENGTH, generator=torch.Generator().manual_seed(0))
    return {
        "plain": {"random_state": 3},
        "torch's own noise": {},
        "a target": {"target": 1, "random_state": 1, "lr": 0.5, "tau": 0.7},
        "masked": {"input_mask": mask, "random_state": 2},
        "a prior": {"initial_weights": prior, "random_state": 4, "l": 0.002},
        "losses": {
            "input_loss": nn.MSELoss(reduction="sum"), "output_loss": nn.L1Loss(),
            "random_state": 5,
        },
        "bins": {"bins": 5, "random_state": 6},
        "a target of bins": {"bins": 5, "target": 2, "random_state": 7},
        "a loss of bins": {
            "bins": 5, "random_state": 8,
            "output_loss": lambda y, goal: ((y.sum(dim=1) - goal.sum(dim=1)) ** 2).mean(),
        },
    }  # fmt: skip


@pytest.mark.parametrize("name", cases())
def test_fits_and_samples_are_ledidis(name):
    options = {
        key: value.clone() if isinstance(value, torch.Tensor) else value
        for key, value in cases()[name].items()
    }
    given = {k: v.clone() for k, v in options.items() if isinstance(v, torch.Tensor)}
    ours, _ = pair(return_history=True, **options)
    for key, value in given.items():
        assert torch.equal(options[key], value)
    _, theirs = pair(return_history=True, **options)
    X, other = window(), window(1)
    with torch.no_grad():
        y = theirs.model(X)[:, theirs.target] + 1.0
    found = []
    for designer in (ours, theirs):
        torch.manual_seed(9)
        before = designer(X)
        batch, history = designer.fit_transform(X, y)
        after = designer(X), designer(other)
        again, second = designer.fit_transform(X, y + 1)  # goes on
        tensors = [t.detach().round() for t in (before, batch, *after, again)]
        found.append((tensors, history, second, designer.weights.detach()))
    (a, h, s, w), (b, g, t, v) = found
    assert all(torch.equal(mine, peers) for mine, peers in zip(a, b))
    assert a[1].shape == (5, 4, LENGTH) and not torch.equal(a[0], a[2])
    assert not torch.equal(a[1], X.expand_as(a[1]))  # something better was found
    for mine, peers in ((h, g), (s, t)):
        assert mine.keys() == peers.keys() and mine["batch_size"] == 5
        for key in ("input_loss", "output_loss", "total_loss"):
            np.testing.assert_allclose(mine[key], peers[key], rtol=1e-4, atol=1e-5)
        for left, right in zip(mine["edits"], peers["edits"]):
            assert all(torch.equal(x, z) for x, z in zip(left, right))
    assert torch.equal(torch.isinf(w), torch.isinf(v))
    # AdamW divides small gradients by their size, which their rounding shows in; a step is about 1.
    torch.testing.assert_close(w[w.isfinite()], v[v.isfinite()], rtol=0.01, atol=0.05)


def test_samples_are_one_hot_and_carry_the_straight_through_gradient():
    ours, theirs = pair(random_state=1)
    X, weight = window(), torch.randn(5, 4, LENGTH)
    samples = ours(X)
    assert ((samples == 0) | (samples == 1)).all() and (samples.sum(dim=1) == 1).all()
    (samples * weight).sum().backward()
    (theirs(X) * weight).sum().backward()
    torch.testing.assert_close(ours.weights.grad, theirs.weights.grad)
    assert ours.weights.grad.abs().max() > 0


def test_a_model_and_a_prior_are_left_as_they_are():
    model, prior = Net().train(), torch.zeros(1, 4, LENGTH)
    designer = Ledidi(model, (4, LENGTH), initial_weights=prior, random_state=0, **OPTIONS)
    before = designer.weights.detach().clone()
    found = designer.fit_transform(window(), torch.full((1, 3), 4.0))
    assert isinstance(found, torch.Tensor) and not torch.equal(designer.weights, before)
    assert model.training and all(p.requires_grad for p in model.parameters())
    assert not prior.any() and not prior.requires_grad
    other = Ledidi(model, (4, LENGTH), random_state=0, **OPTIONS)
    assert torch.equal(other.fit_transform(window(), torch.full((1, 3), 4.0)), found)


def test_it_prints_unless_told_otherwise(capsys):
    designer = Ledidi(Net(), (4, LENGTH), max_iter=4, report_iter=2, random_state=0)
    designer.fit_transform(window(), torch.full((1, 3), 4.0))
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()] == [
        "iter=2", "iter=4", "iter=F",
    ]  # fmt: skip


def test_several_models_are_designed_as_one():
    models = [Net(0), nn.Sequential(Net(1), nn.Linear(3, 1))]
    ours, theirs = DesignWrapper(models), PeersWrapper(models)
    X = window()
    assert ours(X).shape == (1, 4)
    torch.testing.assert_close(ours(X), theirs(X))
    y_bar = ours(X).detach() + 1
    options = {"max_iter": 12, "random_state": 0, "eps": 0.02, "l": 0.001, "device": "cpu"}
    joined = design(ours, X, y_bar, **options)
    assert torch.equal(joined, design(models, X, y_bar, **options))
    assert not torch.equal(joined, X.expand_as(joined))
    with pytest.raises(DesignError, match="models is no list.*one or more torch.nn.Module"):
        DesignWrapper(Net())
    for wrong in ([], [Net(), "net"]):
        with pytest.raises(DesignError, match="models is no list of models"):
            DesignWrapper(wrong)
    says = r"models: the models return \(1, 3\), \(1, 3, 5\), which cannot.*all axes but the last"
    with pytest.raises(DesignError, match=says):
        DesignWrapper([Net(), Net(bins=5)])(X)


def test_the_gap_is_of_the_lowest_wanted_and_the_highest_other():
    mask = torch.tensor([True, False, True, False])
    y = torch.randn(7, 4, requires_grad=True)
    found = MinGap(mask)(y, None)
    by_hand = np.mean([max(r[1], r[3]) - min(r[0], r[2]) for r in y.tolist()])
    assert found.item() == pytest.approx(by_hand, abs=1e-6)
    theirs = PeersMinGap(mask)(y, None)
    torch.testing.assert_close(found, theirs)
    wanted = torch.autograd.grad(theirs, y)
    torch.testing.assert_close(torch.autograd.grad(found, y), wanted)
    for wrong in (torch.ones(3), mask[None], [True, False]):
        with pytest.raises(DesignError, match=r"in_mask is no bool tensor \(n,\).*True for"):
            MinGap(wrong)
    for wrong in (mask | True, mask & False):
        with pytest.raises(DesignError, match="outputs of one kind only.*at least one True and"):
            MinGap(wrong)
    with pytest.raises(DesignError, match=r"predictions have shape \(7, 3\), and in_mask 4 values"):
        MinGap(mask)(torch.zeros(7, 3), None)


@pytest.mark.parametrize("y_bar", [torch.zeros(1, 1), torch.zeros(1, 3)])
def test_a_gap_is_designed_as_by_ledidi(y_bar):
    mask = torch.tensor([False, True, False])
    X, options = (
        window(),
        {"max_iter": 20, "random_state": 0, "eps": 0.02, "l": 0.001, "device": "cpu"},
    )
    found = design(Net(), X, y_bar, output_loss=MinGap(mask), **options)
    theirs = peer.ledidi(
        Net(), X, y_bar, output_loss=PeersMinGap(mask), verbose=False, **options
    )  # fmt: skip
    assert torch.equal(found, theirs.round())
    designer = Ledidi(Net(), (4, LENGTH), output_loss=MinGap(mask), max_iter=20, random_state=0,
                      eps=0.02, l=0.001, verbose=False)  # fmt: skip
    assert torch.equal(designer.fit_transform(X, y_bar), found)
    with torch.no_grad():
        assert MinGap(mask)(Net()(found)) < MinGap(mask)(Net()(X)) - 0.1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model": "net"}, "model is a str.*torch.nn.Module"),
        ({"shape": (20, 60)}, r"shape is \(20, 60\).*DNA alone.*give \(4, length\)"),
        ({"target": -1}, "target must not be negative, not -1"),
        ({"target": 1.0}, "target must be an integer or None"),
        ({"input_mask": torch.ones(60)}, r"input_mask is no bool tensor.*bool \(60,\)"),
        ({"initial_weights": torch.zeros(4, 60)}, r"initial_weights has shape \(4, 60\).*1, 4, 60"),
        ({"tau": 0}, "tau must be positive, not 0"),
        ({"l": -1}, "l must not be negative, not -1"),
        ({"max_iter": 0}, "max_iter must be a positive integer, not 0"),
        ({"batch_size": 2.5}, "batch_size must be a positive integer, not 2.5"),
    ],
)
def test_a_designer_says_what_is_wrong(changes, says):
    with pytest.raises(DesignError, match=f"(?s){says}"):
        Ledidi(**({"model": Net(), "shape": (4, LENGTH)} | changes))


class Two(nn.Module):
    def forward(self, X):
        return X.sum(dim=2), X


@pytest.mark.parametrize(
    ("options", "X", "y_bar", "says"),
    [
        (
            {},
            window(length=50),
            torch.zeros(1, 3),
            r"X has shape \(1, 4, 50\), and the designer is",
        ),
        ({}, window() * 0.5, torch.zeros(1, 3), "X is not one-hot"),
        ({}, window(), torch.zeros(2, 3), "y_bar is no tensor.*one wanted output"),
        ({}, window(), [0.0], "y_bar is no tensor"),
        ({}, window(), torch.zeros(1, 2), "y_bar has 2 values per region, the oracle gives 3"),
        ({"target": 7}, window(), torch.zeros(1, 1), "target=7 selects no output"),
        ({"target": 7, "bins": 5}, window(), torch.zeros(1, 1, 5), "target=7 selects no.*are 3"),
    ],
)
def test_a_fit_says_what_is_wrong(options, X, y_bar, says):
    bins = options.pop("bins", None)
    designer = Ledidi(Net(bins=bins), (4, LENGTH), verbose=False, **options)
    with pytest.raises(DesignError, match=f"(?s){says}"):
        designer.fit_transform(X, y_bar)
    if not options:
        with pytest.raises(DesignError, match="the model returns 2 outputs.*return one"):
            Ledidi(Two(), (4, LENGTH), verbose=False).fit_transform(window(), torch.zeros(1, 3))
