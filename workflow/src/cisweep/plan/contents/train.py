"""What of a training can be known to be wrong before it: headers of tables, names of stretches."""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from cisweep.config.import_paths import check_import
from cisweep.errors import CisweepError, ConfigError, RegionError, stop_at_faults
from cisweep.genome.fasta import Genome
from cisweep.genome.motifs import load_motifs
from cisweep.genome.reads import check_bam, check_fragments
from cisweep.genome.signal import check_signal
from cisweep.plan.contents import Check
from cisweep.plan.contents.training_tables import check_numbers, header_of, labels_of
from cisweep.plan.input_files import check_intervals
from cisweep.plan.plan import Plan
from cisweep.steps.train import (
    PeaksData,
    Recipe,
    SignalData,
    TableData,
    is_reads,
    read_files,
    stretch_of,
)
from cisweep.textfile import open_text


def checks(plan: Plan) -> list[Check]:
    """Return the checks of all files that the recipes name."""
    recipes = plan.step_config("train").models
    found: list[Check] = [partial(check_recipe, name, recipe) for name, recipe in recipes.items()]
    for name, recipe in recipes.items():
        found += _training_checks(recipe.data, f"steps.train.models.{name}.data")
    return found


def check_recipe(name: str, recipe: Recipe) -> None:
    """Raise a CisweepError with all faults of the files that a recipe names.

    Of a table the header is read, the columns of values, and the column that a split names; of a
    genome the index, of matrices all. Told as well: a module that cannot be imported, and values
    without effect. name: the model's id.
    """
    place, data = f"steps.train.models.{name}", recipe.data
    checks: list[Check] = []
    if isinstance(data, TableData):
        checks += [partial(_check_header, place, data, path) for path in data.paths]
        checks.append(partial(_check_labels, place, recipe, data))
        checks += [
            partial(check_numbers, place, data, recipe.task, path)
            for path in dict.fromkeys(data.paths)
        ]
    if isinstance(data, PeaksData | SignalData):
        checks.append(partial(_check_stretches, place, recipe, data))
    if isinstance(data, PeaksData) and data.matrices is not None:
        checks.append(partial(_check_matrices, place, data, data.matrices))
    if ":" in recipe.module:
        checks.append(partial(check_import, recipe.module, f"{place}.module"))
    checks += [partial(_refuse_idle, f"{place}.{key}", why) for key, why in _idle(recipe)]
    if recipe.motifs is not None:
        checks.append(partial(load_motifs, recipe.motifs))
    stop_at_faults(checks)


