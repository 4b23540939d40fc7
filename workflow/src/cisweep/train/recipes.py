"""From a recipe to a trained model and the evidence of how good it is."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from cisweep.contracts import digest, seed_of
from cisweep.errors import ModelError, TrainingError, first_line
from cisweep.genome.motifs import load_motifs
from cisweep.models.building import module_class
from cisweep.sequence.tokens import decode_tokens, tokenize
from cisweep.steps.train import Recipe
from cisweep.train.data.datasets import SignalDataset, TableDataset
from cisweep.train.data.examples import Examples
from cisweep.train.data.loading import load_examples
from cisweep.train.data.weighting import at_base_rates
from cisweep.train.fitting import FitConfig, FitResult, fit
from cisweep.train.judging import metrics
from cisweep.train.judging.baselines import KmerRidge
from cisweep.train.judging.calibration import calibration_rows
from cisweep.train.judging.evaluation import (
    DEFAULT_PREDICTING,
    Detection,
    Predicting,
    Row,
    detection_rows,
    evaluate,
    predict_dataset,
    profile_rows,
    regression_rows,
)
from cisweep.train.judging.filters import filter_matrices, first_convolution, match_filters
from cisweep.train.losses import check_outputs, profile_objective, scalar_objective


@dataclass(frozen=True)
class RunOptions:
    """Where and how a training runs; none of it determines the result.

    scratch: folder for the checkpoint and for memory-mapped signal; it must lie outside declared
    outputs, so that a killed run can be taken up. None: no checkpoint, signal in memory.
    """

    device: str = "cpu"
    scratch: Path | None = None
    progress: bool = False


DEFAULT_OPTIONS = RunOptions()


@dataclass
class TrainedFold:
    """One trained set of weights and its evidence.

    state: weights. module_args: complete arguments of the module. history: one row an epoch.
    rows: metrics. heldout: a table of held-out names, observed and predicted values.
    labels: task -> (counts, edges) of the training labels. filters: rows of matched first-layer
    filters; matrices: their matrices. calibration: held-out rows in bins. summary: sizes, seconds,
    best epoch, data hashes.
    """

    state: dict[str, Tensor]
    module_args: dict[str, Any]
    window_bp: int
    tasks: list[str]
    history: list[dict[str, float]]
    rows: list[Row]
    heldout: pd.DataFrame
    labels: dict[str, tuple[list[int], list[float]]]
    summary: dict[str, Any]
    dropped: list[dict[str, str]] = field(default_factory=list)
    filters: list[dict[str, object]] = field(default_factory=list)
    matrices: dict[str, tuple[np.ndarray, int]] = field(default_factory=dict)
    spot_check: list[dict[str, object]] = field(default_factory=list)
    calibration: list[Row] = field(default_factory=list)


def train_fold(recipe: Recipe, fold: int = 0, options: RunOptions = DEFAULT_OPTIONS) -> TrainedFold:
    """Return one fold of a recipe, trained and judged on what it held out.

    The same recipe, fold and machine give the same weights (CPU), also after an interruption.
    """
    examples = load_examples(recipe, fold, _workspace(options, fold))
    model, arguments = make_module(recipe, examples)
    config = fit_config(recipe, options)
    parts = {
        name: examples.data.take(getattr(examples.split, name))
        for name in ("train", "validation", "test")
    }
    check_outputs(model, parts["train"].batch(np.arange(1)), recipe.task, len(examples.tasks))
    weight = _count_weight(recipe, parts["train"])
    validation = parts["validation"]
    if recipe.task == "profile":
        _start_counts(model, parts["train"])
        objective = profile_objective(weight, recipe.data.metrics_min_reads)
    else:
        objective = scalar_objective(recipe.task)
        validation = at_base_rates(validation, parts["train"], recipe.task)
    result = fit(
        model,
        parts["train"],
        validation,
        objective,
        config,
        _checkpoint(options, recipe, fold, examples.files),
    )
    model.to("cpu").eval()
    if examples.scale is not None:
        undo_standardization(model, examples.offset, examples.scale)
    how = Predicting(both_strands=recipe.reverse_complement)
    rows, heldout = _judge(model, recipe, examples, parts, how)
    trained = TrainedFold(
        {k: v.detach().contiguous() for k, v in model.state_dict().items()},
        arguments,
        examples.data.window_bp,
        examples.tasks,
        result.history,
        rows,
        heldout,
        label_histograms(examples, parts["train"]),
        _summary(recipe, examples, result, weight),
        examples.dropped,
    )
    _show_filters(trained, model, recipe, parts["test"])
    trained.calibration = calibration_rows(heldout, recipe.task)
    trained.spot_check = spot_check(model, recipe, examples.tasks, how)
    return trained


def _workspace(options: RunOptions, fold: int) -> Path | None:
    return None if options.scratch is None else options.scratch / f"windows{fold}"


def _checkpoint(
    options: RunOptions, recipe: Recipe, fold: int, files: dict[str, str]
) -> Path | None:
    """Return the checkpoint's path; its name tells recipe and data, so no other one is taken up."""
    if options.scratch is None:
        return None
    key = digest(recipe.key(), fold, sorted(files.items()))
    return options.scratch / f"{key}.checkpoint"


