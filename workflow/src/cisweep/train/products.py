"""What a training leaves behind: weights, model.yaml, tables and a model card."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from safetensors.torch import save

from cisweep import __version__
from cisweep.config.model import FoldConfig, InputConfig, ModelConfig, RcConfig, file_sha256
from cisweep.config.targets import TrackConfig
from cisweep.products import Product
from cisweep.products.train import CALIBRATION, DROPPED, HISTORY, METRICS
from cisweep.steps.train import Recipe, n_folds, read_files, with_tracks
from cisweep.train.data.splitting import PARTS
from cisweep.train.judging.quality import default_targets, quality_of
from cisweep.train.recipes import DEFAULT_OPTIONS, RunOptions, TrainedFold, train_fold

WEIGHTS = "fold{fold}.safetensors"
"""Name of the weights of a fold, beside model.yaml."""


def fold_record(trained: TrainedFold) -> dict[str, Any]:
    """Return the evidence of a fold as plain data, for JSON; weights and held-out rows apart."""
    matrices = {k: {"matrix": m.tolist(), "sites": n} for k, (m, n) in trained.matrices.items()}
    return {
        "module_args": trained.module_args,
        "window_bp": trained.window_bp,
        "tasks": trained.tasks,
        "history": trained.history,
        "metrics": trained.rows,
        "calibration": trained.calibration,
        "labels": trained.labels,
        "summary": trained.summary,
        "dropped": trained.dropped,
        "filters": trained.filters,
        "matrices": matrices,
        "spot_check": trained.spot_check,
    }


def model_config(recipe: Recipe, records: list[dict[str, Any]], weights: list[Path]) -> ModelConfig:
    """Return the config with which `load_model` reads the weights of all folds.

    records: of each fold, from `fold_record`. weights: files of the folds in the folder of
    model.yaml; all paths in it are relative to that.
    """
    record = records[0]
    folder = weights[0].parent
    tests = [fold.test for fold in recipe.folds]
    if not tests:
        tests = [recipe.split.test if recipe.split.by == "regions" else []]
    folds = [
        FoldConfig(weights=path.name, test_chroms=[c for c in test if ":" not in c])
        for path, test in zip(weights, tests)
    ]
    profile = recipe.task == "profile"
    recipe = with_tracks(recipe, folder / "tracks")
    stranded = profile and len(recipe.data.signal) == len(recipe.data.strand_swap) > 1
    inputs = []
    if profile and recipe.data.controls:
        paths = [os.path.relpath(path, folder) for path in recipe.data.controls]
        inputs.append(InputConfig(name="controls", kind="bigwig", channels=len(paths), paths=paths))
    held_out = len(folds) > 1 and all(f.test_chroms for f in folds)
    return ModelConfig(
        adapter="state_dict",
        module=recipe.module,
        module_args=record["module_args"],
        window_bp=record["window_bp"],
        inputs=inputs,
        targets=recipe.targets or default_targets(recipe, record["tasks"]),
        tracks=_tracks(recipe, stranded),
        rc=RcConfig(
            average=recipe.reverse_complement,
            task_permutation=list(recipe.data.strand_swap) if stranded else None,
        ),
        folds=folds,
        fold_policy="held_out" if held_out else "mean",
        quality=quality_of(recipe, record["tasks"], records),
    )


def _tracks(recipe: Recipe, stranded: bool) -> list[TrackConfig]:
    """Return the per-base output of a profile model of one signal or of both strands."""
    n = len(recipe.data.signal) if recipe.task == "profile" else 0
    if recipe.targets or not (n == 1 or stranded and n == 2):
        return []
    return [TrackConfig(name="signal", tasks=list(range(n)), counts=["counts"])]


def config_text(config: ModelConfig) -> str:
    """Return a model config as YAML; fields at their defaults are left out."""
    return yaml.safe_dump(config.model_dump(mode="json", exclude_defaults=True), sort_keys=False)


def metrics_table(records: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the metrics of all folds, one row each."""
    return _of_folds(records, "metrics")