def _idle(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield (key below the recipe, why) of what is given and has no effect."""
    data = recipe.data
    if isinstance(data, TableData) and data.conditions:
        tables = {path.name.split(".")[0] for path in data.paths}
        for name in data.conditions:
            if name not in tables:
                yield f"data.conditions.{name}", f"the tables are {', '.join(sorted(tables))}"
    if isinstance(data, PeaksData):
        for task in data.matrix_of:
            if data.matrices is None:
                yield f"data.matrix_of.{task}", "data.matrices names no file"
            elif task not in data.peaks:
                yield f"data.matrix_of.{task}", f"the tasks are {', '.join(data.peaks)}"
    if isinstance(data, SignalData):
        if data.reads.model_fields_set and not read_files(recipe):
            yield "data.reads", "data.signal and data.controls are bigWigs"
        if recipe.jitter_bp:
            yield "jitter_bp", "windows of signal are shifted by data.jitter_bp"


def _refuse_idle(key: str, why: str) -> None:
    raise ConfigError(f"has no effect: {why}", where=key, mend="correct it, or leave it out")


def _check_header(place: str, data: TableData, path: Path) -> None:
    if not path.is_file():
        return
    header = header_of(path)
    needed: dict[str, str | None] = {f"data.values.{i}": c for i, c in enumerate(data.values)}
    needed |= {"data.group": data.group, "data.chrom": data.chrom}
    needed |= {"data.sequence": data.sequence} if data.fasta is None else {"data.name": data.name}
    missing = {key: c for key, c in needed.items() if c is not None and c not in header}
    if missing:
        named = ", ".join(f"{column!r} ({place}.{key})" for key, column in missing.items())
        raise ConfigError(
            f"the table has no column {named}",
            where=str(path),
            mend=f"use one of its columns: {', '.join(header[:20]) or 'it has none'}",
        )


def _check_labels(place: str, recipe: Recipe, data: TableData) -> None:
    """Raise a ConfigError for held-out groups that no row has, or chromosomes without any row."""
    by = recipe.split.by
    column = {"group": data.group, "regions": data.chrom}.get(by)
    parts = {f"{place}.{key}": labels for key, labels in _listed_parts(recipe)}
    there = all(path.is_file() and column in header_of(path) for path in data.paths)
    if column is None or not parts or not there:
        return  # no table, or no such column: told by its own check
    found = {path: labels_of(path, column) for path in data.paths}
    known = set().union(*found.values())
    where = "which no row has"
    if by == "group" and data.hold_out_from:
        # As the split has it: a group is held out as a whole, or not at all.
        rest = [labels for path, labels in found.items() if path not in data.hold_out_from]
        known = set().union(*(found[path] for path in data.hold_out_from)).difference(*rest)
        where = "which no row has that may be held out (data.hold_out_from)"
    for key, labels in parts.items():
        unknown = [label for label in labels if label not in known]
        if unknown if by == "group" else len(unknown) == len(labels):
            shown = ", ".join(sorted(known)[:10]) + (", …" if len(known) > 10 else "")
            raise ConfigError(
                f"{', '.join(map(repr, unknown))}, {where} in column {column!r} of "
                f"{', '.join(map(str, data.paths))}",
                where=key,
                mend=f"there are: {shown or 'none'}",
            )


def _listed_parts(recipe: Recipe) -> Iterator[tuple[str, list[str]]]:
    """Yield (key below the recipe, labels) of the parts of a split that are lists."""
    if recipe.folds:
        for i, fold in enumerate(recipe.folds):
            yield from ((f"folds.{i}.{p}", getattr(fold, p)) for p in ("validation", "test"))
        return
    for part in ("validation", "test"):
        labels = getattr(recipe.split, part)
        if isinstance(labels, list):
            yield f"split.{part}", labels


def _check_stretches(place: str, recipe: Recipe, data: PeaksData | SignalData) -> None:
    if not data.genome.is_file():
        return
    known = Genome(data.genome).lengths
    for key, stretch in _stretches(recipe):
        chrom, _, end = stretch_of(stretch)
        if chrom not in known:
            raise ConfigError(
                f"{stretch!r} names chromosome {chrom!r}, which the genome lacks",
                where=f"{place}.{key}",
                mend=f"{data.genome} has {', '.join(list(known)[:8])}",
            )


def _stretches(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield (key below the recipe, stretch) of all stretches of the genome that a recipe names."""
    parts = dict(_listed_parts(recipe)) if recipe.split.by == "regions" else {}
    if recipe.data.kind == "peaks":
        for part in ("train", "validation", "test"):
            parts[f"data.{part}.stretches"] = getattr(recipe.data, part).stretches
    for key, stretches in parts.items():
        # The held-out parts of peaks from FASTA may lie on chromosomes that negatives do not need.
        if key.startswith("data.") or recipe.data.kind == "signal":
            yield from ((f"{key}.{i}", text) for i, text in enumerate(stretches))


def _check_matrices(place: str, data: PeaksData, matrices: Path) -> None:
    if not matrices.is_file():
        return
    known = {name for m in load_motifs(matrices) for name in (m.name, m.alt)}
    for task, wanted in data.matrix_of.items():
        if wanted not in known:
            raise ConfigError(
                f"{matrices} has no matrix {wanted!r}",
                where=f"{place}.data.matrix_of.{task}",
                mend="name one by its identifier or name",
            )


def _training_checks(data: Any, key: str) -> list[Check]:
    """Return the checks of the files of a recipe that hold positions in a genome of its own."""
    fasta = getattr(data, "genome", None)
    if fasta is None or not fasta.is_file():
        return []
    try:
        genome = Genome(fasta)
    except CisweepError as error:
        return [partial(_again, error)]
    peaks = data.peaks if isinstance(data.peaks, dict) else {"": data.peaks}
    found: list[Check] = [
        partial(genome.check, genome.lengths),
        *(
            partial(_check_peaks, path, genome.lengths, f"{key}.peaks.{task}".rstrip("."))
            for task, path in peaks.items()
            if path is not None
        ),
    ]
    tracks = [*getattr(data, "signal", []), *getattr(data, "controls", [])]
    bams = [path for path in tracks if path.suffix == ".bam"]
    found += [partial(check_bam, path, genome.lengths) for path in bams]
    found += [
        partial(check_fragments, path, genome.lengths)
        for path in tracks
        if is_reads(path) and path not in bams
    ]
    if bigwigs := [path for path in tracks if not is_reads(path)]:
        found.append(partial(check_signal, bigwigs, genome.lengths, thoroughly=True))
    return found


def _again(error: CisweepError) -> None:
    raise error


def _check_peaks(path: Path, lengths: Iterable[str], key: str) -> None:
    """As check_intervals; a FASTA, whose headers are positions, is read as it is trained."""
    with open_text(path, RegionError) as handle:
        is_fasta = handle.read(1) == ">"
    if not is_fasta:
        check_intervals(path, lengths, key)
