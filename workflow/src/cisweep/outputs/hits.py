"""Hits: parquet of a chunk and of the run, BED, and the counts that q-values need."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from cisweep.contracts import stored_name
from cisweep.outputs.tables import BED6, append_bed_rows, arrow_schema
from cisweep.products.hits import HITS

_PLACE = [("chrom", pa.string()), ("start", pa.int64()), ("end", pa.int64())]
_MATCH = [("strand", pa.string()), ("score", pa.float64()), ("p_value", pa.float64())]


def chunk_schema(targets: list[str]) -> pa.schema:
    """Return the schema of a chunk's hits."""
    kinds = ("attribution", "cosine", "projection")
    values = [(f"{k}_{stored_name(t)}", pa.float64()) for t in targets for k in kinds]
    return pa.schema([*_PLACE, ("motif_idx", pa.int32()), *_MATCH, *values])


def schema(targets: list[str]) -> pa.schema:
    """Return the schema of hits.parquet, one row a match of a matrix, in genome order.

    `attribution_<t>`: sum over the hit's bases; `cosine_<t>`, `projection_<t>`: of hypothetical
    attributions and matrix (analysis/motifs/hits.py: hit_fits); `best_<t>`: wins its place, by the
    largest |projection| of overlapping hits. The q-values are given the selection: windows that a
    model picks hold more of what it reads than the background does.
    """
    return arrow_schema(HITS, target=[stored_name(t) for t in targets])


def append_bed(table: pd.DataFrame, handle) -> None:
    """Append the hits that win their place (`HitGather.winners`) as BED6, 0-based half-open.

    name is target:motif (its name), and :negative behind it where the attribution is below 0; score
    is the effect, 1000 for the largest of all targets of one unit. Without attributions the name is
    that of the motif alone, and the score min(1000, -10 log10 p).
    """
    if "target" in table:
        negative = np.where(table["attribution"] < 0, ":negative", "")
        name = table["target"] + ":" + table["name"] + negative
        score = 1000 * table["effect"]
    else:
        name, score = table["name"], np.minimum(1000, -10 * np.log10(table["p_value"]))
    bed = table.assign(name=name, score=np.rint(score).astype(int))
    append_bed_rows(bed[BED6], handle)


def save_counts(path: Path, cell_counts: np.ndarray, n_tests: np.ndarray, null: dict) -> None:
    """Write what the gather adds up: hits per cell, tests per motif, sums of the copies."""
    arrays = {"cell_counts": cell_counts, "n_tests": n_tests}
    for target, sums in null.items():
        arrays[f"null_count_{target}"], arrays[f"null_total_{target}"] = sums.count, sums.total
    with open(path, "wb") as handle:
        np.savez(handle, **arrays)  # type: ignore[arg-type]  # none is named allow_pickle
