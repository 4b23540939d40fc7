"""What people do with a model, on published architectures, against the model itself in float64.

What came out of each (a fast path, the full computation, an error) is the table of docs/models.md.
"""

import sys
from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ledidi
import numpy as np
import pytest
import torch
import transformers
from ledidi.pruning import greedy_pruning as ledidis_pruning

from cisweep.analysis import (
    attribute,
    design,
    greedy_pruning,
    input_x_gradient,
    integrated_gradients,
    predict,
    predict_tiles,
    saturation_mutagenesis,
    substitution_effect,
)
from cisweep.analysis.prediction import predict as prediction
from cisweep.analysis.sequence_design import greedy_pruning as pruning
from cisweep.analysis.sequence_design import oracle as design_oracle
from cisweep.config.model import ModelConfig
from cisweep.engine.policy import FastPathOff, require
from cisweep.errors import AttributionError, DesignError, ModelError
from cisweep.models import load_model, target_module

sys.path.insert(0, str(Path(__file__).parent))
import published_networks
from published_networks import (
    NETWORKS,
    OUTCOMES,
    AlphaGenome,
    Exact,
    built,
    forgetful,
    pinned,
    trained_like,
    windows,
)

transformers.logging.set_verbosity_error()

every = pytest.mark.parametrize("name", [network.name for network in NETWORKS])


@cache
def case(name: str) -> SimpleNamespace:
    """Return a network, itself in float64, windows X (3, 4, length) and their predictions Y."""
    network = next(n for n in NETWORKS if n.name == name)
    model = built(network)
    exact, X = Exact(model), windows(3, network.length)
    with torch.no_grad():
        Y = exact(X)
    assert (Y.std(0) > 1e-3 * Y.abs().amax(0)).all()  # the sequence matters
    return SimpleNamespace(model=model, exact=exact, X=X, Y=Y, T=Y.shape[1], length=network.length)


@pytest.fixture(autouse=True)
def left_as_found(request):
    """A model that keeps tensors of its first forward must not keep what they were traced by."""
    yield
    parameters = getattr(request.node, "callspec", None)
    if parameters is not None and "name" in parameters.params:
        c = case(parameters.params["name"])
        with torch.no_grad():
            assert_near(c.model(c.X), c.Y, ROUNDING)


def outcome(paths: str, run: Callable[[], Any]) -> tuple[Any, str]:
    """Return what `run` gives, and "fast", or "in full" where a fast path is not taken."""
    try:
        with require(*paths.split(", ")):
            return run(), "fast"
    except FastPathOff:
        return run(), "in full"


def assert_near(found: torch.Tensor, wanted: torch.Tensor, tolerance: float) -> None:
    """Compare relative to the largest value."""
    assert found.shape == wanted.shape
    error = (found.double() - wanted.double()).abs().max() / wanted.double().abs().max()
    assert error <= tolerance, error.item()


def edited(X: torch.Tensor, places: list[int]) -> torch.Tensor:
    """Return windows with other letters at some places."""
    X = X.clone()
    X[:, :, places] = X[:, :, places].roll(1, 1)
    return X


# Predictions are right to float32's rounding through some twenty layers.
ROUNDING = 1e-5


@every
def test_predict(name, monkeypatch):
    c = case(name)
    assert_near(predict(forgetful(c.model), c.X, batch_size=2), c.Y, ROUNDING)
    monkeypatch.setattr(prediction, "_REPLAYED", 3)
    monkeypatch.setattr(prediction, "_REPLAYED_BATCHES", 1)
    found, how = outcome("prediction", lambda: predict(forgetful(c.model), c.X, batch_size=2))
    assert_near(found, c.Y, ROUNDING)
    assert how == OUTCOMES[name]["predict"]


