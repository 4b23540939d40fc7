"""Held-out metrics of a trained model beside its baselines, as tidy rows."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from cisweep.engine.convolution.training import fast_training
from cisweep.genome.motifs import Motif
from cisweep.train.data.datasets import Batch, SignalDataset, TableDataset, flip_tracks
from cisweep.train.judging import metrics
from cisweep.train.judging.baselines import best_matrix_score, mean_profile
from cisweep.train.losses import outputs_of

Row = dict[str, object]


@dataclass(frozen=True)
class Predicting:
    """How to predict: batch_size; device; both_strands: average with the reverse complement."""

    batch_size: int = 256
    device: str = "cpu"
    both_strands: bool = False


DEFAULT_PREDICTING = Predicting()


@torch.no_grad()
def predict_dataset(
    model: nn.Module,
    data: TableDataset | SignalDataset,
    how: Predicting = DEFAULT_PREDICTING,
) -> list[np.ndarray]:
    """Return the model's outputs for every row of a data set, not augmented, as float32 arrays.

    Averages over strands are taken of the raw outputs (logits, log counts); the tracks of a
    reverse-complemented profile are swapped and reversed first.
    """
    model.eval()
    device = torch.device(how.device)
    blocks: list[list[Tensor]] = []
    for begin in range(0, len(data), how.batch_size):
        rows = np.arange(begin, min(begin + how.batch_size, len(data)))
        batch = data.batch(rows).to(device)
        with fast_training():
            outputs = outputs_of(model, batch)
            if how.both_strands:
                outputs = [(a + b) / 2 for a, b in zip(outputs, _other_strand(model, batch, data))]
        blocks.append([o.float().cpu() for o in outputs])
    return [torch.cat(parts).numpy() for parts in zip(*blocks)]


def _other_strand(
    model: nn.Module, batch: Batch, data: TableDataset | SignalDataset
) -> list[Tensor]:
    one_hot = batch.one_hot().flip(1, 2)
    if isinstance(data, TableDataset):
        found = model(one_hot)
        return [found] if isinstance(found, Tensor) else list(found)
    controls = [_flip(c, data.control_swap) for c in batch.inputs]
    profile, counts = model(one_hot, *controls)
    return [_flip(profile, data.strand_swap), counts]


def _flip(tracks: Tensor, swap) -> Tensor:
    flipped = flip_tracks(tracks.cpu().numpy(), swap)
    return torch.from_numpy(np.ascontiguousarray(flipped)).to(tracks.device)


def evaluate(
    model: nn.Module,
    data: TableDataset | SignalDataset,
    task: str,
    tasks: list[str],
    how: Predicting = DEFAULT_PREDICTING,
) -> list[Row]:
    """Return metrics of `model` on held-out `data`: rows with task, scorer, metric and value.

    task: regression, multilabel, multiclass or profile; tasks: names of the value columns. For
    baselines that need training data see `profile_rows` and `detection_rows`.
    """
    outputs = predict_dataset(model, data, how)
    if task == "profile":
        return profile_rows(outputs, data, None, 0)
    if task == "regression":
        return regression_rows(outputs[0], data.values, tasks, "model")
    if task == "multiclass":
        return multiclass_rows(outputs[0], data.values[:, 0].astype(int), tasks)
    return multilabel_rows(outputs[0], data.values, tasks)


def _row(task: str, scorer: str, metric: str, value: float, n: int, **more: object) -> Row:
    return {"task": task, "scorer": scorer, "metric": metric, "value": float(value), "n": n} | more


def regression_rows(
    predicted: np.ndarray, observed: np.ndarray, tasks: list[str], scorer: str
) -> list[Row]:
    """Return Pearson, Spearman, R² and MSE of each task; predicted, observed: (N, T)."""
    rows = []
    for t, task in enumerate(tasks):
        known = ~np.isnan(observed[:, t])
        p, o = predicted[known, t], observed[known, t]
        for name in ("pearson", "spearman", "r2", "mse"):
            rows.append(_row(task, scorer, name, getattr(metrics, name)(p, o), len(o)))
    return rows


def multilabel_rows(logits: np.ndarray, labels: np.ndarray, tasks: list[str]) -> list[Row]:
    """Return AUROC, AUPRC, base rate and calibration error of each task; (N, T) each."""
    rows = []
    for t, task in enumerate(tasks):
        known = ~np.isnan(labels[:, t])
        s, y = logits[known, t], labels[known, t]
        probability = 1 / (1 + np.exp(-s.astype(np.float64)))
        values = {
            "auroc": metrics.auroc(s, y),
            "auprc": metrics.auprc(s, y),
            "base_rate": y.mean(),
            "calibration_error": metrics.calibration_error(probability, y),
        }
        rows += [_row(task, "model", name, value, len(y)) for name, value in values.items()]
    return rows


def multiclass_rows(logits: np.ndarray, classes: np.ndarray, tasks: list[str]) -> list[Row]:
    """Return the accuracy, and AUROC and AUPRC of each class against the rest.

    logits: (N, classes). classes: (N,) int. The accuracy of always naming the commonest class
    stands beside it as scorer `commonest`.
    """
    n = len(classes)
    rows = [
        _row("all", "model", "accuracy", (logits.argmax(axis=1) == classes).mean(), n),
        _row("all", "commonest", "accuracy", np.bincount(classes).max() / n, n),
    ]
    margin = logits - np.logaddexp.reduce(logits.astype(np.float64), axis=1)[:, None]
    for c, task in enumerate(tasks):
        rows.append(_row(task, "model", "auroc", metrics.auroc(margin[:, c], classes == c), n))
        rows.append(_row(task, "model", "auprc", metrics.auprc(margin[:, c], classes == c), n))
        rows.append(_row(task, "model", "base_rate", (classes == c).mean(), n))
    return rows


@dataclass(frozen=True)
class Detection:
    """Held-out peaks and negatives of a multi-label task.

    tokens: (N, L) uint8. labels: (N, T). origin: (N,) positive, uniform, gc_matched, shuffled.
    matrices: task -> the matrix whose best score is a baseline.
    """

    tokens: np.ndarray
    labels: np.ndarray
    origin: np.ndarray
    tasks: list[str]
    matrices: dict[str, Motif]


def detection_rows(
    logits: np.ndarray, held: Detection, *, draws: int = 200, random_state: int = 0
) -> list[Row]:
    """Return AUROC with a 95 % interval, and AUPRC, for each task and kind of negatives.

    Scorers are the model, GC content alone and the best matrix score alone. A task's positives
    are all rows with its label; the peaks of other factors are neither positives nor negatives.
    """
    rows = []
    gc = metrics.gc_content(held.tokens)
    for t, task in enumerate(held.tasks):
        scorers = {"model": logits[:, t], "gc_content": gc}
        if task in held.matrices:
            motif = held.matrices[task]
            scorers[f"matrix {motif.label}"] = best_matrix_score(held.tokens, motif)
        for kind in [k for k in ("uniform", "gc_matched", "shuffled") if (held.origin == k).any()]:
            use = (held.labels[:, t] == 1) | (held.origin == kind)
            y = held.labels[use, t]
            for scorer, scores in scorers.items():
                low, high = metrics.bootstrap_interval(
                    metrics.auroc, scores[use], y, draws=draws, random_state=random_state
                )
                more = {"negatives": kind, "positives": int(y.sum()), "base_rate": y.mean()}
                auroc, auprc = metrics.auroc(scores[use], y), metrics.auprc(scores[use], y)
                interval = {"low": low, "high": high}
                rows.append(_row(task, scorer, "auroc", auroc, len(y), **more, **interval))
                rows.append(_row(task, scorer, "auprc", auprc, len(y), **more))
    return rows


def profile_rows(
    outputs: list[np.ndarray],
    data: SignalDataset,
    train: SignalDataset | None,
    min_reads: float,
    random_state: int = 0,
) -> list[Row]:
    """Return profile and count metrics of a BPNet beside its baselines and ceilings.

    Profile Pearson r and Jensen-Shannon distance are medians over peaks with at least
    `min_reads` reads: of the model, of the mean training profile, of the other windows' profiles
    dealt out at random, and of a Poisson redraw of the data (the ceiling). Count r is over log1p
    of the counts, on peaks alone and with negatives; with several tracks also of the counts of
    each track, over all tracks at once (the predicted total, shared out by the profile).
    """
    counts = data.batch(np.arange(len(data))).targets["counts"].numpy()
    peak = np.asarray(data.is_peak[data.rows])
    use = peak & (counts.sum(axis=(1, 2)) >= max(min_reads, 1))
    observed, n = counts[use], int(use.sum())
    logits = outputs[0][use].reshape(n, -1).astype(np.float64)
    probability = np.exp(logits - np.logaddexp.reduce(logits, axis=1)[:, None])
    generator = np.random.default_rng(random_state)
    guesses = {
        "model": probability.reshape(observed.shape),
        "shuffled": observed[generator.permutation(n)],
        "poisson_ceiling": generator.poisson(observed),
    }
    if train is not None:
        known = train.batch(np.flatnonzero(train.is_peak[train.rows])[:20000])
        mean = mean_profile(known.targets["counts"].numpy())
        guesses["mean_profile"] = np.broadcast_to(mean, observed.shape)
    rows = []
    for name, guess in guesses.items():
        r, d = (
            metrics.profile_pearson(guess, observed),
            metrics.jensen_shannon_distance(guess, observed),
        )
        rows.append(_row("profile", name, "pearson", np.nanmedian(r), n))
        rows.append(_row("profile", name, "jensen_shannon_distance", np.nanmedian(d), n))
    rows += _count_rows(outputs[1][:, 0], counts.sum(axis=(1, 2)), peak, random_state)
    if counts.shape[1] > 1:
        rows += _track_count_rows(outputs, counts, peak, random_state)
    return rows


def _track_count_rows(
    outputs: list[np.ndarray], counts: np.ndarray, peak: np.ndarray, random_state: int
) -> list[Row]:
    logits = outputs[0][peak].astype(np.float64)
    logits -= logits.max(axis=(1, 2), keepdims=True)
    weight = np.exp(logits).sum(axis=2)
    share = weight / weight.sum(axis=1, keepdims=True)
    total = np.expm1(outputs[1][peak, 0].astype(np.float64)).clip(min=0)
    predicted, own = np.log1p(total[:, None] * share).ravel(), counts[peak].sum(axis=2).ravel()
    more, n = {"subset": "peaks, each track"}, len(own)
    rows = [
        _row("counts", "model", name, getattr(metrics, name)(predicted, np.log1p(own)), n, **more)
        for name in ("pearson", "spearman", "mse")
    ]
    ceiling = metrics.poisson_count_ceiling(own, random_state=random_state)
    return [*rows, _row("counts", "poisson_ceiling", "pearson", ceiling, n, **more)]


def _count_rows(
    predicted: np.ndarray, total: np.ndarray, peak: np.ndarray, random_state: int
) -> list[Row]:
    rows = []
    for subset, use in (("peaks", peak), ("with negatives", np.ones_like(peak))):
        if subset == "with negatives" and peak.all():
            continue
        observed = np.log1p(total[use])
        for name in ("pearson", "spearman", "mse"):
            value = getattr(metrics, name)(predicted[use], observed)
            rows.append(_row("counts", "model", name, value, len(observed), subset=subset))
        ceiling = metrics.poisson_count_ceiling(total[use], random_state=random_state)
        rows.append(
            _row("counts", "poisson_ceiling", "pearson", ceiling, len(observed), subset=subset)
        )
    return rows
