"""Regions × targets: the predictions of all targets, a row a region and a column a target.

It is read from the merged predictions (outputs/predictions.py), and written as Parquet, TSV or
.h5ad (outputs/h5ad.py), a block of rows at a time.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from cisweep.contracts import Windows, stored_name
from cisweep.outputs.h5 import TABLE_ROWS, TABLE_VERSION, blocks, open_rows, read_windows
from cisweep.outputs.h5ad import write_h5ad
from cisweep.outputs.tables import append_rows, arrow_field, new_parquet, write_tsv
from cisweep.products import Field
from cisweep.products.predict import REGIONS

_CELLS = 1 << 22
"""Numbers of a row group of Parquet, about."""


def target_blocks(path: Path, targets: Sequence[str]) -> Iterator[tuple[Windows, np.ndarray]]:
    """Yield windows and the predictions (N, T) float32 of these targets, in genome order."""
    paths = [f"predictions/{stored_name(target)}" for target in targets]
    with open_rows(path, TABLE_VERSION) as file:
        for rows, values in blocks(file, paths, TABLE_ROWS):
            yield read_windows(file, rows), np.stack([values[p] for p in paths], axis=1)


def column_names(targets: Sequence[str]) -> list[str]:
    """Return the columns of targets: their names, and `target <name>` for one that is called as a
    column of the region, or as a target that has such a column."""
    taken = {field.name for field in REGIONS}
    found = []
    for target in targets:
        name = target
        while name in taken or (name != target and name in targets):
            name = f"target {name}"
        taken.add(name)
        found.append(name)
    return found


def write_region_table(
    path: Path,
    predictions: Path,
    targets: Mapping[str, str],
    about: pd.DataFrame,
    origin: Mapping[str, Any],
) -> None:
    """Write regions × targets in the format of the path's ending: .parquet, .tsv or .h5ad.

    predictions: merged ones; targets: name -> unit; about: one row a target, what is known of each,
    for the .h5ad; origin: what the product says of where it comes from.
    """
    if path.suffix == ".parquet":
        _write_parquet(path, predictions, targets, origin)
    elif path.suffix == ".tsv":
        _write_tsv(path, predictions, targets)
    else:
        parts = partial(target_blocks, predictions, [*targets])
        write_h5ad(path, parts, about.set_index("target"), origin)


def _regions(windows: Windows) -> dict[str, np.ndarray]:
    return {field.name: getattr(windows, field.name) for field in REGIONS}


def _write_parquet(
    path: Path, predictions: Path, targets: Mapping[str, str], origin: Mapping[str, Any]
) -> None:
    names = column_names([*targets])
    units = zip(names, targets, targets.values())
    fields = [Field(n, "float32", f"prediction of {target}", unit) for n, target, unit in units]
    metadata = {key: str(value) for key, value in origin.items()}
    schema = pa.schema([*map(arrow_field, REGIONS), *map(arrow_field, fields)], metadata)
    rows = max(TABLE_ROWS, _CELLS // max(len(names), 1) // TABLE_ROWS * TABLE_ROWS)
    held: list[pa.Table] = []
    with new_parquet(path, schema) as writer:
        for windows, values in target_blocks(predictions, [*targets]):
            columns = [*_regions(windows).values(), *values.T]
            held.append(pa.Table.from_arrays([*map(_array, columns, schema.types)], schema=schema))
            if sum(map(len, held)) >= rows:
                writer.write_table(pa.concat_tables(held), row_group_size=rows)
                held = []
        if held:
            writer.write_table(pa.concat_tables(held), row_group_size=rows)


def _array(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    return pa.array(np.ascontiguousarray(values), type=kind)


def _write_tsv(path: Path, predictions: Path, targets: Mapping[str, str]) -> None:
    names = column_names([*targets])
    write_tsv(pd.DataFrame(columns=[*(field.name for field in REGIONS), *names]), path)
    for windows, values in target_blocks(predictions, [*targets]):
        part = pd.DataFrame(values, columns=names)
        append_rows(pd.concat([pd.DataFrame(_regions(windows)), part], axis=1), path)
