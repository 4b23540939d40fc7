"""Tracks of a profile model: softmax × counts by hand, strands, folds, blocks, observed signal."""

import numpy as np
import pytest
import scipy.stats
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from cisweep.analysis.prediction.windows import predict_windows, track_shapes
from cisweep.config.model import ModelConfig
from cisweep.config.targets import TargetConfig, TrackConfig
from cisweep.contracts import Windows
from cisweep.errors import ModelError
from cisweep.models import BPNet
from cisweep.models.ensemble import Ensemble
from cisweep.models.tracks import read_counts_track
from cisweep.outputs.predictions import PredictionWriter, counts_blocks
from cisweep.train.judging.prediction_metrics import target_rows, track_rows

W, L = 64, 24  # window and output
ARGS = {"n_filters": 4, "n_layers": 2, "first_width": 7, "profile_width": 9, "trimming": 20}


@pytest.fixture(scope="module")
def folds():
    torch.manual_seed(0)
    return [BPNet(**ARGS).eval() for _ in range(2)]


@pytest.fixture(scope="module")
def config(folds, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bpnet")
    for i, model in enumerate(folds):
        save_file(model.state_dict(), folder / f"{i}.safetensors")
    return {
        "adapter": "state_dict",
        "module": "BPNet",
        "module_args": ARGS,
        "window_bp": W,
        "targets": [
            {"name": "counts", "head": 1, "tasks": [0], "scale": "log1p_counts"},
            {"name": "profile", "reduce": "profile"},
        ],
        "tracks": [{"name": "starts", "tasks": [0, 1], "counts": ["counts"]}],
        "rc": {"average": True, "task_permutation": [1, 0]},
        "folds": [{"weights": str(folder / f"{i}.safetensors")} for i in range(2)],
    }


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    tokens = rng.integers(0, 4, (9, W)).astype(np.uint8)
    start = np.arange(9) * 10
    strands = list("+-.+-.+-.")
    return Windows.build(["chr1"] * 9, start, start + W, strands), tokens


def one_strand(model, tokens):
    """Softmax over both strands × expm1(log counts), in float64, by NumPy."""
    x = torch.from_numpy(np.eye(5, 4)[tokens].T[None].copy())
    with torch.no_grad():
        logits, counts = (y.numpy() for y in model.double()(x))
    model.float()
    flat = np.exp(logits[0] - logits[0].max())
    return flat / flat.sum() * max(np.expm1(counts[0, 0]), 0)


def by_hand(models, tokens, average: bool, minus: bool):
    """The mean over folds (and strands) in + orientation."""
    turned = np.where(tokens < 4, 3 - tokens, 4)[::-1]
    parts = []
    for model in models:
        plus = one_strand(model, tokens)
        back = one_strand(model, turned)[::-1, ::-1]  # tasks swapped, positions turned
        parts.append((plus + back) / 2 if average else back if minus else plus)
    return np.mean(parts, axis=0)


@pytest.mark.parametrize("average", [True, False])
def test_tracks_are_softmax_times_counts(config, folds, data, average):
    config = config | {"rc": {"average": average, "task_permutation": [1, 0]}}
    model = Ensemble.load(ModelConfig.model_validate(config), "cpu", tracks=True)
    windows, tokens = data
    assert track_shapes(model) == {"starts": (2, L)}
    found = predict_windows(model, windows, tokens, [], batch_size=4)
    for i in range(len(windows)):
        want = by_hand(folds, tokens[i], average, windows.strand[i] == "-")
        # float32 against float64: a hundred roundings, all in one direction.
        np.testing.assert_allclose(found.tracks["starts"][i], want, rtol=100 * 2.0**-24)
    scalars = Ensemble.load(ModelConfig.model_validate(config), "cpu")
    alone = predict_windows(scalars, windows, tokens, [], batch_size=4)
    np.testing.assert_array_equal(found.mean, alone.mean)
    assert alone.tracks == {} and track_shapes(scalars) == {}


def test_blocks_of_windows_give_the_same_bytes(config, data):
    model = Ensemble.load(ModelConfig.model_validate(config), "cpu", tracks=True)
    windows, tokens = data
    whole = predict_windows(model, windows, tokens, [], batch_size=4).tracks["starts"]
    for size in (1, 2, 5):
        parts = [
            predict_windows(model, windows.take(r), tokens[r], [], batch_size=4).tracks["starts"]
            for r in windows.blocks(size)
        ]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_one_count_a_strand_has_one_softmax_a_strand():
    logits, counts = torch.randn(3, 2, 5), torch.rand(3, 2) * 9
    targets = [TargetConfig(name=n, head=1, tasks=[i], scale="counts") for i, n in enumerate("ab")]
    config = TrackConfig(name="t", tasks=[1, 0], counts=["b", "a"])
    found = read_counts_track((logits, counts), config, targets)
    want = torch.softmax(logits[:, [1, 0]], dim=2) * counts[:, [1, 0], None]
    torch.testing.assert_close(found, want)
    torch.testing.assert_close(found.sum(2), counts[:, [1, 0]])
    plain = TrackConfig(name="t", tasks=[1])
    torch.testing.assert_close(read_counts_track((logits, counts), plain, []), logits[:, [1]])


def test_fewer_than_no_reads_are_none():
    """A log1p of counts below 0 stands for no reads, not for negative ones."""
    target = TargetConfig(name="n", head=1, tasks=[0], scale="log1p_counts")
    output = torch.randn(2, 2, 5), torch.tensor([[-0.5], [1.0]])
    found = read_counts_track(output, TrackConfig(name="t", tasks=[0, 1], counts=["n"]), [target])
    assert (found[0] == 0).all() and float(found[1].sum()) == pytest.approx(np.e - 1)


@pytest.mark.parametrize(
    ("track", "said"),
    [
        ({"counts": ["profile"]}, "counts names 'profile', which is not a target of scale"),
        ({"counts": ["nothing"]}, "counts names 'nothing'"),
        ({"name": "counts"}, "names of targets and tracks must differ: counts occurs twice"),
        ({"tasks": [0]}, "turns its tasks [0] into [1]"),
        ({"counts": ["counts", "counts"], "tasks": [0]}, "give one target of counts, or one per"),
    ],
)
def test_what_a_track_may_say(config, track, said):
    track = config["tracks"][0] | track
    with pytest.raises(ValidationError) as error:
        ModelConfig.model_validate(config | {"tracks": [track]})
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("track", "said"),
    [
        (
            {"bin_bp": 3},
            "the track covers 72 bp, which cannot be the middle of a window of 64",
        ),
        ({"head": 1, "tasks": [0]}, "track 'starts' reads head 1, which has no positions"),
        ({"head": 5}, "'starts' reads head 5"),
    ],
)
def test_what_the_model_must_have(config, track, said):
    config = config | {"rc": {"average": False}}
    wrong = config | {"tracks": [config["tracks"][0] | {"counts": []} | track]}
    with pytest.raises(ModelError) as error:
        Ensemble.load(ModelConfig.model_validate(wrong), "cpu", tracks=True)
    assert said in str(error.value)


