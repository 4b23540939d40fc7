"""Embeddings as Parquet: one row a sequence, its vector as a list of float32."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

_SCHEMA = pa.schema(
    [
        ("name", pa.string()),
        ("group", pa.string()),
        ("allele", pa.string()),
        ("vector", pa.list_(pa.float32())),
    ]
)


class EmbeddingWriter:
    """Appends the vectors of both alleles of pairs to one file."""

    def __init__(self, path: Path, metadata: dict[str, Any]):
        self._schema = _SCHEMA.with_metadata({k: str(v) for k, v in metadata.items()})
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")

    def append(self, table: pd.DataFrame, ref: np.ndarray, alt: np.ndarray) -> None:
        """Add pairs: a table with name and group, and (N, D) vectors of each allele."""
        for allele, vectors in (("ref", ref), ("alt", alt)):
            columns = [
                table["name"].tolist(),
                table["group"].tolist(),
                [allele] * len(table),
                list(vectors.astype(np.float32)),
            ]
            self._writer.write_table(pa.table(columns, schema=self._schema))

    def __enter__(self) -> "EmbeddingWriter":
        return self

    def __exit__(self, kind, error, trace) -> None:
        self._writer.close()


def read_embeddings(path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """Return (name, group, allele) and the (N, D) float32 vectors."""
    table = pq.read_table(path)
    vectors: Sequence = table["vector"].to_pylist()
    return table.drop(["vector"]).to_pandas(), np.array(vectors, np.float32)
