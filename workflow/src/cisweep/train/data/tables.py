"""Examples from tables of sequences with values, and from all k-mers with a made-up score."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cisweep.bases import BASES, text_of
from cisweep.errors import SequenceError, TrainingError
from cisweep.genome.fasta import read_sequences
from cisweep.plan.contents.training_tables import numbers_of
from cisweep.sequence.tokens import tokenize
from cisweep.textfile import open_text


@dataclass(frozen=True)
class SequenceTable:
    """Sequences with values: tokens (N, L) uint8, values (N, T) float32 with NaN for missing.

    names: (N,) str. labels: column -> (N,) str of further columns (groups, chromosomes, "path").
    classes: names of the classes of a multi-class task. padded: how many sequences were shorter
    than the longest and were centred among Ns.
    """

    tokens: np.ndarray
    values: np.ndarray
    columns: list[str]
    names: np.ndarray
    labels: dict[str, np.ndarray]
    classes: list[str]
    padded: int


@dataclass(frozen=True)
class TableColumns:
    """Which columns to read; `fasta` holds the sequences if the tables lack them."""

    values: list[str]
    sequence: str = "sequence"
    name: str = "name"
    labels: tuple[str, ...] = ()
    fasta: Path | None = None
    multiclass: bool = False


def all_kmers(
    k: int, letters: Mapping[str, float], words: Mapping[str, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return all k-mers, tokens (4^k, k) uint8, and their scores (4^k,) float64.

    The score is the mean of `letters` over the sequence, plus the value of each word of `words`
    that occurs in it, once however often it occurs.
    """
    codes = np.arange(4**k)
    tokens = ((codes[:, None] >> 2 * np.arange(k - 1, -1, -1)) & 3).astype(np.uint8)
    scores = np.array([letters[base] for base in BASES])[tokens].mean(axis=1)
    for word, value in words.items():
        if not 0 < len(word) <= k:
            raise TrainingError(f"word {word!r} is longer than k = {k}", where="data.words")
        view = np.lib.stride_tricks.sliding_window_view(tokens, len(word), axis=1)
        scores += value * (view == tokenize(word)).all(axis=2).any(axis=1)
    return tokens, scores


def read_table(paths: list[Path], columns: TableColumns) -> SequenceTable:
    """Return the rows of tables (TSV or CSV, plain or gzip) one after the other.

    Raises
    ------
    TrainingError: a missing file or column, a value that is no number (file, row and column are
    named), a letter that is no nucleotide, no rows.
    """
    frames = [_read(path, columns) for path in paths]
    table = pd.concat(frames, ignore_index=True)
    texts = table["_sequence"].tolist()
    tokens, padded = _tokens(texts, table)
    values, classes = _classes(table, columns) if columns.multiclass else (None, [])
    if values is None:
        values = np.stack([_numbers(table, column) for column in columns.values], axis=1)
    labels = {label: table[label].to_numpy(str) for label in (*columns.labels, "_path")}
    name = table[columns.name] if columns.name in table else table["_sequence"]
    return SequenceTable(
        tokens, values, list(columns.values), name.to_numpy(str), labels, classes, padded
    )


def _read(path: Path, columns: TableColumns) -> pd.DataFrame:
    if not path.is_file():
        raise TrainingError("no such file", where=str(path), mend="correct data.paths")
    separator = "," if ".csv" in path.suffixes else "\t"
    try:
        with open_text(path, TrainingError) as file:
            frame = pd.read_csv(file, sep=separator, dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise TrainingError(f"not a table ({error})", where=str(path)) from None
    needed = [*columns.values, *columns.labels]
    needed.append(columns.sequence if columns.fasta is None else columns.name)
    missing = [c for c in needed if c not in frame.columns]
    if missing:
        raise TrainingError(
            f"no column {', '.join(missing)}",
            where=str(path),
            mend=f"the header has {', '.join(map(str, frame.columns))}",
        )
    if frame.empty:
        raise TrainingError("the table has no rows", where=str(path))
    frame["_path"], frame["_row"] = str(path), np.arange(2, len(frame) + 2)
    frame["_sequence"] = _sequences(frame, columns, path)
    return frame


def _sequences(frame: pd.DataFrame, columns: TableColumns, path: Path) -> pd.Series:
    if columns.fasta is None:
        return frame[columns.sequence]
    source, _ = read_sequences(columns.fasta)
    unknown = [n for n in frame[columns.name] if n not in source.lengths]
    if unknown:
        raise TrainingError(
            f"{len(unknown)} rows name sequences that {columns.fasta} lacks, first {unknown[0]!r}",
            where=str(path),
        )

    def text(name: str) -> str:
        return text_of(source.tokens(name, 0, source.lengths[name]))

    return frame[columns.name].map(text)


def _tokens(texts: list[str], table: pd.DataFrame) -> tuple[np.ndarray, int]:
    length = max(map(len, texts))
    if length == 0:
        raise TrainingError("all sequences are empty", where=_where(table, 0))
    padded = sum(len(text) < length for text in texts)
    if padded:
        texts = [text.center(length, "N") for text in texts]
    try:
        return tokenize(texts), padded
    except SequenceError:
        for row, text in enumerate(texts):
            try:
                tokenize(text)
            except SequenceError as error:
                raise TrainingError(
                    f"{error.what} ({error.where})", where=_where(table, row), mend=error.mend
                ) from None
        raise


def _where(table: pd.DataFrame, row: int) -> str:
    return f"{table['_path'][row]}, row {table['_row'][row]}"


def _numbers(table: pd.DataFrame, column: str) -> np.ndarray:
    """Return a column as float32; an empty cell and NA are missing, other text is an error."""
    numbers, bad = numbers_of(table[column])
    if len(bad):
        raise TrainingError(
            f"{len(bad)} values of column {column!r} are not numbers, first "
            f"{table[column][bad[0]]!r}",
            where=_where(table, bad[0]),
            mend="write a number, or leave the cell empty for a missing value",
        )
    return numbers.astype(np.float32)


def _classes(table: pd.DataFrame, columns: TableColumns) -> tuple[np.ndarray, list[str]]:
    if len(columns.values) != 1:
        raise TrainingError(
            f"multiclass needs one column of class names, got {columns.values}", where="data.values"
        )
    names, codes = np.unique(table[columns.values[0]].to_numpy(str), return_inverse=True)
    return codes[:, None].astype(np.float32), names.tolist()


def check_labels(values: np.ndarray, rows: np.ndarray, columns: list[str], task: str) -> None:
    """Raise TrainingError for labels that cannot be learned from the training rows.

    regression: a constant column; multilabel: values other than 0 and 1, or one class only;
    multiclass: one class only.
    """
    for index, column in enumerate(columns if task != "multiclass" else columns[:1]):
        found = np.unique(values[rows, index])
        found = found[~np.isnan(found)]
        where = f"column {column!r}"
        if task == "multilabel" and not np.isin(found, (0, 1)).all():
            odd = found[~np.isin(found, (0, 1))][0]
            raise TrainingError(
                f"a label is {odd:g}; labels are 0, 1 or empty",
                where=where,
                mend="set task: regression",
            )
        if len(found) < 2:
            what = "value" if task == "regression" else "class"
            raise TrainingError(
                f"the training rows have one {what} only ({', '.join(f'{v:g}' for v in found)})",
                where=where,
                mend="split otherwise, or give data that hold more than one",
            )
