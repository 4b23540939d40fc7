"""Saturation mutagenesis of windows against every mutant predicted by itself in float64."""

import numpy as np
import pytest
import torch

from cisweep.analysis.attribution.references import make_references
from cisweep.analysis.attribution.windows import attribute_windows
from cisweep.analysis.mutagenesis.windows import attribute_by_mutagenesis, mutate_windows
from cisweep.config.model import ModelConfig
from cisweep.contracts import Windows
from cisweep.models.ensemble import Ensemble
from cisweep.models.targets import strands_of, target_module

W, TASKS = 40, [1, 0]
ONE_HOT = torch.eye(5, 4)


class Net(torch.nn.Module):
    """Strand-specific, position-dependent, with two tasks that swap with the strand."""

    def __init__(self, seed: int, with_track: bool = False):
        super().__init__()
        torch.manual_seed(seed)
        self.conv = torch.nn.Conv1d(4 + with_track, 6, 7, padding=3)
        self.out = torch.nn.Linear(6 * W, 2)

    def forward(self, X, *tracks):
        return self.out(torch.relu(self.conv(torch.cat([X, *tracks], 1))).flatten(1))


def config(**changes) -> ModelConfig:
    return ModelConfig(
        adapter="python", module="x:y", window_bp=W,
        targets=[{"name": "a", "tasks": [0]}, {"name": "b", "tasks": [1]}],
        folds=[{"weights": "w", "test_chroms": ["c1"]}, {"weights": "w", "test_chroms": ["c2"]}],
        **{"rc": {"average": True, "task_permutation": TASKS}, **changes},
    )  # fmt: skip


def folded(given: ModelConfig, **options) -> tuple[Ensemble, list[Net]]:
    nets = [Net(seed, **options).eval() for seed in (1, 2)]
    modules = [target_module(n, given.targets, given.rc) for n in nets]
    return Ensemble(given, modules, "cpu"), nets


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 4, (3, W)).astype(np.uint8)
    tokens[1, 12:14] = 4
    return Windows.build(["c1", "c1", "c2"], [0, 50, 9], [W, 50 + W, 9 + W], list("+-.")), tokens


def by_hand(nets, tokens, minus: bool, average: bool, tracks=()) -> np.ndarray:
    """Return (members, T) predictions of one window in + orientation, in float64."""
    X = ONE_HOT[torch.from_numpy(tokens).long()].T[None].double()
    tracks = [t.double() for t in tracks]
    found = []
    for net in nets:
        for turned in (False, True) if average else (False,):
            flip = turned != minus
            x, given = (X.flip(1, 2), [t.flip(2) for t in tracks]) if flip else (X, tracks)
            with torch.no_grad():
                y = net.double()(x, *given)[0].numpy()
            net.float()
            found.append(y[TASKS] if turned else y)
    return np.array(found)


@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("span", [None, (8, 21)])
def test_effects_equal_every_mutant_by_itself(data, average, span):
    windows, tokens = data
    model, nets = folded(config(rc={"average": average, "task_permutation": TASKS}))
    found = mutate_windows(model, windows, tokens, [], span=span)
    start, end = span or (0, W)
    assert found.effects.shape == (2, 3, 4, end - start)
    for i in range(3):
        minus = windows.strand[i] == "-"
        y0 = by_hand(nets, tokens[i], minus, average)
        assert found.original[:, i] == pytest.approx(y0.mean(0), abs=1e-5)
        members = np.zeros((len(y0), 2, 4, end - start))
        for p in range(start, end):
            for base in range(4):
                mutant = tokens[i].copy()
                mutant[p] = base
                y = by_hand(nets, mutant, minus, average)
                members[:, :, base, p - start] = y - y0
        assert found.effects[:, i] == pytest.approx(members.mean(0), abs=1e-5)
        centred = members - members.mean(2, keepdims=True)
        assert found.hypothetical[:, i] == pytest.approx(centred.mean(0), abs=1e-5)
        here = np.eye(5, 4)[tokens[i, start:end]].T
        values = (centred * here).sum(2)
        assert found.projected[:, i] == pytest.approx(values.mean(0), abs=1e-5)
        assert found.sd[:, i] == pytest.approx(values.std(0), abs=1e-5)
        observed = found.effects[:, i][:, here.astype(bool)]
        assert (observed == 0).all()


