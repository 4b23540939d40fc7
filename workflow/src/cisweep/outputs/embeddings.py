"""Embeddings as Parquet: one row per sequence, its vector as a list of float32."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from cisweep.outputs.tables import arrow_schema, new_parquet, open_parquet, read_parquet
from cisweep.products.zero_shot import EMBEDDINGS

_SCHEMA = arrow_schema(EMBEDDINGS)


class EmbeddingWriter:
    """Appends the vectors of both alleles of pairs to one file."""

    def __init__(self, path: Path, metadata: dict[str, Any]):
        self._schema = _SCHEMA.with_metadata({k: str(v) for k, v in metadata.items()})
        self._writer = new_parquet(path, self._schema)

    def append(self, table: pd.DataFrame, ref: np.ndarray, alt: np.ndarray) -> None:
        """Add pairs: a table with name and group, and (N, D) vectors of each allele."""
        for allele, vectors in (("ref", ref), ("alt", alt)):
            columns = [
                table["name"].tolist(),
                table["group"].tolist(),
                [allele] * len(table),
                list(vectors.astype(np.float32)),
            ]
            self.add(pa.table(columns, schema=self._schema))

    def add(self, rows: pa.Table) -> None:
        """Add rows of this schema as they are, as one row group."""
        self._writer.write_table(rows.replace_schema_metadata(self._schema.metadata))

    def __enter__(self) -> "EmbeddingWriter":
        return self

    def __exit__(self, kind, error, trace) -> None:
        self._writer.close()


def merge_embeddings(parts: Iterable[Path], out: Path, metadata: dict[str, Any]) -> None:
    """Write the row groups of all parts, in their order, to one file."""
    with EmbeddingWriter(out, metadata) as writer:
        for part in parts:
            file = open_parquet(part)
            for i in range(file.num_row_groups):
                writer.add(file.read_row_group(i))


def first_embeddings(parts: Iterable[Path], n: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return (name, group, allele) and vectors of the first n pairs, references first."""
    found, counts = [], {"ref": 0, "alt": 0}
    for part in parts:
        file = open_parquet(part)
        for i in range(file.num_row_groups):
            if min(counts.values()) >= n:
                break
            table = file.read_row_group(i)
            allele = table["allele"][0].as_py()
            table = table.slice(0, n - counts[allele])
            counts[allele] += len(table)
            found.append(table)
    table = pa.concat_tables(found).sort_by([("allele", "descending")])
    vectors = np.array(table["vector"].to_pylist(), np.float32)
    return table.drop(["vector"]).to_pandas(), vectors


def read_embeddings(path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """Return (name, group, allele) and the (N, D) float32 vectors."""
    table = read_parquet(path)
    vectors: Sequence = table["vector"].to_pylist()
    return table.drop(["vector"]).to_pandas(), np.array(vectors, np.float32)
