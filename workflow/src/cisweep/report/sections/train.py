"""Training: held-out metrics beside the baselines, losses, filters."""

import pandas as pd
import yaml

from cisweep.config.model import ModelConfig
from cisweep.report.blocks import Block, Column, Heading, Note, Section, Table, number, plural
from cisweep.report.view import View

_MEANINGS = {
    "pearson": "Pearson's r; 1 is best",
    "spearman": "Spearman's ρ; 1 is best",
    "r2": "R² = 1 − error / variance; 1 is best, below 0 worse than the mean",
    "mse": "mean squared error",
    "auroc": "area under the ROC curve; 0.5 is chance",
    "auprc": "average precision; chance is the base rate",
    "base_rate": "share of positives",
    "calibration_error": "mean |predicted − observed| share; 0 is best",
    "accuracy": "share of right classes",
    "jensen_shannon_distance": "distance of profiles; 0 equal, 1 disjoint",
}
_KEYS = ("fold", "task", "subset", "negatives", "scorer")
_COUNTS = ("n", "positives")
_HEADLINE = ("r2", "auroc", "accuracy", "pearson")
ROWS = 60
_NOTE = (
    "All numbers are of rows that the model has not seen (the test part of the split). The scorer "
    "model is the network; the other scorers are baselines or ceilings on the same rows: a matrix, "
    "GC content, the mean profile, or what counting noise alone would allow."
)


def of_run(view: View) -> Section:
    """Return metrics and figures of each trained model."""
    section = Section([Note(_NOTE)])
    for name in view.config.models:
        doubts = _weaknesses(view, name)
        section.blocks += _model(view, name, doubts)
        section.headlines += [f"{name}: {line}." for line in doubts]
        section.headlines += _headline(name, view.table(f"train/{name}/metrics.tsv"))
    if len(view.config.models) > 1:
        section.blocks.append(Heading("Side by side"))
        section.blocks.append(
            view.figure(
                "train/loss.svg",
                "Loss over epochs of all trained models.",
                "Loss over epochs, all models: training and validation.",
            )
        )
    section.blocks += _spot_check(view.table("train/spot_check.tsv"))
    return section


def _weaknesses(view: View, name: str) -> list[str]:
    """Return why results of a trained model deserve doubt, a line each."""
    data = yaml.safe_load((view.folder / "train" / name / "model.yaml").read_text())
    return ModelConfig.model_validate(data).weaknesses()


def _model(view: View, name: str, doubts: list[str]) -> list[Block]:
    folder = f"train/{name}"
    dropped = len(view.table(f"{folder}/dropped.tsv"))
    was = "was" if dropped == 1 else "were"
    left = f" {plural(dropped, 'row')} of the data {was} left out, with reasons in dropped.tsv."
    card = "Data, split and the command to repeat it: card.md." + (left if dropped else "")
    return [
        Heading(f"Model {name}"),
        *[Note(f"Warning: {line}.") for line in doubts],
        _metrics(view.table(f"{folder}/metrics.tsv"), name),
        view.figure(
            f"{folder}/loss.svg",
            f"Loss of {name} over epochs.",
            "Loss over epochs, training and validation, and the metric on the validation rows that "
            "tells which epoch's weights are kept (fit.monitor).",
        ),
        view.figure(
            f"{folder}/parity.svg",
            f"Predicted against observed values of {name} on held-out rows.",
            "Predicted against observed, held-out rows; parity.html names the worst predictions.",
        ),
        view.figure(
            f"{folder}/calibration.svg",
            f"Calibration of {name} on held-out rows.",
            "Calibration: mean observed value against mean prediction in bins of held-out rows; on "
            "the diagonal a prediction means what it says.",
            folded=True,
        ),
        view.figure(
            f"{folder}/labels.svg",
            f"Distribution of the training labels of {name}.",
            "Labels of the training rows.",
            folded=True,
        ),
        view.figure(
            f"{folder}/filters.svg",
            f"Logos of the first-layer filters of {name}.",
            "First-layer filters: logos of the bases under their strongest activations.",
            folded=True,
        ),
        Note(card),
    ]


def _metrics(table: pd.DataFrame, name: str) -> Table:
    wide = wide_metrics(table)
    keys = [c for c in _KEYS if c in wide and wide[c].astype(str).nunique() > 1 or c == "scorer"]
    metrics = [c for c in _MEANINGS if c in wide]
    columns = [Column(c) for c in keys]
    columns += [Column(c, True) for c in _COUNTS if c in wide]
    columns += [Column(_head(c), True, _MEANINGS[c]) for c in metrics]
    rows = [
        [str(r[k]) if k != "negatives" else str(r[k]).replace("_", " ") for k in keys]
        + [f"{int(r[c]):,}" if r[c] == r[c] else "–" for c in _COUNTS if c in wide]
        + [number(r[c]) for c in metrics]
        for _, r in wide.head(ROWS).iterrows()
    ]
    more = f" (the first {ROWS} of {len(wide)} rows; all: metrics.tsv)" if len(wide) > ROWS else ""
    return Table(f"Held-out metrics of {name}{more}", columns, rows)


def _head(metric: str) -> str:
    short = {"r2": "R²", "mse": "MSE", "auroc": "AUROC", "auprc": "AUPRC"}
    short |= {"jensen_shannon_distance": "JS distance"}
    return short.get(metric, metric.replace("_", " "))


def wide_metrics(table: pd.DataFrame) -> pd.DataFrame:
    """Return tidy metrics with one column a metric, rows in order of appearance."""
    keys = [c for c in _KEYS if c in table]
    filled = table.assign(**{c: table[c].fillna("") for c in keys})
    order = filled[keys].drop_duplicates()
    wide = filled.pivot_table(index=keys, columns="metric", values="value", sort=False)
    counts = filled.groupby(keys, sort=False)[[c for c in _COUNTS if c in table]].first()
    return order.merge(counts.join(wide, how="outer").reset_index(), on=keys, how="left")


def _headline(name: str, table: pd.DataFrame) -> list[str]:
    mine = table[table["scorer"] == "model"]
    for metric in _HEADLINE:
        rows = mine[mine["metric"] == metric].drop_duplicates("task")
        if len(rows):
            values = ", ".join(f"{r.task} {number(r.value)}" for r in rows.head(4).itertuples())
            return [f"{name} on held-out rows, {_head(metric)}: {values}."]
    return []


def _spot_check(table: pd.DataFrame) -> list[Block]:
    if not len(table):
        return []
    tasks = [c for c in table if c not in ("model", "sequence")]
    rows = [
        [r["sequence"], r["model"], *(number(r[t], 4) for t in tasks)] for _, r in table.iterrows()
    ]
    columns = [Column("sequence"), Column("model"), *(Column(t, True) for t in tasks)]
    return [Table("Predictions of the sequences that the config names", columns, rows)]


def methods(view: View) -> str:
    """Return what was done, for the page's methods."""
    names = ", ".join(view.config.models) if hasattr(view.config, "models") else ""
    return f"Models were trained by this run{': ' + names if names else ''}; see their cards."
