"""What later steps must know of a trained model: its figures on held-out rows, and its weak sides.

A target is weak where something simpler ranks the held-out rows better, or where its predictions
hardly rank them at all. Figures of several folds are means.
"""

from typing import Any

import numpy as np
import pandas as pd

from cisweep.config.model import QualityConfig, TargetQualityConfig
from cisweep.config.targets import TargetConfig
from cisweep.steps.train import Recipe

NEAR_CHANCE = 0.6
"""An AUROC below it is near 0.5: of five pairs of a positive and a negative less than three stand
in the right order."""
_CEILINGS = ("poisson_ceiling",)
_FIGURES = ("auroc", "pearson", "accuracy")  # the first one that is there stands for a target
_NAMES = {"auroc": "AUROC", "auprc": "AUPRC", "pearson": "Pearson's r", "accuracy": "accuracy"}
_FIRST = ("uniform", "", "peaks")  # the groups of rows whose figures stand for a target


def quality_of(recipe: Recipe, tasks: list[str], records: list[dict[str, Any]]) -> QualityConfig:
    """Return figures and remarks of a trained model, for model.yaml.

    Parameters
    ----------
    records: of each fold, from products.fold_record. tasks: names of the value columns.
    """
    table = _rows(records)
    of_task = {task: _judged(rows) for task, rows in table.groupby("task", sort=False)}
    remarks = epoch_remarks([record["summary"] for record in records])
    if "all" in of_task:
        remarks += of_task["all"].remarks
    targets = {}
    for target in recipe.targets or default_targets(recipe, tasks):
        known = [of_task[t] for t in _tasks_of(target, recipe, tasks) if t in of_task]
        if known:
            said = [remark for each in known for remark in each.remarks]
            targets[target.name] = known[0].model_copy(
                update={"remarks": list(dict.fromkeys(said))}
            )
    return QualityConfig(remarks=remarks, targets=targets)


