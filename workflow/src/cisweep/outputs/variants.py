"""Tables of variants: the selected ones, and their effects as TSV and Parquet.

In memory `pos` is 0-based; every file has `pos_1based` in its place, the POS of a VCF. `start` and
`end` are 0-based half-open everywhere, as in BED.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from cisweep.genome.variants.reading import Variant
from cisweep.outputs.tables import ParquetWriter, arrow_schema, open_parquet, read_parquet
from cisweep.products.variants import EFFECTS, SELECTED

SELECTED_SCHEMA = arrow_schema(SELECTED)
"""Columns of selected.parquet; pos_1based is the first base of ref, as in VCF."""

GATHERED_COLUMNS = ["active_allele_quantile", "p_value", "q_value"]
"""What the gather adds, since it needs all variants or all peaks."""


def one_based(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table as files hold it: `pos_1based` in the place of `pos`."""
    return table.assign(pos=table["pos"] + 1).rename(columns={"pos": "pos_1based"})


def zero_based(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of a file as it is used: `pos` in the place of `pos_1based`."""
    return table.assign(pos_1based=table["pos_1based"] - 1).rename(columns={"pos_1based": "pos"})


def _variant(row: dict[str, Any]) -> Variant:
    return Variant(pos=row.pop("pos_1based") - 1, **row)


def write_selected(variants: Iterable[Variant], path: Path) -> int:
    """Write the variants that can be scored, which come in genome order; return their number."""
    n, stream = 0, iter(variants)
    with ParquetWriter(path, SELECTED_SCHEMA, {}) as writer:
        while block := list(islice(stream, 65536)):
            names = [name.removesuffix("_1based") for name in SELECTED_SCHEMA.names]
            rows = {name: [getattr(v, name) for v in block] for name in names}
            writer.append(one_based(pd.DataFrame(rows)))
            n += len(block)
    return n


def read_selected(path: Path, stretches: Iterable[tuple[str, int, int]]) -> list[Variant]:
    """Return the selected variants whose pos lies in one of the stretches (chrom, low, high)."""
    found = []
    for chrom, low, high in stretches:
        at = "pos_1based"
        keep = [("chrom", "==", chrom), (at, ">", low), (at, "<=", high)]
        rows = read_parquet(path, filters=keep).to_pylist()
        found += [_variant(row) for row in rows]
    return found


def owned_blocks(
    path: Path, stretches: Iterable[tuple[str, int, int]], size: int, limit: int | None
) -> Iterator[list[Variant]]:
    """Yield the blocks of `size` selected variants whose first one lies in one of the stretches.

    Blocks are counted from the file's first row, so they are the same for any stretches; limit:
    rows of the file that are used, None for all.
    """
    file, stretches = open_parquet(path), list(stretches)
    n = min(file.metadata.num_rows, limit or file.metadata.num_rows)
    firsts = file.read(columns=["chrom", "pos_1based"]).take(list(range(0, n, size))).to_pylist()
    for k, first in enumerate(firsts):
        if any(c == first["chrom"] and a < first["pos_1based"] <= b for c, a, b in stretches):
            rows = read_parquet(path).slice(k * size, min(size, n - k * size)).to_pylist()
            yield [_variant(row) for row in rows]


def effect_schema(columns: Sequence[str]) -> pa.Schema:
    """Return the Parquet schema of a table of effects with these columns in memory."""

    stored = ["pos_1based" if name == "pos" else name for name in columns]
    whole = arrow_schema(EFFECTS)
    return pa.schema([whole.field(name) for name in stored])


def effect_blocks(paths: Iterable[Path], n_targets: int = 1) -> Iterator[pd.DataFrame]:
    """Yield the tables of effects of all chunks, row group by row group.

    n_targets: rows of a variant, one behind the other, which stay in one block.
    """
    for path in paths:
        file, rest = open_parquet(path), None
        for i in range(file.num_row_groups):
            table = file.read_row_group(i).to_pandas()
            if rest is not None and len(rest):
                table = pd.concat([rest, table], ignore_index=True)
            whole = len(table) - len(table) % n_targets
            rest = table.iloc[whole:]
            if whole:
                yield zero_based(table.iloc[:whole].reset_index(drop=True))


class EffectWriter:
    """Writes a table of effects as TSV and Parquet at once, block by block."""

    def __init__(self, tsv: Path, parquet: Path, columns: Sequence[str], metadata: dict[str, Any]):
        schema = effect_schema(columns)
        self.columns = schema.names
        self._tsv = open(tsv, "w")  # noqa: SIM115
        self._tsv.write("\t".join(self.columns) + "\n")
        self._parquet = ParquetWriter(parquet, schema, metadata)

    def append(self, table: pd.DataFrame) -> None:
        """Add rows."""
        table = one_based(table)
        self._parquet.append(table[self.columns])
        table[self.columns].to_csv(
            self._tsv, sep="\t", index=False, header=False, float_format="%.9g", na_rep="nan",
            lineterminator="\n",
        )  # fmt: skip

    def __enter__(self) -> "EffectWriter":
        self._parquet.__enter__()
        return self

    def __exit__(self, kind, error, trace) -> None:
        self._parquet.__exit__(kind, error, trace)
        self._tsv.close()


def peak_values(blocks: Iterable[tuple[Any, np.ndarray]], starts: set | None) -> np.ndarray:
    """Return the predictions (n,) of one target for peaks.

    blocks: (windows, predictions) of the predict step; starts: (chrom, start) of the peaks, or None
    for all windows.
    """
    parts = [
        values
        if starts is None
        else values[[key in starts for key in zip(windows.chrom, windows.start)]]
        for windows, values in blocks
    ]
    return np.concatenate(parts) if parts else np.empty(0, np.float32)
