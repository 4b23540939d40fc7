"""HDF5 products: one row per window, in genome order, written and merged block by block.

Layout (schema version 1): `regions/{chrom,start,end,strand,name}`, `tokens` uint8 (N, L) in +
orientation, then one dataset a target. HDF5 chunks of 32 rows, shuffle, gzip 1. Rows are appended
in fixed blocks whatever the size of the parts, so merged files have the same bytes however the
run was chunked.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np

from cisweep.contracts import SCHEMA_VERSION, Windows
from cisweep.errors import ProductError
from cisweep.products import Product

ROWS_OF_CHUNK = 32
ROWS_OF_BLOCK = 1024

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


def region_columns() -> list[Column]:
    """Return the columns under regions/."""
    return [Column(f"regions/{name}", (), dtype) for name, dtype in _REGION_COLUMNS.items()]


def region_rows(windows: Windows) -> dict[str, np.ndarray]:
    """Return the rows of the columns under regions/."""
    return {f"regions/{name}": getattr(windows, name) for name in _REGION_COLUMNS}


class RowWriter:
    """Appends rows to the datasets of one HDF5 file, in blocks of ROWS_OF_BLOCK.

    product: what declares them; raises ProductError where they differ from it.
    """

    def __init__(
        self,
        path: Path,
        columns: Sequence[Column],
        attrs: dict[str, Any],
        product: Product | None = None,
    ):
        if product is not None:
            product.check([c.path for c in columns], str(path))
        self._file = h5py.File(path, "w", libver="v110")
        self._columns = {c.path: c for c in columns}
        self._held: dict[str, list[np.ndarray]] = {c.path: [] for c in columns}
        self._n_held = 0
        self._file.attrs["schema_version"] = SCHEMA_VERSION
        for key, value in attrs.items():
            plain = (
                value if isinstance(value, str | int | float) else json.dumps(value, sort_keys=True)
            )
            self._file.attrs[key] = plain
        for column in columns:
            self._file.create_dataset(
                column.path,
                shape=(0, *column.shape),
                maxshape=(None, *column.shape),
                dtype=column.dtype,
                chunks=(ROWS_OF_CHUNK, *column.shape),
                compression="gzip",
                compression_opts=1,
                shuffle=True,
                track_times=False,
            )

    def append(self, rows: dict[str, np.ndarray]) -> None:
        """Add rows; every column must be given, all of one length."""
        if set(rows) != set(self._columns):
            raise ProductError(f"rows have columns {sorted(rows)}, not {sorted(self._columns)}")
        lengths = {len(values) for values in rows.values()}
        if len(lengths) != 1:
            raise ProductError(
                f"columns of different lengths: { {k: len(v) for k, v in rows.items()} }"
            )
        for path, values in rows.items():
            self._held[path].append(np.asarray(values))
        self._n_held += lengths.pop()
        if self._n_held >= ROWS_OF_BLOCK:
            self._flush(self._n_held // ROWS_OF_BLOCK * ROWS_OF_BLOCK)

    def _flush(self, n: int) -> None:
        if n == 0:
            return
        for path, parts in self._held.items():
            values = np.concatenate(parts) if len(parts) > 1 else parts[0]
            dataset = self._file[path]
            for begin in range(0, n, ROWS_OF_BLOCK):
                block = values[begin : min(begin + ROWS_OF_BLOCK, n)]
                dataset.resize(dataset.shape[0] + len(block), axis=0)
                dataset[-len(block) :] = block
            self._held[path] = [values[n:]]
        self._n_held -= n

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind, error, trace) -> None:
        if kind is None:
            self._flush(self._n_held)
        self._file.close()


def open_rows(path: Path) -> h5py.File:
    """Open an HDF5 product for reading; raises ProductError if it is missing, broken or foreign."""
    mend = "delete it and run the workflow again"
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ProductError(
            f"not a readable HDF5 file ({error})", where=str(path), mend=mend
        ) from None
    version = file.attrs.get("schema_version")
    if version != SCHEMA_VERSION:
        file.close()
        raise ProductError(
            f"schema version {version}, this cisweep reads {SCHEMA_VERSION}",
            where=str(path),
            mend=mend,
        )
    return file


def read_windows(file: h5py.File, rows: slice = slice(None)) -> Windows:
    """Return the windows of these rows."""
    group = file["regions"]
    return Windows(
        *(
            group[n].asstr()[rows] if group[n].dtype.kind == "O" else group[n][rows]
            for n in _REGION_COLUMNS
        )
    )


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
    """Yield (rows, {path: values}) of at most `size` rows at a time."""
    for begin in range(0, n_rows(file), size):
        rows = slice(begin, min(begin + size, n_rows(file)))
        yield (
            rows,
            {p: (file[p].asstr() if file[p].dtype.kind == "O" else file[p])[rows] for p in paths},
        )


def merge(
    parts: Sequence[Path], out: Path, attrs: dict[str, Any], leave_out: Sequence[str] = ()
) -> int:
    """Write the rows of all parts, in their order, to `out`; return the number of rows.

    One block of rows is held at a time. `leave_out`: paths of datasets that are not merged.
    """
    with open_rows(parts[0]) as first:
        columns = [c for c in datasets(first) if c.path not in leave_out]
    n = 0
    with RowWriter(out, columns, attrs) as writer:
        for part in parts:
            with open_rows(part) as file:
                for _, rows in blocks(file, [c.path for c in columns]):
                    writer.append(rows)
                n += n_rows(file)
    return n


def track_blocks(
    path: Path, dataset: str, size: int = ROWS_OF_BLOCK
) -> Iterator[tuple[Windows, np.ndarray]]:
    """Yield (windows, values) of one dataset, block by block, as write_bigwig takes them."""
    with open_rows(path) as file:
        for rows, values in blocks(file, [dataset], size):
            yield read_windows(file, rows), values[dataset]


def prediction_blocks(
    path: Path, target: str, size: int = ROWS_OF_BLOCK
) -> Iterator[tuple[Windows, np.ndarray]]:
    """Yield (windows, predictions) of one target (or track), block by block."""
    return track_blocks(path, f"predictions/{target}", size)
