"""Metrics of training against scikit-learn 1.9, SciPy and definitions written out."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import pearsonr, spearmanr
from sklearn import metrics as sk

from cisweep.train import metrics
from cisweep.train.data.datasets import SignalDataset, TableDataset
from cisweep.train.judging.evaluation import (
    Detection,
    Predicting,
    detection_rows,
    evaluate,
    multiclass_rows,
    predict_dataset,
    profile_rows,
)


@pytest.fixture
def scores():
    generator = np.random.default_rng(1)
    labels = (generator.random(500) < 0.1).astype(float)
    # Rounding makes ties, where implementations differ most.
    return np.round(generator.normal(size=500) + labels, 1), labels


def test_auroc_and_auprc_equal_scikit_learn_with_ties(scores):
    s, y = scores
    assert metrics.auroc(s, y) == pytest.approx(sk.roc_auc_score(y, s), abs=1e-12)
    assert metrics.auprc(s, y) == pytest.approx(sk.average_precision_score(y, s), abs=1e-12)


def test_constant_scores_give_chance(scores):
    _, y = scores
    assert metrics.auroc(np.ones(500), y) == 0.5
    assert metrics.auprc(np.ones(500), y) == pytest.approx(y.mean())


def test_one_class_is_undefined_not_made_up():
    assert np.isnan(metrics.auroc(np.arange(5.0), np.ones(5)))
    assert np.isnan(metrics.auprc(np.arange(5.0), np.zeros(5)))
    assert np.isnan(metrics.pearson(np.ones(5), np.arange(5.0)))


def test_regression_metrics_equal_scipy_and_scikit_learn():
    generator = np.random.default_rng(2)
    o = generator.normal(size=200)
    p = np.round(o + generator.normal(size=200), 1)
    assert metrics.pearson(p, o) == pytest.approx(pearsonr(p, o)[0], abs=1e-12)
    assert metrics.spearman(p, o) == pytest.approx(spearmanr(p, o)[0], abs=1e-12)
    assert metrics.r2(p, o) == pytest.approx(sk.r2_score(o, p), abs=1e-12)
    assert metrics.mse(p, o) == pytest.approx(sk.mean_squared_error(o, p), abs=1e-12)


def test_jensen_shannon_distance_equals_scipy():
    generator = np.random.default_rng(3)
    p, q = generator.random((2, 4, 2, 30))
    q[:, :, :10] = 0
    expected = [jensenshannon(a.ravel(), b.ravel(), base=2) for a, b in zip(p, q)]
    np.testing.assert_allclose(metrics.jensen_shannon_distance(p, q), expected, atol=1e-12)
    same, apart = np.eye(2)[:, None, :], np.eye(2)[::-1, None, :]
    np.testing.assert_array_equal(metrics.jensen_shannon_distance(same, same), [0, 0])
    np.testing.assert_allclose(metrics.jensen_shannon_distance(same, apart), [1, 1])
    assert np.isnan(metrics.jensen_shannon_distance(np.zeros((1, 1, 3)), np.ones((1, 1, 3))))[0]


def test_profile_pearson_joins_strands():
    generator = np.random.default_rng(4)
    p, o = generator.random((2, 5, 2, 20))
    expected = [pearsonr(a.ravel(), b.ravel())[0] for a, b in zip(p, o)]
    np.testing.assert_allclose(metrics.profile_pearson(p, o), expected, atol=1e-12)


def test_calibration_error_equals_its_definition():
    probability = np.array([0.05, 0.05, 0.95, 1.0])
    labels = np.array([0, 1, 1, 1])
    rows = metrics.calibration_table(probability, labels)
    assert [(r["bin"], r["n"]) for r in rows] == [(0, 2), (9, 2)]
    assert metrics.calibration_error(probability, labels) == pytest.approx(
        0.5 * abs(0.05 - 0.5) + 0.5 * abs(0.975 - 1)
    )


def test_bootstrap_interval_has_its_coverage():
    """DeLong's standard error (1988), of the same sample, gives nearly the same 95 % interval."""
    generator = np.random.default_rng(5)
    y = np.repeat([1, 0], [80, 300])
    s = generator.normal(size=380) + y
    area = metrics.auroc(s, y)
    low, high = metrics.bootstrap_interval(metrics.auroc, s, y, draws=400)
    above = s[:80, None] > s[None, 80:]
    error = np.sqrt(above.mean(1).var(ddof=1) / 80 + above.mean(0).var(ddof=1) / 300)
    assert low < area < high
    # 400 draws give each end, and so the width, with a standard error of 5 % of the width or less.
    assert (high - low) == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_poisson_ceiling_is_what_an_oracle_reaches():
    """A model that knows the true rates reaches the ceiling computed from rates."""
    generator = np.random.default_rng(6)
    rates = generator.lognormal(2, 1, size=4000)
    observed = generator.poisson(rates)
    oracle = metrics.pearson(np.log1p(rates), np.log1p(observed))
    # Four standard errors of an r of 0.92 over 4,000 rows, (1 - r²) / √n = 0.0024.
    assert metrics.poisson_count_ceiling(rates) == pytest.approx(oracle, abs=0.01)
    assert metrics.poisson_count_ceiling(rates * 1000) > 0.999


