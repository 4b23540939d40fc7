"""The metric of an epoch: each draw against the examples repeated, the interval against theory, and
which epoch is kept in cases whose answer is known."""

import numpy as np
import pytest
import torch

from cisweep.train import metrics
from cisweep.train.data.datasets import Batch
from cisweep.train.losses import profile_objective, scalar_objective
from cisweep.train.monitoring import (
    DRAWS,
    choose,
    judge,
    resampled,
    weighted_auprc,
    weighted_median,
    weighted_pearson,
)


@pytest.fixture
def drawn():
    generator = np.random.default_rng(0)
    # Rounding makes ties, where implementations differ most.
    scores = np.round(generator.normal(size=60), 1)
    labels = (generator.random(60) < 0.3).astype(float)
    (times,) = resampled(60, 20, seed=4)
    return scores, labels, times


def test_each_draw_is_the_metric_of_the_repeated_examples(drawn):
    scores, labels, times = drawn
    assert (times.sum(axis=1) == 60).all() and len(np.unique(times, axis=0)) == 20
    rows = [np.repeat(np.arange(60), t.astype(int)) for t in times]
    for found, of in (
        (weighted_auprc(scores, labels, times), metrics.auprc),
        (weighted_pearson(scores, labels, times), metrics.pearson),
    ):
        expected = [of(scores[r], labels[r]) for r in rows]
        np.testing.assert_allclose(found, expected, rtol=1e-10)
    expected = [np.median(scores[r]) for r in rows]
    np.testing.assert_allclose(weighted_median(scores, times), expected)
    odd = times.copy()
    odd[:, 0] += 1
    expected = [np.median(np.repeat(scores, t.astype(int))) for t in odd]
    np.testing.assert_allclose(weighted_median(scores, odd), expected)


def test_draws_come_in_blocks_and_do_not_depend_on_them(monkeypatch):
    whole = np.concatenate(list(resampled(50, 30, seed=1)))
    monkeypatch.setattr("cisweep.train.monitoring._BLOCK", 50 * 7)
    blocks = list(resampled(50, 30, seed=1))
    assert len(blocks) == 5
    np.testing.assert_array_equal(np.concatenate(blocks), whole)


def test_draws_that_have_no_value_say_so():
    one_class = weighted_auprc(np.arange(4.0), np.array([1.0, 0, 0, 0]), np.array([[0, 1, 1, 2.0]]))
    assert np.isnan(one_class).all()
    times = np.array([[1.0, 1, 1], [2, 0, 0], [0, 0, 0]])
    r = weighted_pearson(np.array([1.0, 2, 3]), np.array([2.0, 4, 6]), times)
    assert r[0] == pytest.approx(1) and np.isnan(r[1:]).all()
    # A network that gives one number for everything has no correlation, which is not undefined.
    assert weighted_pearson(np.full(3, 0.1), np.arange(3.0), times)[0] == 0


def table(scores, labels):
    return [torch.from_numpy(scores).float()], Batch(
        torch.zeros(len(labels), 4, dtype=torch.uint8),
        targets={"values": torch.from_numpy(labels).float()},
    )


def test_metric_of_labels_is_the_mean_of_known_targets():
    generator = np.random.default_rng(1)
    scores, labels = generator.normal(size=(200, 3)), (generator.random((200, 3)) < 0.2) * 1.0
    labels[:50, 1] = np.nan
    labels[:, 2] = 0
    metric = scalar_objective("multilabel").metric
    half = [table(scores[part], labels[part]) for part in (slice(0, 90), slice(90, 200))]
    judged = judge(metric, [metric.read(*each) for each in half], seed=0)
    known = metrics.auprc(scores[50:, 1].astype(np.float32), labels[50:, 1])
    expected = (metrics.auprc(scores[:, 0].astype(np.float32), labels[:, 0]) + known) / 2
    assert judged.value == pytest.approx(expected, abs=1e-12)
    assert judged.low < judged.value < judged.high and len(judged.draws) == DRAWS
    # Repeated examples do not flatter it.
    assert judged.draws.mean() == pytest.approx(judged.value, abs=1e-12)


def test_metric_of_classes_and_of_values():
    generator = np.random.default_rng(2)
    logits, classes = generator.normal(size=(150, 3)), generator.integers(0, 3, (150, 1))
    metric = scalar_objective("multiclass").metric
    judged = judge(metric, [metric.read(*table(logits, classes.astype(float)))], seed=0)
    margin = logits.astype(np.float32).astype(float)
    margin -= np.logaddexp.reduce(margin, axis=1)[:, None]
    expected = [metrics.auprc(margin[:, c], classes[:, 0] == c) for c in range(3)]
    assert judged.value == pytest.approx(np.mean(expected), abs=1e-9)
    metric = scalar_objective("regression").metric
    values = logits + generator.normal(size=logits.shape)
    values[:, 2] = np.nan
    judged = judge(metric, [metric.read(*table(logits, values))], seed=0)
    expected = [metrics.pearson(logits[:, t], values[:, t]) for t in range(2)]
    assert judged.value == pytest.approx(np.mean(expected), abs=1e-6)


