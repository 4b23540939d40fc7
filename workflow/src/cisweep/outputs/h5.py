"""HDF5 products: one row per window, in genome order, written and merged block by block.

Layout (schema version 1): `regions/{chrom,start,end,strand,name}`, `tokens` uint8 (N, L) in +
orientation, then one dataset a target. HDF5 chunks of 32 rows, shuffle, gzip 1. Rows are appended
in fixed blocks whatever the size of the parts, so merged files have the same bytes however the
run was chunked.

In a table (schema version 2: predictions) a column of one value a window has HDF5 chunks of
TABLE_ROWS rows, and its texts have the length of the longest, in bytes of UTF-8.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
import pandas as pd

from cisweep import __version__
from cisweep.contracts import SCHEMA_VERSION, Windows, stored_name
from cisweep.errors import ProductError
from cisweep.products import Product

ROWS_OF_CHUNK = 32
ROWS_OF_BLOCK = 1024
TABLE_ROWS = 4096
TABLE_VERSION = 2
"""Schema version of a table."""

_TEXT = h5py.string_dtype()
_REGION_COLUMNS = {
    "chrom": _TEXT,
    "start": np.int64,
    "end": np.int64,
    "strand": _TEXT,
    "name": _TEXT,
}


@dataclass(frozen=True)
class Column:
    """A dataset with one row per window: its path in the file, shape of a row, dtype."""

    path: str
    shape: tuple[int, ...]
    dtype: Any


def region_columns(longest: Windows | None = None) -> list[Column]:
    """Return the columns under regions/; longest: the windows of a table, for the length of its
    texts."""
    return [
        Column(f"regions/{name}", (), dtype if longest is None else _fixed(getattr(longest, name)))
        for name, dtype in _REGION_COLUMNS.items()
    ]


def _fixed(values: np.ndarray) -> Any:
    """Return the dtype that holds numbers, or texts of the length of the longest."""
    if values.dtype.kind != "O":
        return values.dtype
    return h5py.string_dtype("utf-8", max((len(v.encode()) for v in set(values)), default=1) or 1)


def region_rows(windows: Windows) -> dict[str, np.ndarray]:
    """Return the rows of the columns under regions/."""
    return {f"regions/{name}": getattr(windows, name) for name in _REGION_COLUMNS}


class HeldRows:
    """Datasets of one length in an open file, with the rows that wait until a block is full.

    block: rows that are written at once; chunk: rows of an HDF5 chunk, by column.
    """

    def __init__(
        self,
        file: h5py.File,
        columns: Sequence[Column],
        block: int,
        chunk: Callable[[Column], int] = lambda column: ROWS_OF_CHUNK,
    ):
        self.n_held, self.block = 0, block
        self._columns = {c.path: c for c in columns}
        self._held: dict[str, list[np.ndarray]] = {c.path: [] for c in columns}
        # Their handles are kept: to look one up takes longer than to write a block.
        self._datasets = {
            column.path: file.create_dataset(
                column.path,
                shape=(0, *column.shape),
                maxshape=(None, *column.shape),
                dtype=column.dtype,
                chunks=(chunk(column), *column.shape),
                compression="gzip",
                compression_opts=1,
                shuffle=True,
                track_times=False,
            )
            for column in columns
        }

    def append(self, rows: dict[str, np.ndarray]) -> None:
        """Hold rows; every column must be given, all of one length."""
        if set(rows) != set(self._columns):
            raise ProductError(f"rows have columns {sorted(rows)}, not {sorted(self._columns)}")
        lengths = {len(values) for values in rows.values()}
        if len(lengths) != 1:
            raise ProductError(
                f"columns of different lengths: { {k: len(v) for k, v in rows.items()} }"
            )
        for path, values in rows.items():
            self._held[path].append(_stored(np.asarray(values), self._columns[path]))
        self.n_held += lengths.pop()

    def write(self, n: int) -> None:
        """Write the first n of the rows that are held."""
        if n == 0:
            return
        for path, parts in self._held.items():
            values = np.concatenate(parts) if len(parts) > 1 else parts[0]
            dataset, fixed = self._datasets[path], values.dtype.kind == "S"
            for begin in range(0, n, self.block):
                block = values[begin : min(begin + self.block, n)]
                dataset.resize(dataset.shape[0] + len(block), axis=0)
                # Texts of bytes are ASCII to HDF5, which those of the dataset are not.
                dataset[-len(block) :] = block.astype(dataset.dtype) if fixed else block
            # A view would keep all that was written.
            self._held[path] = [values[n:].copy()]
        self.n_held -= n


def write_attrs(file: h5py.File, version: int, attrs: Mapping[str, Any]) -> None:
    """Write the schema version and the attributes of a file; what is no text or number as JSON."""
    file.attrs["schema_version"] = version
    for key, value in attrs.items():
        plain = isinstance(value, str | int | float)
        file.attrs[key] = value if plain else json.dumps(value, sort_keys=True)


class RowWriter:
    """Appends rows to the datasets of one HDF5 file, in fixed blocks.

    product: what declares them; raises ProductError where they differ from it. version: schema
    version of the file's layout.
    """

    def __init__(
        self,
        path: Path,
        columns: Sequence[Column],
        attrs: dict[str, Any],
        product: Product | None = None,
        version: int = SCHEMA_VERSION,
    ):
        if product is not None:
            product.check([c.path for c in columns], str(path))
        self._file = h5py.File(path, "w", libver="v110")
        write_attrs(self._file, version, attrs)
        is_table = version == TABLE_VERSION
        self._rows = HeldRows(
            self._file,
            columns,
            _rows_of_block(columns, version),
            lambda column: TABLE_ROWS if is_table and not column.shape else ROWS_OF_CHUNK,
        )

    def append(self, rows: dict[str, np.ndarray]) -> None:
        """Add rows; every column must be given, all of one length."""
        self._rows.append(rows)
        n, block = self._rows.n_held, self._rows.block
        self._rows.write(n // block * block)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind, error, trace) -> None:
        if kind is None:
            self._rows.write(self._rows.n_held)
        self._file.close()


def _rows_of_block(columns: Sequence[Column], version: int) -> int:
    """Return how many rows are held at once: more where none is wide."""
    is_narrow = version == TABLE_VERSION and not any(column.shape for column in columns)
    return TABLE_ROWS if is_narrow else ROWS_OF_BLOCK


def _stored(values: np.ndarray, column: Column) -> np.ndarray:
    """Return texts as a column of fixed length holds them; anything else as it is."""
    if values.dtype.kind != "O" or column.dtype == _TEXT:
        return values
    code, texts = pd.factorize(values)
    return np.array([text.encode() for text in texts], dtype=f"S{column.dtype.itemsize}")[code]


def open_rows(path: Path, version: int = SCHEMA_VERSION) -> h5py.File:
    """Open an HDF5 product for reading; raises ProductError if it is missing, broken or foreign.

    version: the schema version that its reader knows.
    """
    mend = "delete it and run the workflow again"
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ProductError(
            f"not a readable HDF5 file ({error})", where=str(path), mend=mend
        ) from None
    found = file.attrs.get("schema_version")
    if found != version:
        writer = file.attrs.get("cisweep_version")
        file.close()
        raise ProductError(
            f"schema version {found}"
            + (f", written by cisweep {writer}" if writer else "")
            + f"; this cisweep ({__version__}) reads {version}",
            where=str(path),
            mend=mend,
        )
    return file


def read_windows(file: h5py.File, rows: slice = slice(None)) -> Windows:
    """Return the windows of these rows."""
    return Windows(*(_read(file[f"regions/{name}"], rows) for name in _REGION_COLUMNS))


def windows_of(path: Path) -> Windows:
    """Return all windows of a file."""
    with open_rows(path) as file:
        return read_windows(file)


def _raw(dataset: h5py.Dataset, rows: slice) -> np.ndarray:
    """Return rows of a dataset; texts of fixed length stay bytes."""
    return dataset.asstr()[rows] if dataset.dtype.kind == "O" else dataset[rows]


def _read(dataset: h5py.Dataset, rows: slice) -> np.ndarray:
    """Return rows of a dataset, texts as str objects, equal ones of a table as one object."""
    values = _raw(dataset, rows)
    if values.dtype.kind != "S":
        return values
    found, code = np.unique(values, return_inverse=True)
    return np.array([text.decode() for text in found.tolist()], dtype=object)[code]


def n_rows(file: h5py.File) -> int:
    """Return the number of windows."""
    return file["regions/start"].shape[0]


def datasets(file: h5py.File) -> list[Column]:
    """Return the columns of a file, in a fixed order."""
    found: list[Column] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            dtype = _TEXT if item.dtype.kind == "O" else item.dtype
            found.append(Column(name, item.shape[1:], dtype))

    file.visititems(visit)
    return sorted(found, key=lambda c: c.path)


def blocks(
    file: h5py.File, paths: Sequence[str], size: int = ROWS_OF_BLOCK
) -> Iterator[tuple[slice, dict]]:
    """Yield (rows, {path: values}) of at most `size` rows at a time.

    paths: datasets of one length; without any the rows are those of the windows.
    """
    given = {path: file[path] for path in paths}
    n = file[paths[0]].shape[0] if paths else n_rows(file)
    for begin in range(0, n, size):
        rows = slice(begin, min(begin + size, n))
        yield rows, {path: _read(dataset, rows) for path, dataset in given.items()}


def merge(
    parts: Sequence[Path],
    out: Path,
    attrs: dict[str, Any],
    leave_out: Sequence[str] = (),
    version: int = SCHEMA_VERSION,
) -> int:
    """Write the rows of all parts, in their order, to `out`; return the number of rows.

    One block of rows is held at a time. `leave_out`: paths of datasets that are not merged.
    version: schema version of the parts, and of what is written.
    """
    columns = _columns_of(parts, version, leave_out)
    n, size = 0, _rows_of_block(columns, version)
    with RowWriter(out, columns, attrs, version=version) as writer:
        for part in parts:
            with open_rows(part, version) as file:
                given, n_own = {c.path: file[c.path] for c in columns}, n_rows(file)
                for begin in range(0, n_own, size):
                    rows = slice(begin, min(begin + size, n_own))
                    writer.append({path: _raw(dataset, rows) for path, dataset in given.items()})
                n += n_own
    return n


def _columns_of(parts: Sequence[Path], version: int, leave_out: Sequence[str]) -> list[Column]:
    """Return the columns of the first part, its texts as long as the longest of any part."""
    with open_rows(parts[0], version) as first:
        columns = [c for c in datasets(first) if c.path not in leave_out]
    texts = {c.path: 0 for c in columns if c.dtype != _TEXT and c.dtype.kind == "S"}
    for part in parts if texts else ():
        with open_rows(part, version) as file:
            for path, longest in texts.items():
                texts[path] = max(longest, file[path].dtype.itemsize)
    return [
        Column(c.path, c.shape, h5py.string_dtype("utf-8", texts[c.path])) if c.path in texts else c
        for c in columns
    ]


def track_blocks(
    path: Path, dataset: str, size: int = ROWS_OF_BLOCK, version: int = SCHEMA_VERSION
) -> Iterator[tuple[Windows, np.ndarray]]:
    """Yield (windows, values) of one dataset, block by block, as write_bigwig takes them."""
    with open_rows(path, version) as file:
        for rows, values in blocks(file, [dataset], size):
            yield read_windows(file, rows), values[dataset]


def prediction_blocks(
    path: Path, target: str, size: int = TABLE_ROWS
) -> Iterator[tuple[Windows, np.ndarray]]:
    """Yield (windows, predictions) of one target (or track), block by block."""
    return track_blocks(path, f"predictions/{stored_name(target)}", size, TABLE_VERSION)