def make_module(recipe: Recipe, examples: Examples) -> tuple[nn.Module, dict[str, Any]]:
    """Return a fresh module and its complete arguments, weights drawn from the recipe's seed.

    What the data decide (length_bp, n_outputs, n_control_tracks, trimming) is filled in where the
    class takes it and the recipe does not say it.
    """
    cls = module_class(recipe.module)
    data = examples.data
    known = {"length_bp": data.window_bp, "n_outputs": len(examples.tasks)}
    if isinstance(data, SignalDataset):
        output_bp = data.signal.shape[2] - 2 * data.jitter_bp
        known = {
            "n_outputs": data.signal.shape[1],
            "n_control_tracks": 0 if data.controls is None else data.controls.shape[1],
            "trimming": (data.window_bp - output_bp) // 2,
        }
    takes = dict(inspect.signature(cls).parameters)
    length = takes.get("length_bp")
    if (
        length is not None
        and length.default is None
        and recipe.module_args.get("pooling") != "flatten"
    ):
        # A length that the class can do without would tie the model to it.
        del takes["length_bp"]
    arguments = {k: v for k, v in known.items() if k in takes} | recipe.module_args
    with torch.random.fork_rng():
        torch.manual_seed(seed_of(recipe.seed, "train", "weights") & (2**63 - 1))
        try:
            return cls(**arguments), arguments
        except Exception as error:
            raise TrainingError(
                f"{recipe.module} cannot be made with {arguments} ({first_line(error)})",
                where="module_args",
                mend="give the arguments that the class takes",
            ) from None


def fit_config(recipe: Recipe, options: RunOptions) -> FitConfig:
    """Return the FitConfig of a recipe."""
    values = recipe.fit.model_dump()
    return FitConfig(**values, seed=recipe.seed, device=options.device, progress=options.progress)


def _count_weight(recipe: Recipe, train: TableDataset | SignalDataset) -> float:
    """Return λ, the weight of the count loss: given, or the mean count of training peaks."""
    if recipe.task != "profile":
        return 0.0
    if recipe.data.count_weight is not None:
        return recipe.data.count_weight
    rows = train.rows[train.is_peak[train.rows]]
    j = train.jitter_bp
    sums = [
        train.signal[rows[b : b + 4096], :, j : train.signal.shape[2] - j].sum()
        for b in range(0, len(rows), 4096)
    ]
    return float(sum(sums) / max(len(rows), 1))


@torch.no_grad()
def _start_counts(model: nn.Module, train: SignalDataset) -> None:
    """Set the constant of a BPNet's count head to the mean log count of the training windows.

    From 0 it would take Adam some thousand steps to get there.
    """
    head = getattr(model, "count_linear", None)
    if isinstance(head, nn.Linear) and head.bias is not None:
        head.bias.fill_(float(np.concatenate(list(_log_counts(train))).mean()))


def _log_counts(train: SignalDataset, block: int = 4096) -> Iterator[np.ndarray]:
    """Yield log1p of the total counts of the training windows, block by block."""
    j = train.jitter_bp
    for begin in range(0, len(train), block):
        rows = train.rows[begin : begin + block]
        yield np.log1p(train.signal[rows, :, j : train.signal.shape[2] - j].sum(axis=(1, 2)))


