"""Hits: parquet of a chunk and of the run, BED, and the counts that q-values need."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from cisweep.outputs.tables import append_bed_rows, described

_GIVEN = "given the selection of the windows"
_PLACE = [("chrom", pa.string()), ("start", pa.int64()), ("end", pa.int64())]
_MATCH = [("strand", pa.string()), ("score", pa.float64()), ("p_value", pa.float64())]


def chunk_schema(targets: list[str]) -> pa.schema:
    """Return the schema of a chunk's hits."""
    values = [(f"{k}_{t}", pa.float64()) for t in targets for k in ("attribution", "cosine")]
    return pa.schema([*_PLACE, ("motif_idx", pa.int32()), *_MATCH, *values])


def schema(targets: list[str]) -> pa.schema:
    """Return the schema of hits.parquet.

    `attribution_<t>`: sum over the hit's bases; `cosine_<t>`: between hypothetical attributions
    and matrix; `best_<t>`: wins its place among overlapping hits. The q-values are given the
    selection: windows that a model picks hold more of what it reads than the background does.
    """
    fields = [*_PLACE, ("motif", pa.string()), ("name", pa.string()), *_MATCH]
    for name, tests in (("q_value", "the hit's motif"), ("q_value_pooled", "all motifs")):
        about = f"Benjamini-Hochberg over the positions and strands of {tests}; {_GIVEN}"
        fields.append(described(name, about))
    for t in targets:
        fields += [(f"attribution_{t}", pa.float64()), (f"cosine_{t}", pa.float64())]
        fields += [(f"best_{t}", pa.bool_())]
    return pa.schema(fields)


def append_bed(table: pd.DataFrame, handle) -> None:
    """Append BED6 rows: name is motif:name, score is min(1000, -10 log10 p), 0-based half-open."""
    score = np.minimum(1000, np.rint(-10 * np.log10(table["p_value"]))).astype(int)
    bed = pd.DataFrame(
        {
            "chrom": table["chrom"],
            "start": table["start"],
            "end": table["end"],
            "name": table["motif"] + ":" + table["name"],
            "score": score,
            "strand": table["strand"],
        }
    )
    append_bed_rows(bed, handle)


def save_counts(path: Path, cell_counts: np.ndarray, n_tests: np.ndarray, null: dict) -> None:
    """Write what the gather adds up: hits per cell, tests per motif, sums of the copies."""
    arrays = {"cell_counts": cell_counts, "n_tests": n_tests}
    for target, sums in null.items():
        arrays[f"null_count_{target}"], arrays[f"null_total_{target}"] = sums.count, sums.total
    with open(path, "wb") as handle:
        np.savez(handle, **arrays)  # type: ignore[arg-type]  # none is named allow_pickle
