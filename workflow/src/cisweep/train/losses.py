"""Losses; each returns one scalar tensor, with missing values (NaN) left out."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cisweep.errors import TrainingError
from cisweep.train.data.datasets import Batch
from cisweep.train.monitoring import Metric, profile_metric, scalar_metric

Sums = dict[str, tuple[Tensor, Tensor]]
"""Part of a loss -> (sum of its terms, their number or the sum of their weights)."""


@dataclass(frozen=True)
class Objective:
    """What a training minimises, and what tells how good an epoch is.

    sums: (outputs of the model, batch) -> the parts of the loss, as sums and numbers of terms, so
        that those of several batches add up to exact means.
    weights: part -> its weight in the loss. metric: ranks the epochs.
    """

    sums: Callable[[list[Tensor], Batch], Sums]
    weights: dict[str, float]
    metric: Metric

    def __call__(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return {"loss": scalar tensor, …its parts, if there are several} of a batch."""
        return self.means(self.sums(outputs_of(model, batch), batch))

    def means(self, sums: Sums) -> dict[str, Tensor]:
        """Return the loss and its parts."""
        parts = {name: _ratio(*pair) for name, pair in sums.items()}
        loss = sum(weight * parts[name] for name, weight in self.weights.items())
        return {"loss": loss} | (parts if len(parts) > 1 else {})


def outputs_of(model: nn.Module, batch: Batch) -> list[Tensor]:
    """Return the outputs of a model for a batch, also of one output."""
    found = model(batch.one_hot(), *batch.inputs)
    return [found] if isinstance(found, Tensor) else list(found)


@torch.no_grad()
def check_outputs(model: nn.Module, batch: Batch, task: str, n_tasks: int) -> None:
    """Raise a TrainingError unless the loss of a task takes what a model gives for a batch of N.

    That is (N, n_tasks), which other outputs may follow, or of task profile the logits of the
    observed counts (N, strands, L) and log counts (N, 1).
    """
    training = model.training
    found = [tuple(y.shape) for y in outputs_of(model.eval(), batch)]
    model.train(training)
    wanted: list[tuple[int, ...]] = [(len(batch), n_tasks)]
    if task == "profile":
        wanted = [tuple(batch.targets["counts"].shape), (len(batch), 1)]
        fits = found == wanted
    else:
        fits = found[:1] == wanted
    if not fits:
        given, needed = (" and ".join(map(str, shapes)) or "nothing" for shapes in (found, wanted))
        raise TrainingError(
            f"{type(model).__name__} gives {given} for {len(batch)} examples, and task {task} "
            f"learns {needed}",
            where="module",
            mend="use a module, module_args or a task that fit each other",
        )


def _ratio(total: Tensor, n: Tensor) -> Tensor:
    """Return the mean, 0 of nothing."""
    return total / torch.where(n > 0, n, torch.ones_like(n))


def mse_loss(predicted: Tensor, observed: Tensor) -> Tensor:
    """Return the mean squared error of (N, tasks); NaN in `observed` is left out."""
    return _ratio(*_mse_sums(predicted, observed))


def bce_loss(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the binary cross entropy of (N, tasks) logits; NaN labels are left out.

    weights: (N, tasks) of the terms, for a weighted mean; None: all 1.
    """
    return _ratio(*_bce_sums(logits, labels, weights))


def cross_entropy_loss(logits: Tensor, classes: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the cross entropy of (N, classes) logits and (N, 1) class numbers.

    weights: (N, 1) of the rows, for a weighted mean; None: all 1.
    """
    return _ratio(*_cross_entropy_sums(logits, classes, weights))


def _mse_sums(
    predicted: Tensor, observed: Tensor, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    known = ~torch.isnan(observed)
    error = (predicted - torch.where(known, observed, 0)).square()
    weight = known if weights is None else known * weights
    return (error * weight).sum(), weight.sum()


def _bce_sums(
    logits: Tensor, labels: Tensor, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    known = ~torch.isnan(labels)
    error = F.binary_cross_entropy_with_logits(
        logits, torch.where(known, labels, 0), reduction="none"
    )
    weight = known if weights is None else known * weights
    return (error * weight).sum(), weight.sum()


def _cross_entropy_sums(
    logits: Tensor, classes: Tensor, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    error = F.cross_entropy(logits, classes[:, 0].long(), reduction="none")
    weight = torch.ones_like(error) if weights is None else weights[:, 0]
    return (error * weight).sum(), weight.sum()


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
    sums = _profile_count_sums(profile, log_counts, counts, is_peak)
    profile_loss, count_loss = (_ratio(*pair) for pair in sums.values())
    return profile_loss + weight * count_loss, profile_loss, count_loss


def _profile_count_sums(
    profile: Tensor, log_counts: Tensor, counts: Tensor, is_peak: Tensor
) -> Sums:
    nll = multinomial_nll(profile, counts)
    peaks = is_peak.to(nll.dtype)
    error = (log_counts[:, 0].float() - torch.log1p(counts.sum(dim=(1, 2)))).square()
    return {
        "profile_loss": ((nll * peaks).sum(), peaks.sum()),
        "count_loss": (error.sum(), torch.ones_like(error).sum()),
    }


def scalar_objective(task: str) -> Objective:
    """Return the objective of a task on tables: regression, multilabel or multiclass."""
    losses = {"regression": _mse_sums, "multilabel": _bce_sums, "multiclass": _cross_entropy_sums}
    if task not in losses:
        raise TrainingError(f"no task {task!r}", where="task", mend=f"one of {', '.join(losses)}")
    loss = losses[task]

    def sums(outputs: list[Tensor], batch: Batch) -> Sums:
        targets = batch.targets
        return {"loss": loss(outputs[0].float(), targets["values"], targets.get("weights"))}

    return Objective(sums, {"loss": 1.0}, scalar_metric(task))


def profile_objective(weight: float, min_reads: float = 0) -> Objective:
    """Return the objective of a BPNet: its loss has the parts profile_loss and count_loss.

    weight: λ of the count loss. min_reads: see monitoring.profile_metric.
    """

    def sums(outputs: list[Tensor], batch: Batch) -> Sums:
        profile, log_counts = outputs
        counts, is_peak = batch.targets["counts"], batch.targets["is_peak"]
        return _profile_count_sums(profile, log_counts, counts, is_peak)

    weights = {"profile_loss": 1.0, "count_loss": weight}
    return Objective(sums, weights, profile_metric(min_reads))
