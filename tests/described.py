"""Whether every file of a run, and all in it, is what cisweep.products declares."""

import json
from pathlib import Path

import h5py
import pyarrow.parquet as pq

from cisweep.errors import ProductError
from cisweep.products import product_at

PASSING = ("logs", "benchmarks", "chunks")
"""Folders of a run that are no products."""


def products_of(results: Path) -> list[str]:
    """Return the files of results/<run> that are products, relative to it."""
    paths = [path.relative_to(results) for path in results.rglob("*") if path.is_file()]
    return sorted(
        str(path)
        for path in paths
        if not any(part.startswith(".") for part in path.parts)
        and not set(path.parts[:-1]) & set(PASSING)
    )


def check_described(results: Path) -> set[tuple[str, str]]:
    """Return (product, field) of all that stands in a run; raises ProductError where something is
    not described, or described and not there."""
    found = set()
    for path in products_of(results):
        product = product_at(path)
        if product is None:
            raise ProductError("a product that is not described", where=path, mend="")
        names, attributes = _names(results / path)
        if product.fields:
            product.check(names, path)
        elif names is not None and not product.any_fields:
            raise ProductError("its columns are not described", where=path, mend="")
        if attributes is not None and path.count("/export/") + path.count(".modisco.") == 0:
            product.check(attributes, path, attributes=True)
        found |= {(product.path, name) for name in names or ()}
    return found


def _names(path: Path) -> tuple[list[str] | None, list[str] | None]:
    """Return the columns, datasets or keys in a file and its attributes, None where it has none."""
    if path.suffix == ".tsv":
        with open(path) as file:
            return file.readline().rstrip("\n").split("\t"), None
    if path.suffix == ".parquet":
        return pq.read_schema(path).names, None
    if path.suffix == ".json":
        return list(json.loads(path.read_text())), None
    if path.suffix == ".h5":
        found: list[str] = []
        with h5py.File(path) as file:
            file.visititems(lambda n, x: found.append(n) if isinstance(x, h5py.Dataset) else None)
            return found, list(file.attrs)
    return None, None