@every
def test_deep_lift(name):
    """What is attributed is what the model itself says: f(x) − f(r), to 1e-4 of its mean size."""
    c = case(name)
    references = windows(12, c.length, seed=5).view(3, 4, 4, -1)
    targets = list(range(c.T))

    def run():
        return attribute(forgetful(c.model), c.X, references, targets, batch_size=2)

    if OUTCOMES[name]["deep_lift"] == "error":
        with pytest.raises(
            AttributionError, match=r"argmax.*Mend: .*give the model the one-hot sequence"
        ):
            run()
        return
    found, how = outcome("each pass over examples, each pass over references", run)
    assert how == OUTCOMES[name]["deep_lift"]
    with torch.no_grad():
        y = c.exact(references.flatten(0, 1)).view(3, 4, c.T)
    change = (c.Y[:, None] - y).permute(2, 0, 1)
    size = change.abs().mean((1, 2))
    assert ((found.deltas.abs().amax((1, 2))) <= 1e-4 * size).all()
    summed = found.projected.sum(2)
    assert ((summed - change.mean(2)).abs().amax(1) <= 1e-4 * size).all()
    wanted = attribute(c.exact, c.X, references, targets, dtype=torch.float64)
    # Secants of units that hardly change are made of rounded values, so this is not ROUNDING.
    assert_near(found.hypothetical, wanted.hypothetical, 1e-4)


@every
def test_gradients(name):
    c = case(name)
    references = windows(3, c.length, seed=5)[:, None]
    calls = {
        "input": lambda: input_x_gradient(forgetful(c.model), c.X, target=0, hypothetical=True),
        "path": lambda: integrated_gradients(
            forgetful(c.model), c.X, target=c.T - 1, references=references, n_steps=5
        ),
    }
    if OUTCOMES[name]["gradients"] == "error":
        for call in calls.values():
            with pytest.raises(AttributionError, match=r"has no gradient .* Mend: give the model"):
                call()
        return
    assert OUTCOMES[name]["gradients"] == "yes"

    def gradient(x: torch.Tensor, target: int) -> torch.Tensor:
        x = x.double().requires_grad_()
        return torch.autograd.grad(c.exact(x)[:, target].sum(), x)[0]

    assert_near(calls["input"](), gradient(c.X, 0), 1e-4)
    first = references[:, 0]
    nodes = zip(*np.polynomial.legendre.leggauss(5))
    total = sum(w / 2 * gradient(first + (p + 1) / 2 * (c.X - first), c.T - 1) for p, w in nodes)
    wanted = c.X * (total - (total * first).sum(1, keepdim=True))
    assert_near(calls["path"](), wanted, 1e-4)


@every
def test_mutagenesis(name):
    c = case(name)
    start = c.length // 2 - 2
    options = dict(start=start, end=start + 4, raw_outputs=True)
    found, how = outcome(
        "saturation mutagenesis",
        lambda: saturation_mutagenesis(forgetful(c.model), c.X, **options),
    )
    assert how == OUTCOMES[name]["mutagenesis"]
    mutants = c.X[:, None, None].repeat(1, 4, 4, 1, 1)
    for letter in range(4):
        for i in range(4):
            mutants[:, letter, i, :, start + i] = torch.eye(4)[letter]
    with torch.no_grad():
        wanted = c.exact(mutants.flatten(0, 2)).view(3, 4, 4, c.T)
    assert_near(found.y0[:, 0] if found.y0.ndim == 3 else found.y0, c.Y, ROUNDING)
    assert_near(found.y_hat, wanted, ROUNDING)
    # Effects are small beside the outputs, whose rounding they carry.
    effects = found.y_hat.double() - c.Y[:, None, None]
    assert_near(effects, wanted - c.Y[:, None, None], 1e-2)


