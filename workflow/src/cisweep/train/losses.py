"""Losses; each returns one scalar tensor, with missing values (NaN) left out."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cisweep.errors import TrainingError
from cisweep.train.datasets import Batch


def mse_loss(predicted: Tensor, observed: Tensor) -> Tensor:
    """Return the mean squared error of (N, tasks); NaN in `observed` is left out."""
    known = ~torch.isnan(observed)
    error = (predicted - torch.where(known, observed, 0)).square()
    return (error * known).sum() / known.sum().clamp(min=1)


def bce_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the binary cross entropy of (N, tasks) logits; NaN labels are left out."""
    known = ~torch.isnan(labels)
    error = F.binary_cross_entropy_with_logits(
        logits, torch.where(known, labels, 0), reduction="none"
    )
    return (error * known).sum() / known.sum().clamp(min=1)


def cross_entropy_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """Return the cross entropy of (N, classes) logits and (N, 1) class numbers."""
    return F.cross_entropy(logits, classes[:, 0].long())


def multinomial_nll(logits: Tensor, counts: Tensor) -> Tensor:
    """Return the multinomial negative log-likelihood of each window (N,), in nats.

    One softmax runs over both strands and all positions (bpnet-lite 1.1.0, MNLLLoss on the
    flattened profile), so the split of reads between strands is learned too.

    Parameters
    ----------
    logits, counts: (N, strands, L) float.
    """
    logits, counts = logits.flatten(1), counts.flatten(1)
    log_probability = F.log_softmax(logits.float(), dim=1)
    total = torch.lgamma(counts.sum(dim=1) + 1)
    # Most bins hold 0 or 1, whose lgamma(x + 1) is 0; the rest is what this sum costs.
    ways = total - torch.lgamma(counts + 1).sum(dim=1)
    return -ways - (counts * log_probability).sum(dim=1)


def profile_count_loss(
    profile: Tensor, log_counts: Tensor, counts: Tensor, is_peak: Tensor, weight: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return total, profile and count loss of a BPNet: NLL on peaks + `weight` × MSE on all.

    Parameters
    ----------
    profile: (N, strands, L) logits. log_counts: (N, 1) predicted log1p of the summed counts.
    counts: (N, strands, L) observed. is_peak: (N,) bool; negatives train the counts only.
    weight: λ; bpnet-lite's command line takes the mean count of the peaks.
    """
    nll = multinomial_nll(profile, counts)
    peaks = is_peak.to(nll.dtype)
    profile_loss = (nll * peaks).sum() / peaks.sum().clamp(min=1)
    observed = torch.log1p(counts.sum(dim=(1, 2)))
    count_loss = F.mse_loss(log_counts[:, 0].float(), observed)
    return profile_loss + weight * count_loss, profile_loss, count_loss


def scalar_objective(task: str) -> Callable[[nn.Module, Batch], dict[str, Tensor]]:
    """Return the objective of a task on tables: regression, multilabel or multiclass.

    The objective maps (model, batch) to {"loss": scalar tensor}.
    """
    losses = {"regression": mse_loss, "multilabel": bce_loss, "multiclass": cross_entropy_loss}
    if task not in losses:
        raise TrainingError(f"no task {task!r}", where="task", mend=f"one of {', '.join(losses)}")
    loss = losses[task]

    def objective(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        predicted = model(batch.one_hot(), *batch.inputs).float()
        return {"loss": loss(predicted, batch.targets["values"])}

    return objective


def profile_objective(weight: float) -> Callable[[nn.Module, Batch], dict[str, Tensor]]:
    """Return the objective of a BPNet: {"loss", "profile_loss", "count_loss"} of a batch."""

    def objective(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        profile, log_counts = model(batch.one_hot(), *batch.inputs)
        counts, is_peak = batch.targets["counts"], batch.targets["is_peak"]
        parts = profile_count_loss(profile, log_counts, counts, is_peak, weight)
        return dict(zip(("loss", "profile_loss", "count_loss"), parts))

    return objective
