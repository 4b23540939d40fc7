"""Tables of experiments as Parquet, and the hits that an ablation starts from."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cisweep.outputs.tables import write_parquet

_HIT_COLUMNS = ["chrom", "start", "end", "strand", "motif", "name", "p_value"]


def write_experiment(table: pd.DataFrame, path: Path, metadata: dict[str, Any]) -> None:
    """Write a table of an experiment: text, whole numbers and float64 as they are."""
    schema = pa.Schema.from_pandas(table, preserve_index=False).remove_metadata()
    write_parquet(table, path, schema, metadata)


def strongest_hits(path: Path, motifs: Collection[str], n: int) -> pd.DataFrame:
    """Return the n hits with the lowest p-values of each of the motifs (ties: by place).

    Hits are read row group by row group.
    """
    kept = pd.DataFrame(columns=_HIT_COLUMNS)
    file = pq.ParquetFile(path)
    order = ["motif", "p_value", "chrom", "start", "strand"]
    for i in range(file.num_row_groups):
        rows = file.read_row_group(i, columns=_HIT_COLUMNS).to_pandas()
        rows = rows[rows["motif"].isin(list(motifs))]
        both = pd.concat([kept, rows], ignore_index=True) if len(kept) else rows
        kept = both.sort_values(order).groupby("motif", sort=False).head(n)
    return kept.reset_index(drop=True)
