"""Everything that is predicted or explained, by the engine and without it.

Without it no call is recorded or run again and torch's own operations run, so that this is what the
model itself says. In float32 the two may differ by 1e-5 of the largest value, which is what
ARCHITECTURE.md promises of attributions across batch sizes and devices.
"""

import numpy as np
import pytest
import torch
from torch import nn

from cisweep.analysis import (
    deep_lift_shap,
    design,
    greedy_pruning,
    predict,
    predict_tiles,
    saturation_mutagenesis,
    substitution_effect,
    variant_effects,
)
from cisweep.analysis.attribution.rescale.reruns import Rerun
from cisweep.analysis.prediction import predict as prediction
from cisweep.analysis.sequence_design import greedy_pruning as pruning
from cisweep.analysis.sequence_design import oracle
from cisweep.analysis.variants.model import EffectModel
from cisweep.config.targets import TargetConfig
from cisweep.engine import recording
from cisweep.engine.convolution import dispatch
from cisweep.engine.policy import off, require
from cisweep.genome.fasta import NamedSequences
from cisweep.genome.variants.reading import Variant
from cisweep.models.modules import CNN, BPNet
from cisweep.models.wrappers import CountWrapper

LENGTH, TOLERANCE = 160, 1e-5


def tokens(n, length=LENGTH, seed=0):
    drawn = np.random.default_rng(seed).integers(0, 4, (n, length)).astype(np.uint8)
    return torch.from_numpy(drawn)


def one_hot(tokens):
    return torch.eye(4)[tokens.long()].transpose(1, 2).contiguous()


def made(kind):
    torch.manual_seed(0)
    if kind == "cnn":
        return CNN(32, first_width=9, dilations=(2, 4)).eval()
    return CountWrapper(BPNet(32, 3, profile_width=9)).eval()


@pytest.fixture(params=["cnn", "bpnet"])
def model(request):
    return made(request.param)


@pytest.fixture
def seen(monkeypatch):
    """Which parts of the engine were entered."""
    found = set()
    for place, name in (
        (recording, "_recorded"),
        (dispatch, "_prepare"),
        (Rerun, "examples"),
        (Rerun, "references"),
    ):
        monkeypatch.setattr(place, name, noted(found, name, getattr(place, name)))
    return found


def noted(found, name, right):
    def run(*args):
        found.add(name)
        return right(*args)

    return run


def both(seen, paths, run):
    """Return what `run` gives with the engine, which must be used, and without it."""
    seen.clear()
    with require(*paths):
        on = run()
    assert "_prepare" in seen
    seen.clear()
    with off():
        without = run()
    assert not seen
    return on, without


def assert_near(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        a, b = torch.as_tensor(a), torch.as_tensor(b)
        assert a.shape == b.shape
        assert (a - b).abs().max() <= TOLERANCE * b.abs().max()


def test_predict(model, seen, monkeypatch):
    monkeypatch.setattr(prediction, "_REPLAYED", 64)
    on, without = both(seen, ["prediction"], lambda: predict(model, tokens(70), batch_size=4))
    assert_near([on], [without])


def test_predict_tiles(seen):
    """The BPNet; the CNN reads its padding, and does not slide."""
    X = tokens(1, 1500)[0]
    run = lambda: predict_tiles(made("bpnet"), X, LENGTH, 20)  # noqa: E731
    on, without = both(seen, ["prediction of windows"], run)
    assert_near([on], [without])


def test_saturation_mutagenesis(model, seen):
    X = one_hot(tokens(2))
    X[0, :, 70:72] = 0  # N

    def run():
        return saturation_mutagenesis(model, X, start=60, end=90, raw_outputs=True)

    on, without = both(seen, ["saturation mutagenesis"], run)
    assert_near(on, without)


def test_substitution_effect(model, seen):
    X = one_hot(tokens(6)).repeat_interleave(3, 0)
    rows = [[i, 80, (int(X[i, :, 80].argmax()) + 1 + i % 3) % 4] for i in range(18)]

    def run():
        return substitution_effect(model, X, torch.tensor(rows))

    on, without = both(seen, ["substitution effects"], run)
    assert_near(on, without)


def edited():
    X, changed = tokens(1), tokens(1)
    changed[:, 60:100:4] = (changed[:, 60:100:4] + 1) % 4
    return one_hot(X), one_hot(changed)


def test_greedy_pruning(model, seen, monkeypatch):
    monkeypatch.setattr(pruning, "PROPAGATE_FROM_BP", LENGTH)
    X, X_hat = edited()
    paths, plain = both(seen, ["greedy pruning"], lambda: pruning.pruning_paths(model, X, X_hat))
    assert paths[0].positions == plain[0].positions and len(paths[0].positions) == 10
    assert_near([paths[0].predictions], [plain[0].predictions])
    threshold = float(plain[0].drift[4])
    on, without = both(
        seen, ["greedy pruning"], lambda: greedy_pruning(model, X, X_hat, threshold * 1.01)
    )
    assert torch.equal(on, without)


def test_design(model, seen, monkeypatch):
    monkeypatch.setattr(oracle, "RECORDED_BP", range(LENGTH, LENGTH + 1))
    X = one_hot(tokens(1))
    y_bar = model(X).detach() + 0.5
    # One window a call: in the N that fill a call up, a maximum over positions has ties, which
    # rounding breaks otherwise.
    options = dict(max_iter=5, random_state=0, return_history=True, windows_per_call=1)
    on, without = both(
        seen, ["gradients of the design"], lambda: design(model, X, y_bar, **options)
    )
    assert torch.equal(on[0], without[0])
    assert_near([on[1]["total_loss"]], [without[1]["total_loss"]])


def test_deep_lift_shap(model, seen):
    X, references = one_hot(tokens(6)), one_hot(tokens(24, seed=1)).view(6, 4, 4, LENGTH)

    def run():
        return [deep_lift_shap(model, X, references=references, batch_size=2, hypothetical=True)]

    on, without = both(seen, ["each pass over examples", "each pass over references"], run)
    assert_near(on, without)


class Log(nn.Module):
    """The first output as a column."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, X):
        return self.model(X)[:, :1]


def test_variant_effects(model, seen, monkeypatch):
    monkeypatch.setattr(prediction, "_REPLAYED", 16)
    monkeypatch.setattr(prediction, "_REPLAYED_BATCHES", 4)
    genome = tokens(1, 3000)[0].numpy()
    variants = [
        Variant("c", p, "ACGT"[genome[p]], "ACGT"[(genome[p] + 1) % 4])
        for p in range(200, 2800, 26)
    ]
    effects = EffectModel.of_module(Log(model), [TargetConfig(name="a", tasks=[0])], LENGTH)

    def run():
        return variant_effects(effects, variants, NamedSequences({"c": genome}), batch_size=4)

    on, without = both(seen, ["prediction"], run)
    assert len(on.ref) == len(variants)
    assert_near([on.ref, on.alt], [without.ref, without.alt])
    scale = np.abs(without.ref).max()  # of what the effects are differences
    assert np.abs(on.delta - without.delta).max() <= 2 * TOLERANCE * scale