@every
def test_substitution_effect(name):
    c = case(name)
    X = windows(5, c.length, seed=3).repeat_interleave(8, 0)
    rows = torch.tensor([[i, c.length // 2, i % 4] for i in range(len(X))])
    (before, after), how = outcome(
        "substitution effects", lambda: substitution_effect(forgetful(c.model), X, rows)
    )
    assert how == OUTCOMES[name]["substitutions"]
    changed = X.clone()
    changed[rows[:, 0], :, rows[:, 1]] = torch.eye(4)[rows[:, 2]]
    with torch.no_grad():
        assert_near(before, c.exact(X), ROUNDING)
        assert_near(after, c.exact(changed), ROUNDING)


@every
def test_design_is_ledidis(name, monkeypatch):
    c = case(name)
    monkeypatch.setattr(design_oracle, "RECORDED_BP", range(1, 1000))
    y_bar = (c.Y[:1] + c.Y.std(0)).float()
    # A large eps edits every batch.
    options = dict(max_iter=4, random_state=0, batch_size=4, eps=0.02, return_history=True)

    def run():
        return design(forgetful(c.model), c.X[:1], y_bar, **options)

    if OUTCOMES[name]["design"] == "error":
        with pytest.raises(DesignError, match=r"has no gradient .* Mend: give the model the one"):
            run()
        return
    (_, found), how = outcome("gradients of the design", run)
    assert how == OUTCOMES[name]["design"]
    _, wanted = ledidi.ledidi(
        forgetful(c.model), c.X[:1], y_bar, device="cpu", verbose=False, **options
    )
    for loss in ("total_loss", "output_loss", "input_loss"):
        np.testing.assert_allclose(found[loss], wanted[loss], rtol=1e-4, atol=1e-6)
    assert sum(found["input_loss"]) > 0
    for a, b in zip(found["edits"], wanted["edits"], strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b))


@every
def test_pruning_is_ledidis(name, monkeypatch):
    c = case(name)
    monkeypatch.setattr(pruning, "PROPAGATE_FROM_BP", 1)
    X, X_hat = c.X[:1], edited(c.X[:1], list(range(5, c.length - 5, c.length // 8)))
    with torch.no_grad():
        drift = (c.exact(X_hat) - c.exact(X)).abs().sum().item()
    found, how = outcome(
        "greedy pruning", lambda: greedy_pruning(forgetful(c.model), X, X_hat, threshold=drift / 3)
    )
    assert how == OUTCOMES[name]["pruning"]
    assert torch.equal(found, ledidis_pruning(c.exact, X, X_hat, threshold=drift / 3).float())


@every
def test_tiles(name):
    c = case(name)
    tokens = torch.randint(0, 4, (2 * c.length,), generator=torch.Generator().manual_seed(2))
    found, how = outcome(
        "prediction of windows",
        lambda: predict_tiles(forgetful(c.model), tokens.to(torch.uint8), c.length, 5),
    )
    assert how == OUTCOMES[name]["tiles"]
    X = torch.nn.functional.one_hot(tokens, 4).T.unfold(1, c.length, 5).transpose(0, 1)
    with torch.no_grad():
        assert_near(found, c.exact(X), ROUNDING)


def test_borzoi_says_why_it_runs_in_full():
    c = case("borzoi")
    message = r"because the forward calls torch\.vmap or another"
    with pytest.raises(FastPathOff, match=message), require("saturation mutagenesis"):
        saturation_mutagenesis(c.model, c.X, start=9, end=10)


def test_alphagenome_as_it_comes_is_refused():
    """Its norms update their statistics in eval mode too."""
    with pytest.raises(ModelError, match=r"running_var and \d+ others when it predicts"):
        predict(AlphaGenome().eval(), windows(2, 64))


@pytest.mark.parametrize("made, length", [("EnformerTracks", 96), ("BorzoiTracks", 256)])
def test_tracks_by_bins_are_targets_of_a_model_yaml(made, length, tmp_path):
    """From a file of weights to targets that are averaged over both strands."""
    X = windows(2, length)
    saved = trained_like(getattr(published_networks, made)(), windows(8, length, 3))
    torch.save(saved.state_dict(), tmp_path / "m.pt")
    config = ModelConfig(
        adapter="state_dict",
        module=f"published_networks:{made}",
        window_bp=length,
        targets=[
            {"name": "a", "tasks": [0], "positions": (1, 5), "reduce": "mean"},
            {"name": "b", "tasks": [1, 2], "reduce": "max", "scale": "log1p_counts"},
        ],
        folds=[{"weights": tmp_path / "m.pt"}],
    )
    module = target_module(load_model(config), config.targets, config.rc)
    exact = Exact(forgetful(saved))
    with torch.no_grad():
        y = exact(X), exact(X.flip(1, 2)).flip(2)  # both in the order of the plus strand's bins
    strands = [torch.stack([s[:, 0, 1:5].mean(1), s[:, 1:3].amax((1, 2))], 1) for s in y]
    wanted = sum(strands) / 2
    assert_near(predict(module, X), wanted, ROUNDING)
    found = attribute(module, X, windows(2, length, 5)[:, None], [0, 1])
    assert (found.deltas.abs().amax((1, 2)) <= 1e-4 * found.mean_abs_dy).all()


@pytest.mark.parametrize("package", sorted({n.package for n in NETWORKS if n.package}))
def test_the_releases_are_those_of_the_lock(package):
    assert metadata.version(package) == pinned(package)