def test_gc_content_counts_known_bases_only():
    tokens = np.array([[1, 2, 0, 4], [4, 4, 4, 4]], dtype=np.uint8)
    np.testing.assert_allclose(metrics.gc_content(tokens), [2 / 3, 0.5])


def test_counts_of_each_track_are_the_total_shared_out_by_the_profile():
    generator = np.random.default_rng(3)
    counts = generator.poisson(3.0, (6, 2, 5)).astype(np.float32)
    data = SignalDataset(np.zeros((6, 9), np.uint8), counts, np.array([True] * 5 + [False]))
    logits = generator.normal(0, 2, (6, 2, 5)).astype(np.float32)
    log_total = generator.normal(3, 1, (6, 1)).astype(np.float32)
    predicted, observed = [], []
    for window in range(5):
        probability = np.exp(logits[window]) / np.exp(logits[window]).sum()
        for track in range(2):
            share = probability[track].sum()
            predicted.append(np.log1p(np.expm1(log_total[window, 0]) * share))
            observed.append(np.log1p(counts[window, track].sum()))
    rows = profile_rows([logits, log_total], data, None, 0)
    (row,) = [
        r for r in rows if r.get("subset") == "peaks, each track"
        and (r["scorer"], r["metric"]) == ("model", "pearson")
    ]  # fmt: skip
    assert row["n"] == 10
    assert row["value"] == pytest.approx(np.corrcoef(predicted, observed)[0, 1], abs=1e-6)


# ---- rows of an evaluation -----------------------------------------------------------------


class Both(torch.nn.Module):
    """Profile and counts of a network that tells positions, bases and controls apart."""

    def forward(self, X, control=None):
        weight = torch.arange(1.0, 4 * X.shape[2] + 1).reshape(4, -1)
        track = (X * weight).sum(1)
        profile = torch.stack([track, 2 * track], 1)
        if control is not None:
            profile = profile + control * torch.tensor([[3.0], [5.0]])
        return profile, (X * weight.sqrt()).sum((1, 2))[:, None]


