"""Regions × targets as .h5ad, which anndata and scanpy open.

X are the predictions, obs the regions, var the targets. It is written by h5py, block by block, so
that it may be larger than memory and needs no further package. Source of the layout: anndata's
on-disk format (0.12): AnnData 0.1.0; dataframe, categorical and array 0.2.0.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from cisweep.contracts import Windows

_TEXT = h5py.string_dtype()
_ROWS, _COLUMNS = 1024, 64
"""Shape of an HDF5 chunk of X."""


def write_h5ad(
    path: Path,
    blocks: Callable[[], Iterable[tuple[Windows, np.ndarray]]],
    var: pd.DataFrame,
    origin: Mapping[str, Any],
) -> None:
    """Write regions × targets.

    blocks: gives the windows and their values (N, T); var: what is known of each target, its index
    their names, all text; origin: what the product says of where it comes from (uns/cisweep).
    """
    with h5py.File(path, "w", libver="v110") as file:
        _encode(file, "anndata", "0.1.0")
        for name in ("layers", "obsm", "obsp", "uns", "varm", "varp"):
            _encode(file.create_group(name), "dict", "0.1.0")
        about = _encode(file["uns"].create_group("cisweep"), "dict", "0.1.0")
        for key, value in sorted(origin.items()):
            _encode(about.create_dataset(key, data=str(value), dtype=_TEXT), "string", "0.2.0")
        # anndata takes / for a step into a group.
        columns = {name.replace("/", "_"): var[name].to_numpy() for name in var.columns}
        table = _frame(file, "var", [*columns])
        for name, values in {"_index": var.index.to_numpy(), **columns}.items():
            _append(_texts(table, name), values)
        _write_rows(file, blocks(), len(var))


def _write_rows(file: h5py.File, blocks: Iterable[tuple[Windows, np.ndarray]], n: int) -> None:
    """Write obs and X."""
    obs = _frame(file, "obs", ["chrom", "start", "end", "strand", "name"])
    texts = {name: _texts(obs, name) for name in ("_index", "name")}
    numbers = {name: _numbers(obs, name, np.int64) for name in ("start", "end")}
    categories: dict[str, dict[str, int]] = {"chrom": {}, "strand": {}}
    codes = {}
    for name in categories:
        group = _encode(obs.create_group(name), "categorical", "0.2.0")
        group.attrs["ordered"] = False
        codes[name] = _numbers(group, "codes", np.int32)
    X = _encode(
        file.create_dataset(
            "X", (0, n), np.float32, maxshape=(None, n), chunks=(_ROWS, max(min(n, _COLUMNS), 1)),
            compression="gzip", compression_opts=1, shuffle=True, track_times=False,
        ),
        "array", "0.2.0",
    )  # fmt: skip
    for windows, values in blocks:
        _append(X, values)
        _append(texts["_index"], np.array(windows.keys(), dtype=object))
        _append(texts["name"], windows.name)
        for name, dataset in numbers.items():
            _append(dataset, getattr(windows, name))
        for name, known in categories.items():
            code, words = pd.factorize(getattr(windows, name))
            of = np.array([known.setdefault(word, len(known)) for word in words], dtype=np.int32)
            _append(codes[name], of[code])
    for name, known in categories.items():
        _append(_texts(obs[name], "categories"), np.array([*known], dtype=object))


def _encode(item: Any, kind: str, version: str) -> Any:
    item.attrs["encoding-type"], item.attrs["encoding-version"] = kind, version
    return item


def _frame(file: h5py.File, name: str, columns: list[str]) -> h5py.Group:
    group = _encode(file.create_group(name), "dataframe", "0.2.0")
    group.attrs["_index"] = "_index"
    group.attrs.create("column-order", np.array(columns, dtype=object), dtype=_TEXT)
    return group


def _texts(group: h5py.Group, name: str) -> h5py.Dataset:
    return _encode(_column(group, name, _TEXT), "string-array", "0.2.0")


def _numbers(group: h5py.Group, name: str, dtype: Any) -> h5py.Dataset:
    return _encode(_column(group, name, dtype), "array", "0.2.0")


def _column(group: h5py.Group, name: str, dtype: Any) -> h5py.Dataset:
    return group.create_dataset(
        name, (0,), dtype, maxshape=(None,), chunks=(4096,), compression="gzip",
        compression_opts=1, track_times=False,
    )  # fmt: skip


def _append(dataset: h5py.Dataset, rows: np.ndarray) -> None:
    if len(rows):
        dataset.resize(len(dataset) + len(rows), axis=0)
        dataset[-len(rows) :] = rows
