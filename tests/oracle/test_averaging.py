"""Averages over folds and strands: sums of attributions are differences of mean predictions."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from cisweep.analysis.attribution.references import make_references, shuffled_windows
from cisweep.analysis.attribution.windows import attribute_windows
from cisweep.analysis.prediction.windows import predict_windows
from cisweep.analysis.seqlets.fdr import NullSize
from cisweep.config.model import ModelConfig
from cisweep.contracts import Windows
from cisweep.errors import AttributionError, ModelError
from cisweep.models import CNN
from cisweep.models.ensemble import Ensemble
from cisweep.sequence.encoding import one_hot_tokens

ARGS = {"n_filters": 6, "first_width": 5, "dilations": [2], "n_outputs": 2}


@pytest.fixture(scope="module")
def modules():
    torch.manual_seed(0)
    return [CNN(**ARGS).eval() for _ in range(2)]


@pytest.fixture(scope="module")
def config(modules, tmp_path_factory):
    folder = tmp_path_factory.mktemp("folds")
    for i, module in enumerate(modules):
        save_file(module.state_dict(), folder / f"{i}.safetensors")
    return {
        "adapter": "state_dict",
        "module": "CNN",
        "module_args": ARGS,
        "window_bp": 40,
        "targets": [{"name": "a", "tasks": [0]}, {"name": "b", "tasks": [1]}],
        "rc": {"average": True, "task_permutation": [1, 0]},
        "folds": [
            {"weights": str(folder / f"{i}.safetensors"), "test_chroms": [c]}
            for i, c in enumerate(("chr1", "chr2"))
        ],
    }


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 4, (7, 40)).astype(np.uint8)
    tokens[2, 5:8] = 4
    start = np.arange(7) * 50
    windows = Windows.build(
        ["chr1"] * 4 + ["chr2"] * 3, start, start + 40, ["+", "-", ".", "-", "+", "-", "."]
    )
    return windows, tokens


def by_hand(modules, windows, tokens, used):
    """Float64, window by window: the mean over used folds and both strands, tasks swapped."""
    out = np.zeros((len(windows), 2))
    for i in range(len(windows)):
        x = one_hot_tokens(torch.from_numpy(tokens[i : i + 1])).double()
        if windows.strand[i] == "-":
            x = x.flip(1, 2)
        values = [
            (m.double()(x)[0] + m.double()(x.flip(1, 2))[0].flip(0)) / 2
            for m, use in zip(modules, used[i])
            if use
        ]
        out[i] = torch.stack(values).mean(0).detach().numpy()
    for m in modules:
        m.float()
    return out


@pytest.mark.parametrize("policy", ["mean", "held_out"])
def test_predictions_are_means_over_folds_and_strands(modules, config, data, policy):
    windows, tokens = data
    model = Ensemble.load(ModelConfig.model_validate(config | {"fold_policy": policy}), "cpu")
    found = predict_windows(model, windows, tokens, [], batch_size=3)
    used = [
        (policy == "mean" or c == "chr1", policy == "mean" or c == "chr2") for c in windows.chrom
    ]
    np.testing.assert_allclose(found.mean, by_hand(modules, windows, tokens, used), atol=1e-5)
    assert (found.sd > 0).any() == (policy == "mean")


def test_sums_of_attributions_are_differences_of_predictions(config, data):
    windows, tokens = data
    model = Ensemble.load(ModelConfig.model_validate(config), "cpu")
    references = make_references("dinucleotide", 3, 0, 1)
    found = attribute_windows(model, windows, tokens, [], references, batch_size=2)
    y = predict_windows(model, windows, tokens, [], batch_size=2).mean
    refs = references(windows, tokens)
    as_tokens = np.where(refs.sum(2).numpy() > 0, refs.argmax(2).numpy(), 4).astype(np.uint8)
    y_refs = np.mean(
        [predict_windows(model, windows, as_tokens[:, k], [], batch_size=2).mean for k in range(3)],
        0,
    )
    np.testing.assert_allclose(found.projected.sum(2).T, y - y_refs, atol=1e-5)
    assert found.deltas.max() < 1e-5
    # A window and its - strand are the same place: same attribution in + orientation, since both
    # strands are averaged, but for the tasks, which swap.
    other = np.where(windows.strand == "-", "+", "-").astype(object)
    turned = Windows(windows.chrom, windows.start, windows.end, other, windows.name)
    model_refs = make_references("zeros", 1, 0, 1)
    a = attribute_windows(model, windows, tokens, [], model_refs, batch_size=2)
    b = attribute_windows(model, turned, tokens, [], model_refs, batch_size=2)
    np.testing.assert_allclose(a.projected[0], b.projected[1], atol=1e-5)


@pytest.mark.parametrize("size", [1, 3, 7, 16])
def test_batches_do_not_change_attributions(config, data, size):
    windows, tokens = data
    model = Ensemble.load(ModelConfig.model_validate(config), "cpu")
    references = make_references("shuffle", 2, 5, 1)
    whole = attribute_windows(model, windows, tokens, [], references, batch_size=5)
    part = attribute_windows(model, windows, tokens, [], references, batch_size=size)
    np.testing.assert_allclose(whole.hypothetical, part.hypothetical, atol=1e-6)
    np.testing.assert_allclose(whole.sd, part.sd, atol=1e-5)


def test_a_chromosome_that_no_fold_holds_out_is_an_error(config, data):
    windows, tokens = data
    model = Ensemble.load(ModelConfig.model_validate(config | {"fold_policy": "held_out"}), "cpu")
    lost = Windows.build(["chr3"], [0], [40])
    with pytest.raises(ModelError, match="no fold holds out chromosome 'chr3'.*test_chroms"):
        predict_windows(model, lost, tokens[:1], [], batch_size=1)


@pytest.mark.parametrize("kind", ["dinucleotide", "shuffle", "zeros", "uniform"])
def test_references_depend_on_the_window_alone_and_keep_n(data, kind):
    windows, tokens = data
    make = make_references(kind, 4, 1, 1)
    whole = make(windows, tokens)
    part = make(windows.take(slice(2, 4)), tokens[2:4])
    assert torch.equal(whole[2:4], part)
    assert (whole[2, :, :, 5:8] == 0).all()
    if kind in ("dinucleotide", "shuffle"):
        assert not torch.equal(whole[0, 0], whole[0, 1])
        counts = whole[0].sum(2)
        assert (counts == counts[0]).all()
    elif kind == "uniform":
        assert (whole[0] == 0.25).all()


@pytest.mark.parametrize("method", ["integrated_gradients", "input_x_gradient"])
def test_gradient_methods_run_on_the_same_windows(config, data, method):
    windows, tokens = data
    model = Ensemble.load(ModelConfig.model_validate(config), "cpu")
    found = attribute_windows(
        model, windows, tokens, [], make_references("zeros", 1, 0, 1), batch_size=3, method=method
    )
    assert found.projected.shape == (2, 7, 40) and np.abs(found.projected).max() > 0


def test_shuffled_windows_are_a_share_chosen_by_place(data):
    windows, tokens = data
    all_windows, all_tokens = shuffled_windows(windows, tokens, 0, NullSize(1, 1.0))
    some, some_tokens = shuffled_windows(windows, tokens, 0, NullSize(1, 0.5))
    assert len(all_windows) == 7 and 0 < len(some) < 7
    keys = all_windows.keys()
    for key, row in zip(some.keys(), some_tokens):
        np.testing.assert_array_equal(row, all_tokens[keys.index(key)])


def test_several_shuffles_of_a_window_do_not_depend_on_its_chunk(data):
    windows, tokens = data
    size = NullSize(3, 0.8)
    whole, shuffled = shuffled_windows(windows, tokens, 5, size)
    assert len(whole) % 3 == 0 and len(np.unique(shuffled, axis=0)) == len(shuffled) > 6
    parts = [shuffled_windows(windows.take(s), tokens[s], 5, size) for s in windows.blocks(2)]
    assert Windows.concatenate([w for w, _ in parts]).keys() == whole.keys()
    np.testing.assert_array_equal(np.concatenate([t for _, t in parts]), shuffled)
    keys = windows.keys()
    for key, row in zip(whole.keys(), shuffled):
        own = tokens[keys.index(key)]
        np.testing.assert_array_equal(np.bincount(row, minlength=5), np.bincount(own, minlength=5))


def alternating(tokens, seeds):
    """A user's references: A and T in turns, the same for each draw."""
    turns = np.arange(tokens.shape[1], dtype=np.uint8) % 2 * 3
    return np.broadcast_to(turns, (len(tokens), seeds.shape[1], tokens.shape[1]))