def test_rows_of_a_track_lie_in_the_middle_of_their_windows(tmp_path, config, data):
    windows, _ = data
    values = np.random.default_rng(0).random((9, 2, 12)).astype(np.float32)
    path, scalars = tmp_path / "p.h5", np.zeros((9, 1), np.float32)
    with PredictionWriter(path, windows, ["a"], {}, {"t": (2, 12)}) as writer:
        writer.append(windows, scalars, scalars, {"t": values})
    track = TrackConfig(name="t", tasks=[0, 1], bin_bp=2)
    ((spans, bases),) = counts_blocks(path, track, 1)
    assert (spans.start - windows.start == 20).all() and (windows.end - spans.end == 20).all()
    np.testing.assert_array_equal(bases, np.repeat(values[:, 1], 2, axis=1))
    np.testing.assert_array_equal(spans.centre, windows.centre)


def test_metrics_against_scipy(data):
    windows, _ = data
    rng = np.random.default_rng(0)
    predicted, observed = rng.random((9, 2, 6)), rng.poisson(1.0, (9, 2, 6)).astype(float)
    observed[3] = 0  # no signal: no profile, but a count
    blocks = [(windows.take(slice(a, b)), predicted[a:b]) for a, b in ((0, 4), (4, 9))]
    place = {key: i for i, key in enumerate(windows.keys())}

    def observe(part):
        return observed[[place[k] for k in part.keys()]]  # noqa: SIM118

    rows = {r["metric"]: r for r in track_rows("t", blocks, observe)}
    some = [i for i in range(9) if i != 3]
    flat_p, flat_o = predicted.reshape(9, -1), observed.reshape(9, -1)
    r = [scipy.stats.pearsonr(flat_p[i], flat_o[i])[0] for i in some]
    assert rows["profile_pearson"]["value"] == pytest.approx(np.median(r))
    assert rows["profile_pearson"]["n"] == 8 and rows["counts_pearson"]["n"] == 9
    from scipy.spatial.distance import jensenshannon

    d = [jensenshannon(flat_p[i], flat_o[i], base=2) for i in some]
    assert rows["jensen_shannon_distance"]["value"] == pytest.approx(np.median(d))
    total_p, total_o = np.log1p(flat_p.sum(1)), np.log1p(flat_o.sum(1))
    want = scipy.stats.spearmanr(total_p, total_o)[0]
    assert rows["counts_spearman"]["value"] == pytest.approx(want)
    scalars = [(w, v.sum(axis=(1, 2))) for w, v in blocks]
    for scale, values in (("counts", total_p), ("logit", flat_p.sum(1))):
        rows = {r["metric"]: r for r in target_rows("c", scale, scalars, observe)}
        want = scipy.stats.pearsonr(values, total_o)[0]
        assert rows["counts_pearson"]["value"] == pytest.approx(want)
    empty = track_rows("t", [], observe)
    assert all(np.isnan(r["value"]) and r["n"] == 0 for r in empty)
