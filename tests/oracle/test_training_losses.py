"""Losses against torch.distributions, torch's own losses and loops."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from cisweep.errors import TrainingError
from cisweep.train import losses
from cisweep.train.data.datasets import Batch


def test_multinomial_nll_is_the_multinomial_distribution_over_both_strands():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 2, 40, generator=generator, dtype=torch.float64)
    counts = torch.randint(0, 5, (6, 2, 40), generator=generator).double()
    found = losses.multinomial_nll(logits, counts)
    for i in range(6):
        law = torch.distributions.Multinomial(
            int(counts[i].sum()), logits=logits[i].flatten(), validate_args=False
        )
        expected = -law.log_prob(counts[i].flatten())
        # log_softmax runs in float32, as it does in training.
        torch.testing.assert_close(found[i], expected, rtol=1e-5, atol=1e-4)


def test_profile_loss_leaves_negatives_out_and_counts_take_all():
    generator = torch.Generator().manual_seed(1)
    profile = torch.randn(4, 2, 10, generator=generator)
    counts = torch.randint(0, 4, (4, 2, 10), generator=generator).float()
    log_counts = torch.randn(4, 1, generator=generator)
    peak = torch.tensor([True, False, True, False])
    total, nll, mse = losses.profile_count_loss(profile, log_counts, counts, peak, 3.0)
    expected = losses.multinomial_nll(profile[peak], counts[peak]).mean()
    torch.testing.assert_close(nll, expected)
    errors = [(float(log_counts[i]) - np.log1p(float(counts[i].sum()))) ** 2 for i in range(4)]
    assert float(mse) == pytest.approx(np.mean(errors), rel=1e-5)
    torch.testing.assert_close(total, nll + 3 * mse)


def test_no_peak_in_a_batch_gives_a_finite_loss_with_gradient():
    profile = torch.zeros(2, 1, 5, requires_grad=True)
    counts = torch.ones(2, 1, 5)
    total, nll, _ = losses.profile_count_loss(
        profile, torch.zeros(2, 1), counts, torch.zeros(2, dtype=torch.bool), 1.0
    )
    total.backward()
    assert float(nll) == 0 and torch.isfinite(profile.grad).all()


def test_missing_labels_do_not_count():
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(5, 3, generator=generator, requires_grad=True)
    labels = torch.randint(0, 2, (5, 3), generator=generator).float()
    labels[1, 2] = labels[4, 0] = float("nan")
    known = ~torch.isnan(labels)
    expected = F.binary_cross_entropy_with_logits(logits[known], labels[known])
    found = losses.bce_loss(logits, labels)
    torch.testing.assert_close(found, expected)
    found.backward()
    assert torch.isfinite(logits.grad).all() and float(logits.grad[1, 2]) == 0
    torch.testing.assert_close(
        losses.mse_loss(logits, labels), F.mse_loss(logits[known], labels[known])
    )


def test_cross_entropy_reads_class_numbers_from_one_column():
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(3))
    classes = torch.tensor([[0.0], [2], [1], [1]])
    expected = F.cross_entropy(logits, torch.tensor([0, 2, 1, 1]))
    torch.testing.assert_close(losses.cross_entropy_loss(logits, classes), expected)


def test_weighted_losses_are_weighted_means_over_known_labels():
    generator = torch.Generator().manual_seed(4)
    outputs = torch.randn(5, 3, generator=generator)
    weights = torch.rand(5, 3, generator=generator)
    labels = torch.randint(0, 2, (5, 3), generator=generator).float()
    labels[1, 2] = labels[4, 0] = float("nan")
    known = ~torch.isnan(labels)
    y, f, w = labels[known], outputs[known], weights[known]
    classes = torch.tensor([[0.0], [2], [1], [1], [2]])
    log_p = torch.log_softmax(outputs, 1)[torch.arange(5), classes[:, 0].long()]
    by_hand = {
        "regression": (w * (f - y) ** 2).sum() / w.sum(),
        "multilabel": (w * (torch.log1p(f.exp()) - y * f)).sum() / w.sum(),
        "multiclass": -(weights[:, 0] * log_p).sum() / weights[:, 0].sum(),
    }
    for task, expected in by_hand.items():
        targets = {"values": labels, "weights": weights}
        if task == "multiclass":
            targets = {"values": classes, "weights": weights[:, :1]}
        batch = Batch(torch.zeros(5, 4), targets=targets)
        objective = losses.scalar_objective(task)
        found = objective.means(objective.sums([outputs], batch))
        assert list(found) == ["loss"]
        torch.testing.assert_close(found["loss"], expected)
    torch.testing.assert_close(losses.bce_loss(outputs, labels, weights), by_hand["multilabel"])
    torch.testing.assert_close(
        losses.cross_entropy_loss(outputs, classes, weights[:, :1]), by_hand["multiclass"]
    )


def test_the_objective_of_profiles_is_their_loss():
    generator = torch.Generator().manual_seed(5)
    profile, log_counts = torch.randn(4, 2, 10, generator=generator), torch.randn(4, 1)
    counts = torch.randint(0, 4, (4, 2, 10), generator=generator).float()
    peak = torch.tensor([True, False, True, True])
    objective = losses.profile_objective(3.0)
    batch = Batch(torch.zeros(4, 4), targets={"counts": counts, "is_peak": peak})
    found = objective.means(objective.sums([profile, log_counts], batch))
    expected = losses.profile_count_loss(profile, log_counts, counts, peak, 3.0)
    for name, value in zip(("loss", "profile_loss", "count_loss"), expected):
        torch.testing.assert_close(found[name], value)


def test_unknown_task_lists_the_known_ones():
    with pytest.raises(TrainingError, match="no task 'rank'.*regression, multilabel, multiclass"):
        losses.scalar_objective("rank")