def undo_standardization(model: nn.Module, offset: np.ndarray, scale: np.ndarray) -> None:
    """Change the last linear layer so that the model predicts in the unit of the data.

    Raises TrainingError if the model does not end in an nn.Linear of one output a task.
    """
    layers = [m for m in model.modules() if isinstance(m, nn.Linear)]
    last = layers[-1] if layers else None
    if last is None or last.out_features != len(scale) or last.bias is None:
        raise TrainingError(
            f"{type(model).__name__} does not end in a Linear with {len(scale)} outputs and bias",
            where="data.standardize",
            mend="set data.standardize to false",
        )
    with torch.no_grad():
        factor = torch.as_tensor(scale, dtype=last.weight.dtype)
        last.weight.mul_(factor[:, None])
        last.bias.mul_(factor).add_(torch.as_tensor(offset, dtype=last.bias.dtype))


def _judge(
    model: nn.Module,
    recipe: Recipe,
    examples: Examples,
    parts: dict[str, Any],
    how: Predicting,
) -> tuple[list[Row], pd.DataFrame]:
    """Return the metrics of the held-out rows, and the rows themselves."""
    test = parts["test"]
    outputs = predict_dataset(model, test, how)
    names = examples.names[examples.split.test]
    if recipe.task == "profile":
        rows = profile_rows(
            outputs, test, parts["train"], recipe.data.metrics_min_reads, recipe.seed
        )
        total = test.batch(np.arange(len(test))).targets["counts"].numpy().sum(axis=(1, 2))
        table = {"counts_observed": np.log1p(total), "counts_predicted": outputs[1][:, 0]}
        return rows, pd.DataFrame({"name": names, "peak": test.is_peak[test.rows], **table})
    values = test.values
    if examples.scale is not None:
        values = values * examples.scale + examples.offset
    columns = {"name": names}
    for t, task in enumerate(examples.tasks):
        shown = (values[:, 0] == t) if recipe.task == "multiclass" else values[:, t]
        columns[f"{task}_observed"] = shown.astype(float)
        columns[f"{task}_predicted"] = outputs[0][:, t]
    heldout = pd.DataFrame(columns)
    if (examples.origin != "").any():
        heldout["origin"] = examples.origin[examples.split.test]
    if recipe.task == "regression":
        return _regression(outputs[0], values, examples, parts), heldout
    rows = evaluate(model, test, recipe.task, examples.tasks, how)
    if recipe.data.kind == "peaks":
        rows += detection_rows(outputs[0], _detection(recipe, examples, test))
    elif recipe.task == "multilabel":
        rows += _gc_rows(test, examples.tasks)
    return rows, heldout


def _regression(
    predicted: np.ndarray, observed: np.ndarray, examples: Examples, parts: dict[str, Any]
) -> list[Row]:
    """Return the model's rows and those of a k-mer ridge fitted on the same training rows."""
    judged = [t for t in range(len(examples.tasks)) if (~np.isnan(observed[:, t])).sum() > 1]
    tasks = [examples.tasks[t] for t in judged]
    rows = regression_rows(predicted[:, judged], observed[:, judged], tasks, "model")
    if parts["test"].tokens.shape[1] < 12:
        return rows
    for t in judged:
        fitted = [_known(parts[name], t) for name in ("train", "validation")]
        guess = KmerRidge().fit(*fitted).predict(parts["test"].tokens)
        scale, offset = 1.0, 0.0
        if examples.scale is not None:
            scale, offset = float(examples.scale[t]), float(examples.offset[t])
        guess = (guess * scale + offset)[:, None]
        rows += regression_rows(guess, observed[:, [t]], [examples.tasks[t]], "kmer_ridge")
    return rows


def _known(data: TableDataset, task: int) -> tuple[np.ndarray, np.ndarray]:
    known = ~np.isnan(data.values[:, task])
    return data.tokens[known], data.values[known, task]


