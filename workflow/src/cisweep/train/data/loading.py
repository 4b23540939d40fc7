"""From a recipe to examples: one function for each kind of data."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from cisweep.bases import LETTERS
from cisweep.errors import TrainingError
from cisweep.steps.train import KmersData, Recipe, TableData
from cisweep.train.data.datasets import TableDataset
from cisweep.train.data.examples import Examples, hashes
from cisweep.train.data.peaks import peak_examples
from cisweep.train.data.signals import signal_examples
from cisweep.train.data.splitting import (
    Split,
    check_leak,
    near_duplicate_groups,
    split,
    touches,
    without_leaks,
)
from cisweep.train.data.tables import (
    SequenceTable,
    TableColumns,
    all_kmers,
    check_labels,
    read_table,
)


def load_examples(recipe: Recipe, fold: int = 0, workspace: Path | None = None) -> Examples:
    """Return the examples of a recipe, split for one fold.

    workspace: folder for memory-mapped arrays of signal; None keeps them in memory.
    """
    validation, test = recipe.split.validation, recipe.split.test
    if recipe.folds:
        validation, test = recipe.folds[fold].validation, recipe.folds[fold].test
    if recipe.data.kind == "peaks":
        return _checked(peak_examples(recipe, validation, test), recipe)
    if recipe.data.kind == "signal":
        return signal_examples(recipe, validation, test, workspace)
    return _checked(_table_examples(recipe, validation, test), recipe)


def _table_examples(recipe: Recipe, validation, test) -> Examples:
    table = _kmers(recipe.data) if recipe.data.kind == "kmers" else _table(recipe)
    parts = _split(recipe, table, validation, test)
    values, offset, scale = table.values, None, None
    if recipe.task == "regression" and getattr(recipe.data, "standardize", True):
        offset = np.nanmean(values[parts.train], axis=0)
        scale = np.nanstd(values[parts.train], axis=0)
        scale = np.where(scale > 0, scale, 1).astype(np.float32)
        values = (values - offset) / scale
    tokens, jitter = table.tokens, recipe.jitter_bp
    if jitter:
        tokens = np.pad(tokens, ((0, 0), (jitter, jitter)), constant_values=4)
    notes = [f"{table.padded} shorter sequences were centred among Ns"] if table.padded else []
    paths = [] if recipe.data.kind == "kmers" else list(recipe.data.paths)
    return Examples(
        TableDataset(tokens, values, recipe.reverse_complement, jitter),
        parts,
        table.classes or table.columns,
        table.names,
        np.full(len(tokens), ""),
        hashes(paths),
        offset=offset,
        scale=scale,
        test_chroms=list(test) if recipe.split.by == "regions" else [],
        notes=notes,
    )


def _kmers(data: KmersData) -> SequenceTable:
    tokens, scores = all_kmers(data.k, data.letters, data.words)
    letters = LETTERS[tokens]
    names = letters.view(f"S{data.k}").ravel().astype(str)
    return SequenceTable(tokens, scores[:, None].astype(np.float32), ["score"], names, {}, [], 0)


def _table(recipe: Recipe) -> SequenceTable:
    data: TableData = recipe.data
    labels = tuple(c for c in (data.group, data.chrom) if c is not None)
    columns = TableColumns(
        data.values, data.sequence, data.name, labels, data.fasta, recipe.task == "multiclass"
    )
    table = read_table(data.paths, columns)
    return separate_conditions(table, data.conditions) if data.conditions else table


def separate_conditions(table: SequenceTable, conditions: dict[str, str]) -> SequenceTable:
    """Return the table with columns of its own for each condition, missing (NaN) in the others.

    conditions: name of a table (its file name up to the first dot) -> name of its condition.
    """
    stem = np.array([Path(path).name.split(".")[0] for path in table.labels["_path"]])
    unnamed = sorted(set(stem) - set(conditions))
    if unnamed:
        raise TrainingError(
            f"no condition is named for {', '.join(unnamed)}", where="data.conditions"
        )
    condition = np.array([conditions[name] for name in stem])
    blocks, columns = [], []
    for name in dict.fromkeys(conditions.values()):
        own = condition == name
        blocks.append(np.where(own[:, None], table.values, np.nan).astype(np.float32))
        columns += [name if len(table.columns) == 1 else f"{name}_{c}" for c in table.columns]
    return replace(table, values=np.concatenate(blocks, axis=1), columns=columns)


def _split(recipe: Recipe, table: SequenceTable, validation, test) -> Split:
    """Return the split of a table's rows; rows that may not be held out train."""
    n, by = len(table.tokens), recipe.split.by
    if by == "regions":
        return _split_chroms(recipe, table, validation, test)
    groups = None
    if by == "group":
        column = getattr(recipe.data, "group", None)
        if column is None:
            raise TrainingError("split.by group needs data.group", where="split.by")
        groups = table.labels[column]
    elif by == "near_duplicates":
        groups = near_duplicate_groups(table.tokens, recipe.split.kmer)
    allowed = np.ones(n, dtype=bool)
    if getattr(recipe.data, "hold_out_from", []):
        allowed = np.isin(table.labels["_path"], [str(p) for p in recipe.data.hold_out_from])
        if groups is not None:
            # A group is held out as a whole, or not at all.
            allowed = ~np.isin(groups, groups[~allowed])
    rows = np.flatnonzero(allowed)
    if not len(rows):
        raise TrainingError("no row may be held out", where="data.hold_out_from")
    made = split(
        len(rows),
        groups=None if groups is None else groups[rows],
        validation=validation,
        test=test,
        random_state=recipe.seed,
    )
    label = np.full(n, "train", dtype="U10")
    label[rows[made.validation]], label[rows[made.test]] = "validation", "test"
    return Split.from_labels(label)


def _split_chroms(recipe: Recipe, table: SequenceTable, validation, test) -> Split:
    column = getattr(recipe.data, "chrom", None)
    if column is None:
        raise TrainingError("split.by regions needs data.chrom for a table", where="split.by")
    chrom = table.labels[column]
    label = np.full(len(chrom), "train", dtype="U10")
    nowhere = np.zeros(len(chrom), np.int64)
    for part, names in (("validation", validation), ("test", test)):
        for name in names:
            label[touches(name, chrom, nowhere, nowhere)] = part
    return Split.from_labels(label)


def _checked(examples: Examples, recipe: Recipe) -> Examples:
    """Return the examples without leaks and with labels that can be learned."""
    check_labels(examples.data.values, examples.split.train, examples.tasks, recipe.task)
    if recipe.data.kind == "kmers":
        return examples
    if recipe.split.by not in ("regions", "near_duplicates"):
        check_leak(examples.data.tokens, examples.split)
        return examples
    parts, pairs = without_leaks(examples.data.tokens, examples.split)
    dropped = [
        {"name": examples.names[row], "reason": "equals_held_out", "detail": examples.names[twin]}
        for row, twin in pairs
    ]
    return replace(examples, split=parts, dropped=examples.dropped + dropped)