def epoch_remarks(summaries: list[dict[str, Any]]) -> list[str]:
    """Return what is odd about the epochs whose weights were kept, one line per fold."""
    remarks = []
    for fold, summary in enumerate(summaries):
        best, n = summary["best_epoch"], summary["epochs"]
        where = f"fold {fold}: " if len(summaries) > 1 else ""
        if best == n:
            remarks.append(
                f"{where}the last of {n} epochs was kept; more of them (fit.epochs) may be better"
            )
        elif best <= max(n // 10, 1):
            remarks.append(
                f"{where}epoch {best} of {n} was kept, among the first tenth; what it learned "
                "afterwards did not help on the validation rows"
            )
    return remarks


def default_targets(recipe: Recipe, tasks: list[str]) -> list[TargetConfig]:
    """Return the targets of a model whose recipe names none: one for each task or head."""
    if recipe.task == "profile":
        return [
            TargetConfig(name="counts", head=1, tasks=[0], scale="log1p_counts"),
            TargetConfig(name="profile", head=0, reduce="profile", scale="value"),
        ]
    safe = target_names(tasks)
    # One of several classes has no probability of its own: that takes the other logits too.
    scale = "logit" if recipe.task == "multilabel" else "value"
    return [TargetConfig(name=name, tasks=[i], scale=scale) for i, name in enumerate(safe)]


def target_names(tasks: list[str]) -> list[str]:
    """Return tasks, which may be columns of a table, as names of targets, no two alike."""
    found: dict[str, None] = {}
    for task in tasks:
        printable = (letter if letter.isprintable() else "_" for letter in task)
        stem = name = "".join(printable).strip() or "_"
        number = 1
        while name in found:
            number += 1
            name = f"{stem}_{number}"
        found[name] = None
    return list(found)


def _tasks_of(target: TargetConfig, recipe: Recipe, tasks: list[str]) -> list[str]:
    if recipe.task == "profile":
        return ["counts" if target.head == 1 else "profile"]
    chosen = range(len(tasks)) if target.tasks is None else target.tasks
    return [tasks[i] for i in chosen if i < len(tasks)]


def _rows(records: list[dict[str, Any]]) -> pd.DataFrame:
    """Return metrics with `rows` (which rows they are of), means over folds."""
    table = pd.concat([pd.DataFrame(record["metrics"]) for record in records], ignore_index=True)
    for column in ("negatives", "subset", "low", "high"):
        if column not in table:
            table[column] = "" if column in ("negatives", "subset") else np.nan
    table["rows"] = table["negatives"].fillna("") + table["subset"].fillna("")
    keys = ["task", "metric", "rows", "scorer"]
    how = {"value": "mean", "low": "mean", "high": "mean", "n": "sum"}
    return table.groupby(keys, sort=False, as_index=False).agg(how)


def _judged(rows: pd.DataFrame) -> TargetQualityConfig:
    """Return the figures of one task, and remarks on where they are poor."""
    metric = next((m for m in _FIGURES if (rows["metric"] == m).any()), rows["metric"].iloc[0])
    groups = _groups(rows, metric)
    first = next((name for name in _FIRST if name in groups), next(iter(groups)))
    model, baseline = groups[first]
    remarks = _below(metric, groups)
    if metric == "auroc":
        # A model may rank most pairs right and still put fewer sites first than a matrix does.
        remarks += _below("auprc", _groups(rows, "auprc"))
    remarks += _hardly(metric, groups)
    return TargetQualityConfig(
        metric=metric,
        value=_figure(model["value"]),
        n=int(model["n"]),
        rows=_of_rows(first),
        baseline=None if baseline is None else baseline["scorer"],
        baseline_value=None if baseline is None else _figure(baseline["value"]),
        remarks=remarks,
    )


def _groups(rows: pd.DataFrame, metric: str) -> dict[str, tuple[pd.Series, pd.Series | None]]:
    """Return, for each group of held-out rows, the model and the best baseline by one metric."""
    chosen = rows[rows["metric"] == metric].groupby("rows", sort=False)
    return {name: _compared(group) for name, group in chosen}


def _compared(group: pd.DataFrame) -> tuple[pd.Series, pd.Series | None]:
    """Return the rows of the model and of the best baseline."""
    model = group[group["scorer"] == "model"].iloc[0]
    others = group[~group["scorer"].isin(["model", *_CEILINGS])].dropna(subset=["value"])
    best = others.sort_values("value", ascending=False, kind="stable")
    return model, (best.iloc[0] if len(best) else None)


def _below(metric: str, groups: dict[str, tuple[pd.Series, pd.Series | None]]) -> list[str]:
    """Return a remark on the rows for which a baseline is most ahead of the model."""
    behind = {
        name: (model["value"] - other["value"], model, other)
        for name, (model, other) in groups.items()
        if other is not None and model["value"] < other["value"]
    }
    if not behind:
        return []
    name = min(behind, key=lambda key: behind[key][0])
    _, model, other = behind[name]
    return [
        f"{_NAMES.get(metric, metric)} {model['value']:.3f}{_shown(name)} is below that of "
        f"{other['scorer'].replace('_', ' ')}, {other['value']:.3f}"
    ]


def _hardly(metric: str, groups: dict[str, tuple[pd.Series, pd.Series | None]]) -> list[str]:
    """Return a remark on the rows that the model ranks hardly better than chance does."""
    if metric not in ("auroc", "pearson"):
        return []
    name = min(groups, key=lambda key: np.nan_to_num(groups[key][0]["value"], nan=-np.inf))
    model = groups[name][0]
    value, low = model["value"], model["low"]
    if np.isnan(value):
        return [f"{_NAMES[metric]}{_shown(name)} is undefined: too few rows, or all alike"]
    if metric == "auroc":
        poor, chance = value < NEAR_CHANCE or low <= 0.5, "0.5"
    else:
        # Fisher's z: its standard error is 1 / sqrt(n − 3).
        z = np.arctanh(min(value, 1 - 1e-12)) if value > -1 else -np.inf
        poor, chance = z * np.sqrt(max(model["n"] - 3, 0)) < 1.96, "0"
    return [f"{_NAMES[metric]} {value:.3f}{_shown(name)} is near {chance}"] if poor else []


def _of_rows(name: str) -> str:
    return {"uniform": "uniform windows", "gc_matched": "GC-matched windows"}.get(name, name)


def _shown(name: str) -> str:
    """Return which rows a figure is of, as part of a sentence."""
    if name in ("uniform", "gc_matched"):
        return f" against {_of_rows(name)}"
    if name == "shuffled":
        return " against shuffled peaks"
    return f" of {name}" if name else ""


def _figure(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)
