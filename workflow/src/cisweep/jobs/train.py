"""train: from reads and labels to weights, model.yaml and the evidence of how good they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cisweep.genome.fasta import Genome
from cisweep.genome.reads import EndCounting, count_ends, read_chromosomes
from cisweep.outputs.bigwig import write_counts
from cisweep.outputs.tables import write_product
from cisweep.parts import read_json
from cisweep.plot.training import save_loss, training_figures
from cisweep.products.train import SPOT_CHECK
from cisweep.scope import ModelScope
from cisweep.steps.train import with_tracks

_ROWS = {"plus": slice(0, 1), "minus": slice(1, 2), "both": slice(0, 2)}


def train_track(of: ModelScope, reads: Path, strand: str, track: Path) -> None:
    """Count the 5' ends of a BAM or of fragments into a bigWig.

    strand: "plus", "minus", or "both" of them together.
    """
    data = of.plan.step_config("train").models[of.model].data
    counting = EndCounting(**data.reads.model_dump(exclude={"stranded"}))
    lengths = read_chromosomes(reads, Genome(data.genome).lengths)
    rows = _ROWS[strand]
    blocks = (
        (chrom, start, counts[rows].sum(axis=0))
        for chrom, start, counts in count_ends(reads, lengths, counting)
    )
    write_counts(track, lengths, blocks)


@dataclass(frozen=True)
class FoldProducts:
    """Weights, safetensors; what the fold held out with its predictions, TSV; evidence, JSON."""

    weights: Path
    heldout: Path
    record: Path


def train_fold(
    of: ModelScope, fold: int, scratch: Path, device: str, out: FoldProducts
) -> list[str]:
    """Train one fold of a recipe and judge it on what it held out.

    scratch: folder of the checkpoint, from which a killed training goes on. Returns what is to be
    known against the model, in words.
    """
    from cisweep.train import RunOptions
    from cisweep.train import train_fold as trained_fold
    from cisweep.train.products import fold_record, masked_text, weaknesses, write_fold

    folder = Path(of.plan.results) / "train" / of.model / "tracks"
    recipe = with_tracks(of.plan.step_config("train").models[of.model], folder)
    trained = trained_fold(recipe, fold, RunOptions(device, scratch, progress=True))
    print(trained.summary)
    print(masked_text(trained.summary) or "no label is masked")
    write_fold(trained, out.weights, out.heldout, out.record)
    return weaknesses(recipe, [fold_record(trained)])


@dataclass(frozen=True)
class TrainedFolds:
    """What `train_fold` wrote of all folds of a model, in their order."""

    weights: Sequence[Path]
    heldout: Sequence[Path]
    records: Sequence[Path]


def train(
    of: ModelScope,
    given: TrainedFolds,
    command: str,
    tables: Mapping[str, Path],
    figures: Mapping[str, Path],
) -> list[str]:
    """Write model.yaml, tables, model card and figures of a trained model.

    command: what makes the run again, for the card. tables, figures: name of each product, as
    "model.yaml", and where it is written. Returns what is to be known against the model, in words.
    """
    from cisweep.train.products import model_tables, weaknesses

    recipe = of.plan.step_config("train").models[of.model]
    records = [read_json(path) for path in given.records]
    text = model_tables(of.model, recipe, records, given.weights, command)
    for name, path in tables.items():
        path.write_text(text[name])
    heldout = pd.concat([pd.read_csv(p, sep="\t") for p in given.heldout])
    draw = training_figures(of.model, records, heldout, given.weights[0])
    for name, path in figures.items():
        draw[name](path)
    return weaknesses(recipe, records)


def train_compare(
    models: Sequence[str], records: Sequence[Path], loss: Path, spot_check: Path
) -> None:
    """Overlay the loss curves of all trained models and join their spot checks.

    models: their names; records: evidence of the first fold of each.
    """
    found = dict(zip(models, map(read_json, records)))
    save_loss({name: record["history"] for name, record in found.items()}, loss)
    rows = [{"model": n} | row for n, r in found.items() for row in r["spot_check"]]
    table = pd.DataFrame(rows, columns=None if rows else SPOT_CHECK.names())
    write_product(table, spot_check, SPOT_CHECK)