def wrong_shape(tokens, seeds):
    return tokens


@pytest.mark.parametrize("kind", ["dinucleotide", "zeros", "alternating"])
def test_references_of_a_span_keep_the_rest(data, kind, monkeypatch):
    windows, tokens = data
    import sys

    monkeypatch.setitem(sys.modules, "users_references", sys.modules[__name__])
    name = f"users_references:{kind}" if kind == "alternating" else kind
    made = make_references(name, 3, 0, 1, (10, 30))(windows, tokens)
    x = one_hot_tokens(torch.from_numpy(tokens))[:, None].expand_as(made)
    assert torch.equal(made[..., :10], x[..., :10]) and torch.equal(made[..., 30:], x[..., 30:])
    assert not torch.equal(made[..., 10:30], x[..., 10:30])
    if kind == "alternating":
        assert made[0, 0, 0, 10] == made[0, 0, 3, 11] == 1


def test_faults_of_a_users_references(data, monkeypatch):
    import sys

    windows, tokens = data
    with pytest.raises(AttributionError, match="cannot be imported.*package.module:function"):
        make_references("no_such_module:f", 2, 0, 1)
    monkeypatch.setitem(sys.modules, "users_references", sys.modules[__name__])
    make = make_references("users_references:wrong_shape", 2, 0, 1)
    with pytest.raises(AttributionError, match=r"shape \(7, 40\), not \(7, 2, 40\)"):
        make(windows, tokens)