@pytest.mark.parametrize("batch_size", [2, 256])
@pytest.mark.parametrize("with_control", [False, True])
def test_both_strands_of_a_profile_are_averaged_in_the_windows_orientation(
    batch_size, with_control
):
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 4, (5, 8)).astype(np.uint8)
    control = rng.random((5, 2, 8)).astype(np.float32) if with_control else None
    counts = np.ones((5, 2, 8), np.float32)
    data = SignalDataset(tokens, counts, np.ones(5, bool), control)
    profile, total = predict_dataset(Both(), data, Predicting(batch_size, both_strands=True))
    net = Both()
    for i in range(5):
        X = torch.eye(4)[torch.from_numpy(tokens[i]).long()].T[None]
        turned = torch.eye(4)[torch.from_numpy(3 - tokens[i][::-1]).long()].T[None]
        here = there = ()
        if with_control:
            here = (torch.from_numpy(control[i : i + 1]),)
            # The tracks of the two strands change places, and each is read from its other end.
            there = (torch.from_numpy(control[i : i + 1, [1, 0]][:, :, ::-1].copy()),)
        (plus, n_plus), (minus, n_minus) = net(X, *here), net(turned, *there)
        back = minus.numpy()[0, [1, 0]][:, ::-1]
        np.testing.assert_allclose(profile[i], (plus.numpy()[0] + back) / 2, rtol=1e-5)
        np.testing.assert_allclose(total[i], (n_plus + n_minus).numpy()[0] / 2, rtol=1e-5)


class First(torch.nn.Module):
    """The share of each base, and where A stands: another number on the other strand."""

    def forward(self, X):
        return torch.stack([(X[:, 0] * torch.arange(X.shape[2])).sum(1), X[:, 1].sum(1)], 1)


def test_rows_of_labels_leave_out_what_is_missing_and_average_strands():
    rng = np.random.default_rng(1)
    tokens = rng.integers(0, 4, (80, 12)).astype(np.uint8)
    labels = (rng.random((80, 2)) < 0.4).astype(np.float32)
    labels[:30, 1] = np.nan
    data = TableDataset(tokens, labels)
    how = Predicting(32, both_strands=True)
    rows = evaluate(First(), data, "multilabel", ["a", "b"], how)
    found = {(r["task"], r["metric"]): r for r in rows}
    place = np.arange(12)
    # A at place i of one strand is T at 11 - i of the other; C of one is G of the other.
    a = ((tokens == 0) * place + (tokens == 3) * (11 - place)).sum(1) / 2
    b = ((tokens == 1) | (tokens == 2)).sum(1) / 2
    for task, score, t in (("a", a, 0), ("b", b, 1)):
        known = ~np.isnan(labels[:, t])
        y, s = labels[known, t], score[known]
        assert found[task, "auroc"]["value"] == pytest.approx(sk.roc_auc_score(y, s))
        assert found[task, "auprc"]["value"] == pytest.approx(sk.average_precision_score(y, s))
        assert found[task, "base_rate"]["value"] == pytest.approx(y.mean())
        assert found[task, "auroc"]["n"] == known.sum()
    values = np.where(np.isnan(labels), np.nan, rng.normal(size=labels.shape)).astype(np.float32)
    rows = evaluate(First(), TableDataset(tokens, values), "regression", ["a", "b"], how)
    found = {(r["task"], r["metric"]): r for r in rows}
    for task, score, t in (("a", a, 0), ("b", b, 1)):
        known = ~np.isnan(values[:, t])
        r = pearsonr(score[known], values[known, t])[0]
        assert found[task, "pearson"]["value"] == pytest.approx(r, abs=1e-6)
        assert found[task, "pearson"]["n"] == known.sum()


def test_rows_of_classes():
    """A class is ranked by its probability, not by its logit, which knows nothing of the others."""
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(90, 3)) + 4 * rng.normal(size=(90, 1))
    classes = rng.choice(3, 90, p=[0.2, 0.5, 0.3])
    found = {(r["task"], r["scorer"], r["metric"]): r["value"]
             for r in multiclass_rows(logits, classes, list("abc"))}  # fmt: skip
    assert found["all", "model", "accuracy"] == (logits.argmax(1) == classes).mean()
    assert found["all", "commonest", "accuracy"] == (classes == 1).mean()
    share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    for c, task in enumerate("abc"):
        wanted = sk.roc_auc_score(classes == c, share[:, c])
        assert found[task, "model", "auroc"] == pytest.approx(wanted)
        wanted = sk.average_precision_score(classes == c, share[:, c])
        assert found[task, "model", "auprc"] == pytest.approx(wanted)
        assert wanted != pytest.approx(sk.average_precision_score(classes == c, logits[:, c]))