def test_metric_of_profiles_is_that_of_the_evaluation_and_of_the_counts():
    generator = np.random.default_rng(3)
    counts = generator.poisson(2.0, (40, 2, 15)).astype(np.float32)
    counts[0] = 0
    peak = np.arange(40) < 30
    logits = torch.from_numpy(np.log(counts + 1) + generator.normal(size=counts.shape)).float()
    guess = torch.from_numpy(generator.normal(3, 1, (40, 1))).float()
    targets = {"counts": torch.from_numpy(counts), "is_peak": torch.from_numpy(peak)}
    batch = Batch(torch.zeros(40, 4, dtype=torch.uint8), targets=targets)
    # The most reads of a peak, of which there is one, and more than any has: then all are used.
    most = int(counts[peak].sum(axis=(1, 2)).max())
    for least, n in ((0, 29), (62, None), (most, 1), (most + 1, 29)):
        metric = profile_objective(1.0, least).metric
        judged = judge(metric, [metric.read([logits, guess], batch)], seed=0)
        total = counts.sum(axis=(1, 2))
        use = peak & (total >= max(least, 1))
        use = use if use.any() else peak & (total > 0)
        assert 0 < use.sum() < 30 and n in (None, use.sum())
        guesses = torch.softmax(logits.flatten(1), 1).numpy().reshape(counts.shape)
        profile = np.median(metrics.profile_pearson(guesses[use], counts[use]))
        r = metrics.pearson(guess[peak, 0], np.log1p(total[peak]))
        assert judged.value == pytest.approx((profile + r) / 2, abs=1e-6)


def test_interval_of_r_is_fishers():
    """Fisher's z has the standard error 1 / sqrt(n − 3) for a bivariate normal."""
    generator = np.random.default_rng(5)
    x = generator.normal(size=(900, 1))
    y = x + generator.normal(size=(900, 1))
    metric = scalar_objective("regression").metric
    judged = judge(metric, [metric.read(*table(x, y))], seed=1)
    z, error = np.arctanh(judged.value), 1.96 / np.sqrt(897)
    width = np.tanh(z + error) - np.tanh(z - error)
    # 200 draws estimate each quantile within a tenth of the width or so.
    assert judged.high - judged.low == pytest.approx(width, rel=0.2)
    # The 2.5 % and 97.5 % points leave 5 of 200 draws on each side.
    assert (judged.draws < judged.low).sum() == (judged.draws > judged.high).sum() == 5


def test_a_draw_without_a_targets_positives_is_the_mean_of_the_others():
    generator = np.random.default_rng(6)
    scores = generator.normal(size=(40, 2)).astype(np.float32)
    labels = (generator.random((40, 2)) < 0.4) * 1.0
    labels[:, 1] = np.arange(40) == 7
    metric = scalar_objective("multilabel").metric
    judged = judge(metric, [metric.read(*table(scores, labels))], seed=3)
    expected = []
    for times in np.concatenate(list(resampled(40, DRAWS, 3))).astype(int):
        rows = np.repeat(np.arange(40), times)
        both = [metrics.auprc(scores[rows, t], labels[rows, t]) for t in range(2)]
        expected.append(np.nanmean(both))
    lacking = np.concatenate(list(resampled(40, DRAWS, 3)))[:, 7] == 0
    assert 40 < lacking.sum() < 120  # 1 / e of 200
    moved = np.array(expected) - np.mean(expected) + judged.value
    np.testing.assert_allclose(judged.draws, moved, atol=1e-9)


# ---- which epoch is kept --------------------------------------------------------------------


def epochs(*values, noise=0.01, own=0.0):
    """Draws of epochs that share their noise, as the same resampled examples do."""
    generator = np.random.default_rng(0)
    shared = generator.normal(0, noise, DRAWS)
    return values, [v + shared + generator.normal(0, own, DRAWS) for v in values]


def test_a_better_epoch_is_kept_although_its_loss_is_worse():
    """What a loss at another base rate threw away: the metric rises while the loss does."""
    values, draws = epochs(0.3, 0.4, 0.5, 0.55)
    assert choose(values, draws, [0.156, 0.16, 0.19, 0.22]).kept == 4


def test_shared_noise_hides_no_difference():
    """Each interval is ten times as wide as the difference, which holds in every draw."""
    values, draws = epochs(0.50, 0.52, noise=0.1)
    assert choose(values, draws, [1.0, 2.0]).kept == 2


def test_among_epochs_that_differ_by_noise_the_lowest_loss_is_kept():
    values, draws = epochs(0.3, 0.600, 0.605, 0.602, own=0.05)
    assert choose(values, draws, [0.1, 0.3, 0.5, 0.4]) == choose(values, draws, [9, 0.3, 0.5, 0.4])
    choice = choose(values, draws, [0.1, 0.3, 0.5, 0.4])
    assert (choice.kept, choice.highest) == (2, 3)
    assert choose(values, draws, [0.1, 0.5, 0.4, 0.3]).kept == 4


def test_of_equal_epochs_the_lower_loss_is_kept_and_of_equal_losses_the_earlier():
    values, draws = epochs(0.5, 0.5)
    choice = choose(values, draws, [2, 1])
    assert (choice.kept, choice.highest) == (2, 1)
    values, draws = epochs(0.60, 0.61, 0.60, own=0.05)
    assert choose(values, draws, [0.4, 0.3, 0.3]).kept == 2


def test_steps_within_the_noise_do_not_add_up_to_a_worse_epoch():
    """Each epoch is as good as the one before, with a lower loss; the last is not as good as the
    highest."""
    values, draws = epochs(0.60, 0.58, 0.56, 0.54, 0.52, own=0.01)
    kept = choose(values, draws, [5, 4, 3, 2, 1]).kept
    assert kept < 4
    assert np.quantile(np.subtract(draws[0], draws[kept - 1]), 0.025) <= 0


def test_no_epoch_is_nothing():
    assert choose([], [], []).kept == 0