def test_spreads_over_references_and_folds_are_kept_apart(config, data):
    windows, tokens = data
    references = make_references("shuffle", 3, 5, 1)
    found, *alone = (
        attribute_windows(
            Ensemble.load(ModelConfig.model_validate(config | {"folds": folds}), "cpu"),
            windows, tokens, [], references, batch_size=4,
        )
        for folds in (config["folds"], config["folds"][:1], config["folds"][1:])
    )  # fmt: skip
    projected = np.stack([a.projected for a in alone]).astype(np.float64)
    np.testing.assert_allclose(found.fold_sd, projected.std(axis=0), atol=1e-5)
    spread = np.sqrt(np.mean([a.sd.astype(np.float64) ** 2 for a in alone], axis=0))
    np.testing.assert_allclose(found.sd, spread, atol=1e-5)
    assert (found.fold_sd > 0).any() and not alone[0].fold_sd.any()


class OneSide(torch.nn.Module):
    """Reads the first twelve bases of its window, as it is given, each by a weight of its own."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.weights = torch.nn.Parameter(torch.randn(4, 40))
        self.weights.data[:, 12:] = 0

    def forward(self, X):
        return (X * self.weights).sum((1, 2))[:, None]


def test_attributions_and_their_spread_are_in_plus_orientation(data):
    """Of a linear model both are known: w of the base less w of each reference's base."""
    windows, tokens = data
    config = ModelConfig(
        adapter="python", module="x:y", window_bp=40, targets=[{"name": "a"}],
        rc={"average": False}, folds=[{"weights": "w"}],
    )  # fmt: skip
    net = OneSide()
    references = make_references("shuffle", 5, 2, 1)
    found = attribute_windows(
        Ensemble(config, [net]), windows, tokens, [], references, batch_size=3
    )
    one_hot = references(windows, tokens).double().numpy()
    for i, strand in enumerate(windows.strand):
        w = net.weights.detach().double().numpy()
        w = w[::-1, ::-1] if strand == "-" else w
        x = np.eye(5, 4)[tokens[i]].T
        each = (w * (x - one_hot[i])).sum(axis=1)  # (references, L)
        hypothetical = w - (w * one_hot[i]).sum(axis=1, keepdims=True)  # (references, 4, L)
        projected = (hypothetical * x).sum(axis=1)
        known = tokens[i] != 4
        np.testing.assert_allclose(projected[:, known], each[:, known])
        np.testing.assert_allclose(found.projected[0, i], projected.mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(found.sd[0, i], projected.std(axis=0), atol=1e-5)
        read = slice(28, 40) if strand == "-" else slice(0, 12)
        assert found.sd[0, i, read].max() > 0.1


def test_deltas_are_the_largest_and_dy_the_mean_of_the_folds(config, data):
    """A gradient times the input does not add up, so each fold has deltas of its own."""
    windows, tokens = data
    found, *alone = (
        attribute_windows(
            Ensemble.load(ModelConfig.model_validate(config | {"folds": folds}), "cpu"),
            windows, tokens, [], make_references("shuffle", 2, 5, 1), batch_size=4,
            method="input_x_gradient",
        )
        for folds in (config["folds"], config["folds"][:1], config["folds"][1:])
    )  # fmt: skip
    deltas, dy = (np.stack([getattr(a, f) for a in alone]) for f in ("deltas", "dy"))
    assert deltas.min() > 1e-4
    np.testing.assert_allclose(found.deltas, deltas.max(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.dy, dy.mean(axis=0), rtol=1e-4, atol=1e-6)
