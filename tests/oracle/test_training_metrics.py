"""Metrics of training against scikit-learn 1.9, SciPy and definitions written out."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import pearsonr, spearmanr
from sklearn import metrics as sk

from cisweep.train import metrics
from cisweep.train.datasets import SignalDataset
from cisweep.train.evaluation import profile_rows


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
