"""Files of experiments: backgrounds, tables as Parquet, the hits that an ablation starts from."""

from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cisweep.contracts import Windows
from cisweep.outputs.tables import (
    ParquetWriter,
    arrow_schema,
    in_order,
    open_parquet,
    read_parquet,
    write_parquet,
)
from cisweep.parts import read_arrays
from cisweep.plan.chunks import Layout, chunk_index
from cisweep.products import Product

_HIT_COLUMNS = ["chrom", "start", "end", "strand", "motif", "name", "p_value"]
_WINDOW_COLUMNS = ["window_start", "window_end", "window_strand"]
_TEXT = {"motif", "name", "motif_a", "name_a", "motif_b", "name_b", "orientation", "target"}
_TEXT |= {"chrom", "strand", "window_strand"}
_WHOLE = {"n", "rank", "distance_bp", "start", "end", "window_start", "window_end"}


def experiment_schema(columns: Iterable[str]) -> pa.Schema:
    """Return the Parquet schema of an experiment's table: text, whole numbers, float64."""

    def kind(name: str) -> pa.DataType:
        return pa.string() if name in _TEXT else pa.int64() if name in _WHOLE else pa.float64()

    return pa.schema([(name, kind(name)) for name in columns])


def write_experiment(
    table: pd.DataFrame, path: Path, metadata: dict[str, Any], product: Product | None = None
) -> None:
    """Write a table of an experiment; product: what declares its columns, of which they must be."""
    if product is None:
        schema = experiment_schema(table)
    else:
        table, schema = in_order(table, path, product), arrow_schema(product)
    write_parquet(table, path, schema, metadata)


def experiment_blocks(paths: Iterable[Path]) -> Iterator[pd.DataFrame]:
    """Yield the tables of all chunks, row group by row group."""
    for path in paths:
        file = open_parquet(path)
        for i in range(file.num_row_groups):
            yield file.read_row_group(i).to_pandas()


def merge_experiment(paths: Collection[Path], out: Path, metadata: dict[str, Any]) -> int:
    """Write the rows of all chunks to one file, block by block; return their number."""
    schema, n = pq.read_schema(next(iter(paths))).remove_metadata(), 0
    with ParquetWriter(out, schema, metadata) as writer:
        for table in experiment_blocks(paths):
            writer.append(table)
            n += len(table)
    return n


def write_backgrounds(path: Path, windows: Windows, tokens: np.ndarray, before: np.ndarray) -> None:
    """Write background windows, tokens (B, W) uint8 and predictions (B, T) float64 as .npz."""
    names = {k: getattr(windows, k).astype(str) for k in ("chrom", "strand", "name")}
    places = {k: getattr(windows, k) for k in ("start", "end")}
    np.savez(path, tokens=tokens, before=before, **names, **places)


def read_backgrounds(path: Path) -> tuple[Windows, np.ndarray, np.ndarray]:
    """Return the windows, tokens and predictions of write_backgrounds."""
    file = read_arrays(path)
    columns = [file[k] for k in ("chrom", "start", "end", "strand", "name")]
    return Windows.build(*columns), file["tokens"], file["before"]


def strongest_hits(
    path: Path,
    motifs: Collection[str],
    n: int,
    place: Callable[[pd.DataFrame], tuple[pd.DataFrame, Windows, np.ndarray]],
    chroms: Iterable[str],
) -> pd.DataFrame:
    """Return at most n hits of each of the motifs: the lowest p-values that do not overlap.

    place: hits -> those inside a window, their windows, spans. Hits of one motif that overlap (a
    palindrome's two strands, a repeat) are one observation, that with the lowest p-value. Columns:
    those of the hit, window_start, window_end, window_strand; rows in the order of their windows
    in the genome, that of `chroms`. The file is read row group by row group.
    """
    kept = pd.DataFrame(columns=[*_HIT_COLUMNS, *_WINDOW_COLUMNS])
    file = open_parquet(path)
    for i in range(file.num_row_groups):
        rows = file.read_row_group(i, columns=_HIT_COLUMNS).to_pandas()
        rows, windows, _ = place(rows[rows["motif"].isin(list(motifs))].reset_index(drop=True))
        rows = rows.assign(**dict(zip(
            _WINDOW_COLUMNS, (windows.start, windows.end, windows.strand)
        )))  # fmt: skip
        if not len(rows):
            continue
        full = kept.groupby("motif")["p_value"].agg(["size", "max"])
        worst = full["max"].where(full["size"] >= n, np.inf)
        rows = rows[rows["p_value"] <= rows["motif"].map(worst).fillna(np.inf)]
        both = pd.concat([kept, rows], ignore_index=True) if len(kept) else rows
        kept = _apart(both, n)
    order = ["rank", "window_start", "window_strand", "motif", "start", "strand"]
    rank = kept["chrom"].map({name: i for i, name in enumerate(chroms)})
    kept = kept.assign(rank=rank).sort_values(order, kind="stable").drop(columns="rank")
    return kept.reset_index(drop=True)


def selected_hits(
    path: Path, layout: Layout, chunk: str
) -> tuple[pd.DataFrame, Windows, np.ndarray]:
    """Return a chunk's rows of `strongest_hits`, their windows, and the spans (H, 2) in them."""
    hits = read_parquet(path).to_pandas()
    windows = Windows.build(hits["chrom"], *(hits[c] for c in _WINDOW_COLUMNS))
    mine = layout.bins_of(windows) == chunk_index(chunk)
    hits, windows = hits[mine].reset_index(drop=True), windows.take(mine)
    spans = np.stack([hits["start"] - windows.start, hits["end"] - windows.start], axis=1)
    return hits, windows, spans.astype(np.int64)


def _apart(rows: pd.DataFrame, n: int) -> pd.DataFrame:
    """Return the first n rows of each motif, by p-value, that overlap none before; order kept."""
    rows = rows.reset_index(drop=True)
    order = rows.sort_values(["motif", "p_value", "chrom", "start", "strand"], kind="stable").index
    taken: dict[str, list[tuple[str, int, int]]] = {}
    columns = (rows[c].to_numpy()[order] for c in ("motif", "chrom", "start", "end"))
    chosen = []
    for row, motif, chrom, start, end in zip(order, *columns):
        mine = taken.setdefault(motif, [])
        if len(mine) < n and not any(c == chrom and start < e and s < end for c, s, e in mine):
            mine.append((chrom, start, end))
            chosen.append(row)
    return rows.loc[sorted(chosen)]