def test_rows_of_detection_compare_a_task_with_one_kind_of_negatives():
    rng = np.random.default_rng(3)
    tokens = rng.integers(0, 4, (100, 20)).astype(np.uint8)
    origin = np.repeat(["positive", "uniform", "shuffled"], [40, 30, 30])
    labels = np.zeros((100, 2))
    labels[:25, 0] = labels[20:40, 1] = 1
    logits = rng.normal(size=(100, 2)) + labels
    held = Detection(tokens, labels, origin, ["a", "b"], {})
    rows = detection_rows(logits, held, draws=20)
    assert {(r["task"], r["negatives"]) for r in rows} == {
        (t, k) for t in "ab" for k in ("uniform", "shuffled")
    }
    gc = ((tokens == 1) | (tokens == 2)).mean(1)
    for r in rows:
        t = "ab".index(r["task"])
        # The peaks of the other factor are neither positives nor negatives.
        positive, negative = labels[:, t] == 1, origin == r["negatives"]
        use, score = positive | negative, logits[:, t] if r["scorer"] == "model" else gc
        of = {"auroc": sk.roc_auc_score, "auprc": sk.average_precision_score}[r["metric"]]
        assert r["value"] == pytest.approx(of(positive[use], score[use]))
        assert (r["n"], r["positives"]) == (use.sum(), positive.sum())
        assert r["base_rate"] == pytest.approx(positive.sum() / use.sum())
        assert r["metric"] == "auprc" or r["low"] < r["value"] < r["high"]


def test_rows_of_profiles_are_medians_over_peaks_with_reads():
    rng = np.random.default_rng(4)
    counts = rng.poisson(0.7, (30, 2, 6)).astype(np.float32)
    counts[0] = 0
    peak = np.arange(30) < 25
    data = SignalDataset(np.zeros((30, 6), np.uint8), counts, peak)
    shapes = rng.gamma(1, size=(20, 2, 6)).astype(np.float32)
    trained = SignalDataset(np.zeros((20, 6), np.uint8), shapes, np.arange(20) < 12)
    logits = rng.normal(size=(30, 2, 6)).astype(np.float32)
    rows = profile_rows([logits, rng.normal(size=(30, 1))], data, trained, 0)
    found = {(r["scorer"], r["metric"]): r for r in rows if r["task"] == "profile"}
    use = peak & (counts.sum((1, 2)) > 0)
    assert found["model", "pearson"]["n"] == use.sum() < 25
    probability = np.exp(logits) / np.exp(logits).sum((1, 2), keepdims=True)
    mean = (shapes / shapes.sum((1, 2), keepdims=True))[:12].mean(0)  # of its peaks alone
    for name, guess in (
        ("model", probability),
        ("mean_profile", np.broadcast_to(mean, counts.shape)),
    ):
        r = [pearsonr(a.ravel(), b.ravel())[0] for a, b in zip(guess[use], counts[use])]
        assert found[name, "pearson"]["value"] == pytest.approx(np.median(r), abs=1e-6)
        d = [jensenshannon(a.ravel(), b.ravel(), base=2) for a, b in zip(guess[use], counts[use])]
        wanted = pytest.approx(np.median(d), abs=1e-6)
        assert found[name, "jensen_shannon_distance"]["value"] == wanted
    # A redraw is as noisy as the data, and another window's profile says nothing of this one's.
    assert 0.3 < found["poisson_ceiling", "pearson"]["value"] < 0.95
    assert abs(found["shuffled", "pearson"]["value"]) < 0.3