def test_a_window_does_not_depend_on_those_beside_it(data):
    windows, tokens = data
    model, _ = folded(config())
    whole = mutate_windows(model, windows, tokens, [])
    for i in range(3):
        alone = mutate_windows(model, windows.take(slice(i, i + 1)), tokens[i : i + 1], [])
        assert (alone.effects[:, 0] == whole.effects[:, i]).all()
        assert (alone.sd[:, 0] == whole.sd[:, i]).all()
    none = mutate_windows(model, windows.take(slice(0, 0)), tokens[:0], [])
    assert none.effects.shape == (2, 0, 4, W) and none.projected.shape == (2, 0, W)


def test_held_out_folds_and_further_inputs(data):
    windows, tokens = data
    tracks = np.random.default_rng(3).normal(size=(3, 1, W)).astype(np.float32)
    inputs = [{"name": "t", "kind": "bigwig", "paths": ["x.bw"]}]
    given = config(fold_policy="held_out", inputs=inputs)
    model, nets = folded(given, with_track=True)
    found = mutate_windows(model, windows, tokens, [tracks], span=(20, 21))
    for i, fold in enumerate([0, 0, 1]):
        minus, track = windows.strand[i] == "-", [torch.from_numpy(tracks[i : i + 1])]
        mutant = tokens[i].copy()
        mutant[20] = (mutant[20] + 1) % 4
        y0, y1 = (
            by_hand(nets[fold : fold + 1], t, minus, True, track) for t in (tokens[i], mutant)
        )
        assert found.effects[:, i, mutant[20], 0] == pytest.approx((y1 - y0).mean(0), abs=1e-5)


def test_as_a_method_of_attribution(data):
    windows, tokens = data
    model, _ = folded(config())
    references = make_references("zeros", 1, 0, 1)
    found = attribute_windows(model, windows, tokens, [], references, batch_size=2, method="ism")
    expected = mutate_windows(model, windows, tokens, [])
    assert found.hypothetical == pytest.approx(expected.hypothetical, abs=1e-6)
    assert found.projected == pytest.approx(expected.projected, abs=1e-6)
    assert np.isnan(found.deltas).all() and np.isnan(found.dy).all()


def test_attributions_equal_tangermeme(data):
    from tangermeme.saturation_mutagenesis import saturation_mutagenesis as peer

    _, tokens = data
    net = Net(4).eval()
    X = ONE_HOT[torch.from_numpy(tokens[:1]).long()].transpose(1, 2)
    found = attribute_by_mutagenesis(net, X, targets=[1, 0])
    for t, target in enumerate([1, 0]):
        expected = peer(net, X, target=target, hypothetical=True, device="cpu", fast=False)
        assert torch.allclose(found.hypothetical[t], expected.float(), atol=1e-5)


def test_strands_are_the_two_halves_of_the_mean(data):
    _, tokens = data
    given = config()
    module = target_module(Net(5).eval(), given.targets, given.rc)
    X = ONE_HOT[torch.from_numpy(tokens).long()].transpose(1, 2)
    parts = []
    for strand in strands_of(module):
        x, args = strand.inputs(X, ())
        parts.append(strand.module(x, *args))
    assert len(parts) == 2
    assert torch.allclose(sum(parts) / 2, module(X), atol=1e-6)
    alone = target_module(Net(5), given.targets, config(rc={"average": False}).rc)
    assert [s.module for s in strands_of(alone)] == [alone]