def _gc_rows(test: TableDataset, tasks: list[str]) -> list[Row]:
    gc = metrics.gc_content(test.tokens)
    rows: list[Row] = []
    for t, task in enumerate(tasks):
        known = ~np.isnan(test.values[:, t])
        for name in ("auroc", "auprc"):
            value = getattr(metrics, name)(gc[known], test.values[known, t])
            row = {"task": task, "scorer": "gc_content", "metric": name, "value": value}
            rows.append(row | {"n": int(known.sum())})
    return rows


def _detection(recipe: Recipe, examples: Examples, test: TableDataset) -> Detection:
    matrices = {}
    if recipe.data.matrices is not None:
        known = {m.name: m for m in load_motifs(recipe.data.matrices)}
        known |= {m.alt: m for m in known.values() if m.alt}
        for task, wanted in recipe.data.matrix_of.items():
            if wanted not in known:
                raise TrainingError(
                    f"no matrix {wanted!r}",
                    where=str(recipe.data.matrices),
                    mend="correct data.matrix_of",
                )
            matrices[task] = known[wanted]
    batch = test.batch(np.arange(len(test)))
    origin = examples.origin[examples.split.test]
    return Detection(batch.tokens.numpy(), test.values, origin, examples.tasks, matrices)


def label_histograms(
    examples: Examples, train: TableDataset | SignalDataset, bins: int = 40
) -> dict[str, tuple[list[int], list[float]]]:
    """Return task -> (counts, bin edges) of the training labels, in the unit of the data."""
    if isinstance(train, SignalDataset):
        values = {"log1p_counts": np.concatenate(list(_log_counts(train)))}
    else:
        scaled = train.values
        if examples.scale is not None:
            scaled = scaled * examples.scale + examples.offset
        names = examples.tasks if scaled.shape[1] == len(examples.tasks) else ["class"]
        values = {name: scaled[:, t] for t, name in enumerate(names)}
    found = {}
    for name, column in values.items():
        counts, edges = np.histogram(column[~np.isnan(column)], bins=bins)
        found[name] = (counts.tolist(), edges.tolist())
    return found


def _show_filters(
    trained: TrainedFold, model: nn.Module, recipe: Recipe, test: TableDataset | SignalDataset
) -> None:
    """Fill in the first layer's filters, if the model has a first convolution."""
    try:
        trained.summary["first_convolution"] = first_convolution(model)[0]
    except ModelError:
        return
    tokens = test.batch(np.arange(min(len(test), 5000))).tokens.numpy()
    trained.matrices = filter_matrices(model, tokens)
    if recipe.motifs is not None:
        trained.filters = match_filters(trained.matrices, load_motifs(recipe.motifs), tokens)


@torch.no_grad()
def spot_check(
    model: nn.Module, recipe: Recipe, tasks: list[str], how: Predicting = DEFAULT_PREDICTING
) -> list[dict[str, object]]:
    """Return one row for each sequence of `spot_check` with its prediction of every task."""
    rows = []
    for text in recipe.spot_check:
        data = TableDataset(tokenize([text]), np.zeros((1, len(tasks)), np.float32))
        predicted = predict_dataset(model, data, how)[0][0]
        rows.append(
            {"sequence": decode_tokens(data.tokens[0])} | dict(zip(tasks, map(float, predicted)))
        )
    return rows


def _summary(
    recipe: Recipe, examples: Examples, result: FitResult, weight: float
) -> dict[str, Any]:
    summary = {
        "rows": examples.split.sizes(),
        "epochs": len(result.history),
        "best_epoch": result.best_epoch,
        "highest_epoch": result.highest_epoch,
        "monitor": _monitored(result),
        "seconds": result.seconds,
        "resumed_from": result.resumed_from,
        "files": examples.files,
        "test_chroms": examples.test_chroms,
        "notes": examples.notes,
        "masked": examples.masked,
    }
    if recipe.task == "profile":
        summary["count_weight"] = weight
    return summary


def _monitored(result: FitResult) -> dict[str, Any]:
    """Return what marked the best epoch, with its value there and, of a metric, its interval."""
    row = result.history[result.best_epoch - 1]
    found = {"name": result.monitor, "value": row[result.monitor]}
    keys = [key for key in ("low", "high") if f"{result.monitor}_{key}" in row]
    return found | {key: row[f"{result.monitor}_{key}"] for key in keys}