def history_table(records: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the history of all folds, one row an epoch."""
    return _of_folds(records, "history")


def _of_folds(records: list[dict[str, Any]], key: str) -> pd.DataFrame:
    frames = [pd.DataFrame(r[key]).assign(fold=i) for i, r in enumerate(records)]
    table = pd.concat(frames, ignore_index=True)
    return table[["fold", *[c for c in table.columns if c != "fold"]]]


def card_text(
    name: str, recipe: Recipe, records: list[dict[str, Any]], command: str, weights: dict[str, str]
) -> str:
    """Return the model card, Markdown: data and their hashes, split, metrics, filters, command.

    weights: name of a weights file -> sha256.
    """
    first = records[0]
    lines = [f"# {name}", ""]
    doubts = weaknesses(recipe, records)
    lines += [*[f"- **Warning:** {line}" for line in doubts], ""] if doubts else []
    lines += [f"Trained by cisweep {__version__}.", "", "## Model", ""]
    lines += [f"- module: `{recipe.module}`, `{json.dumps(first['module_args'])}`"]
    lines += [f"- reads {first['window_bp']} bp; task {recipe.task}: {', '.join(first['tasks'])}"]
    lines += [f"- {file}: sha256 `{sha}`" for file, sha in weights.items()]
    lines += ["", "## Data", ""]
    lines += [f"- {file}: sha256 `{sha}`" for file, sha in first["summary"]["files"].items()]
    lines += [f"- {i}.*.bw: 5' ends of {path.name}" for i, path in enumerate(read_files(recipe))]
    lines += ["- made up by the recipe, no files"] if not first["summary"]["files"] else []
    lines += [f"- {note}" for note in first["summary"]["notes"]]
    lines += ["", "## Split", ""]
    for i, record in enumerate(records):
        sizes = ", ".join(f"{part} {n:,}" for part, n in record["summary"]["rows"].items())
        held = ", ".join(record["summary"]["test_chroms"]) or recipe.split.by
        reasons = pd.Series([d["reason"] for d in record["dropped"]], dtype=str).value_counts()
        gone = ", ".join(f"{r} {n}" for r, n in reasons.items())
        lines.append(f"- fold {i}: {sizes}; held out: {held}; left out: {gone or 'none'}")
        if masked := masked_text(record["summary"]):
            lines.append(f"- fold {i}: {masked}")
    lines += ["", "## Training", ""]
    for i, record in enumerate(records):
        summary = record["summary"]
        lines.append(
            f"- fold {i}: {summary['epochs']} epochs, best {summary['best_epoch']} "
            f"({_monitored(summary)}), {summary['seconds']:.0f} s{_resumed(summary)}, "
            f"seed {recipe.seed}"
        )
    lines += ["", "## Held-out metrics", "", *_metric_lines(metrics_table(records))]
    for title, key in (("First-layer filters", "filters"), ("Spot check", "spot_check")):
        if first[key]:
            lines += ["", f"## {title}", "", *markdown(pd.DataFrame(first[key]))]
    fit_lines = yaml.safe_dump(recipe.model_dump(mode="json", exclude_defaults=True))
    lines += ["", "## Recipe", "", "```yaml", fit_lines.rstrip(), "```"]
    return "\n".join([*lines, "", "## To repeat", "", "```", command, "```", ""])


def weaknesses(recipe: Recipe, records: list[dict[str, Any]]) -> list[str]:
    """Return why results of the trained model deserve doubt, a line each; see quality_of."""
    weights = [Path(WEIGHTS.format(fold=i)) for i in range(len(records))]
    return model_config(recipe, records, weights).weaknesses()


def masked_text(summary: dict[str, Any]) -> str:
    """Return how many labels are masked, by part and task; "" if none is."""
    told = []
    for part in PARTS:
        counts = {task: n[part] for task, n in summary["masked"].items() if n[part]}
        if counts:
            tasks = ", ".join(f"{task} {n}" for task, n in counts.items())
            told.append(f"{part} {sum(counts.values()):,} ({tasks})")
    why = "masked labels, of windows that hold a peak of the task beside their centre: "
    return why + "; ".join(told) if told else ""


def _monitored(summary: dict[str, Any]) -> str:
    """Return what marked the best epoch: `validation_auprc 0.52, 0.48–0.55`."""
    monitor, best = summary["monitor"], summary["best_epoch"]
    text = f"{monitor['name']} {monitor['value']:.4g}"
    if "low" in monitor:
        text += f", {monitor['low']:.4g}–{monitor['high']:.4g}"
    if summary["highest_epoch"] == best:
        return text
    return f"{text}; highest in epoch {summary['highest_epoch']}, by no more than noise"


def _resumed(summary: dict[str, Any]) -> str:
    """Return what the seconds are of, where a training was interrupted."""
    last = summary["resumed_from"]
    return f" for those after epoch {last}, where it was taken up" if last else ""


def _metric_lines(table: pd.DataFrame) -> list[str]:
    keys = [c for c in ("fold", "task", "scorer", "subset", "negatives") if c in table]
    extra = [c for c in ("positives", "n", "base_rate") if c in table]
    filled = table.copy()
    filled[keys] = filled[keys].fillna("")
    wide = filled.pivot_table(index=keys, columns="metric", values="value", sort=False)
    counts = filled.groupby(keys, sort=False)[extra].first()
    bounds = filled.dropna(subset=["low"]) if "low" in filled else filled.iloc[:0]
    if len(bounds):
        text = bounds["low"].map("{:.3f}".format) + "–" + bounds["high"].map("{:.3f}".format)
        counts["auroc 95 %"] = text.groupby([bounds[k] for k in keys]).first()
    if "base_rate" in counts and "base_rate" in wide:
        counts["base_rate"] = counts["base_rate"].fillna(wide.pop("base_rate"))
    return markdown(counts.join(wide).reset_index())


def markdown(table: pd.DataFrame) -> list[str]:
    """Return the lines of a Markdown table; floats with four significant digits."""

    def text(value: object) -> str:
        if isinstance(value, float):
            return "" if np.isnan(value) else f"{value:.4g}"
        return str(value)

    lines = ["| " + " | ".join(map(str, table.columns)) + " |", "|" + "---|" * table.shape[1]]
    return lines + [
        "| " + " | ".join(map(text, row)) + " |" for row in table.itertuples(index=False)
    ]


def model_tables(
    name: str,
    recipe: Recipe,
    records: list[dict[str, Any]],
    weights: list[Path],
    command: str,
) -> dict[str, str]:
    """Return the text of each product that is not a figure: product -> text.

    Products are model.yaml, metrics.tsv, calibration.tsv, history.tsv, card.md and dropped.tsv.

    Parameters
    ----------
    records: of each fold, from `fold_record`. weights: its weights file, beside model.yaml.
    """
    config = model_config(recipe, records, weights)
    dropped = [{"fold": i} | row for i, r in enumerate(records) for row in r["dropped"]]
    return {
        "model.yaml": config_text(config),
        "metrics.tsv": _checked(metrics_table(records), METRICS),
        "calibration.tsv": _checked(_of_folds(records, "calibration"), CALIBRATION),
        "history.tsv": _checked(history_table(records), HISTORY),
        "card.md": card_text(
            name, recipe, records, command, {p.name: file_sha256(p) for p in weights}
        ),
        "dropped.tsv": _tsv(pd.DataFrame(dropped, columns=DROPPED.names())),
    }


def _checked(table: pd.DataFrame, product: Product) -> str:
    product.check(table.columns, product.path)
    return _tsv(table)


def _tsv(table: pd.DataFrame) -> str:
    return table.to_csv(sep="\t", index=False, na_rep="NaN", lineterminator="\n")


def write_fold(trained: TrainedFold, weights: Path, heldout: Path, record: Path) -> None:
    """Write the weights, the held-out rows (TSV) and the evidence (JSON) of a fold."""
    # Its own writer makes files that only their owner reads.
    weights.write_bytes(save(trained.state))
    heldout.write_text(_tsv(trained.heldout))
    record.write_text(json.dumps(fold_record(trained), default=float))


def train_model(
    name: str, recipe: Recipe, folder: Path, options: RunOptions = DEFAULT_OPTIONS
) -> list[TrainedFold]:
    """Return the trained folds of a recipe, with all products but figures written to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    trained = [train_fold(recipe, fold, options) for fold in range(n_folds(recipe))]
    weights = [folder / WEIGHTS.format(fold=i) for i in range(len(trained))]
    for i, (fold, path) in enumerate(zip(trained, weights)):
        write_fold(fold, path, folder / f"fold{i}.heldout.tsv", folder / f"fold{i}.json")
    records = [json.loads((folder / f"fold{i}.json").read_text()) for i in range(len(trained))]
    command = f"cisweep.train.train_model({name!r}, recipe, folder)"
    for product, text in model_tables(name, recipe, records, weights, command).items():
        (folder / product).write_text(text)
    return trained
