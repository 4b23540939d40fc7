"""Tables of sequences that a training reads: header, labels and numbers, before any job."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from cisweep.errors import TrainingError
from cisweep.steps.train import TableData
from cisweep.textfile import open_text

ROWS = 1_000_000
"""Rows of a table whose numbers are looked at before any job; the training looks at all."""
MISSING = ("", "NA", "NaN", "nan")
"""What stands for a missing value."""


def header_of(path: Path) -> list[str]:
    """Return the names of a table's columns."""
    with open_text(path, TrainingError, newline="") as file:
        return next(csv.reader(file, delimiter=_separator(path)), [])


def labels_of(path: Path, column: str) -> set[str]:
    """Return what stands in a column of a table, parsed as the training parses it."""
    found: set[str] = set()
    return found.union(*(part[column].unique() for part in _parts(path, [column])))


def numbers_of(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers (N,) float64 of cells of text, NaN where one is missing or none, and the
    positions of those that are none."""
    text = column.str.strip()
    missing = text.isin(MISSING)
    numbers = pd.to_numeric(text.mask(missing), errors="coerce").to_numpy(float)
    return numbers, np.flatnonzero((np.isnan(numbers) & ~missing.to_numpy()) | np.isinf(numbers))


def check_numbers(place: str, data: TableData, task: str, path: Path) -> None:
    """Raise a TrainingError for the first cell that a task cannot learn, of the columns of values.

    That is text, or a label other than 0 and 1 of task multilabel; the first ROWS rows are looked
    at. place: key of the recipe.
    """
    if not path.is_file() or task == "multiclass" or not {*data.values} <= {*header_of(path)}:
        return  # told by other checks
    first = 2  # the header is row 1
    for part in _parts(path, [*dict.fromkeys(data.values)]):
        for i, column in enumerate(data.values):
            numbers, bad = numbers_of(part[column])
            odd = np.flatnonzero(~np.isnan(numbers) & ~np.isin(numbers, (0, 1)))
            if len(bad):
                what, mend = "not a number", "write a number, or leave the cell empty for none"
            elif len(odd) and task == "multilabel":
                bad, what, mend = odd, "not 0, 1 or empty", "set task: regression, or correct it"
            else:
                continue
            raise TrainingError(
                f"column {column!r} ({place}.data.values.{i}) has {part[column].iloc[bad[0]]!r}, "
                f"which is {what}",
                where=f"{path}, row {first + bad[0]}",
                mend=mend,
            )
        first += len(part)
        if first > ROWS:
            return


def _separator(path: Path) -> str:
    return "," if ".csv" in path.suffixes else "\t"


def _parts(path: Path, columns: list[str]) -> Iterator[pd.DataFrame]:
    """Yield the columns as text, some rows at a time."""
    try:
        with open_text(path, TrainingError) as file:
            yield from pd.read_csv(
                file, sep=_separator(path), chunksize=100_000, usecols=columns, dtype=str,
                keep_default_na=False,
            )  # fmt: skip
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise TrainingError(f"not a table ({error})", where=str(path)) from None
