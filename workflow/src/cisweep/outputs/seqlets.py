"""seqlets.parquet and seqlets.bed. Coordinates 0-based half-open.

A place that several windows cover has one row, from the window whose centre is nearest to it
(window_start, window_end); n_windows says in how many windows it was called. motif is missing
where more than steps.seqlets.name_rate of random spans are named as well (name_p_value); name_by
is `hit` (the match that wins the place, of a family that drives the target), `pair` (a match over
the seqlet and its neighbour names both) or `tomtom`. family and family_rank are those of the motif
in motif_families.tsv. nearest_motifs lists Tomtom's closest motifs, `name:p:q` of each, nearest_ids
their ids in the same order. In seqlet_summary.tsv n_named says how many seqlets of a target and
sign have a name, random_named which share of random spans of the same windows gets one.

q_value and the rates of seqlet_summary.tsv are given the selection: they compare the windows with
their own shuffled copies, which were not selected by their predictions as the windows were. Windows
of shuffled sequence that are selected in the same way have seqlets too.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from cisweep.outputs.tables import BED6, arrow_schema, bed_scores, write_bed
from cisweep.products.seqlets import SEQLETS

CHUNK_SCHEMA = pa.schema(
    [
        ("target", pa.string()),
        ("chrom", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("sign", pa.string()),
        ("attribution", pa.float64()),
        ("p_value", pa.float64()),
        ("sequence", pa.string()),
        ("window_start", pa.int64()),
        ("window_end", pa.int64()),
        ("owned", pa.bool_()),
        ("at_border", pa.bool_()),
    ]
)

SCHEMA = arrow_schema(SEQLETS)


def write_seqlet_bed(table: pd.DataFrame, path: Path) -> None:
    """Write BED6: name is target:motif, and :negative behind it where the attribution is below 0.

    score is its size, 1000 for the largest of the target; strand is the motif's. The attribution
    itself stands in seqlets.parquet.
    """
    size = table["attribution"].abs()
    bed = table.assign(
        name=table["target"]
        + ":"
        + table["motif"].fillna("none")
        + np.where(table["attribution"] < 0, ":negative", ""),
        score=bed_scores(size, table["target"], low=0.0),
        strand=table["motif_strand"].fillna("."),
    )
    write_bed(bed, path, BED6)
