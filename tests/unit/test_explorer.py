"""The explorer of the page: its table of regions, and how much of the tracks it holds."""

import base64
import gzip
import json

import numpy as np
import pandas as pd

from cisweep.contracts import Windows
from cisweep.report.explorer import _counted, _motifs, _packed, _ranks


def _windows(*spans):
    chrom, start, end = zip(*spans)
    return Windows.build(list(chrom), list(start), list(end), ["."] * len(spans))


def _parquet(rows, path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pandas(pd.DataFrame(rows)), path, write_page_checksum=True)
    return path


def test_a_window_ranks_by_its_best_target_and_own_peaks_come_first():
    strengths = {"a": np.array([1.0, 5, 3, np.nan]), "b": np.array([9.0, 1, 2, 3])}
    assert _ranks(strengths, {}, 4).tolist() == [0, 0, 1, 1]
    # Only windows 2 and 3 are peaks of a; the others stand behind them.
    own = {"a": np.array([False, False, True, True])}
    assert _ranks({"a": strengths["a"]}, own, 4).tolist() == [3, 2, 0, 1]


def test_motifs_of_a_window_are_its_best_matches_that_raise_a_target(tmp_path):
    windows = _windows(("c1", 0, 100), ("c1", 50, 150), ("c2", 0, 100))
    match = dict(chrom="c1", start=60, end=70, best_a=True)
    hits = [
        match | {"name": "TWICE", "attribution_a": 2.0},
        match | {"name": "STRONG", "attribution_a": 3.0},
        match | {"name": "LOWERS", "attribution_a": -9.0},
        match | {"name": "NOT_BEST", "attribution_a": 9.0, "best_a": False},
        match | {"name": "LEAVES", "attribution_a": 9.0, "start": 145, "end": 155},
        match | {"name": "SECOND", "attribution_a": 1.0, "start": 140, "end": 150},
    ]
    path = _parquet(hits, tmp_path / "hits.parquet")
    assert _motifs(path, windows, ["a", "absent"]) == ["STRONG, TWICE", "STRONG, TWICE, SECOND", ""]


def test_a_variant_counts_once_in_each_window_that_holds_it(tmp_path):
    windows = _windows(("c1", 0, 100), ("c1", 50, 150), ("c2", 0, 100))
    at = [("c1", 60, 61, "A"), ("c1", 60, 61, "A"), ("c1", 60, 61, "C"), ("c1", 149, 151, "A")]
    rows = [dict(zip(("chrom", "start", "end", "alt"), row)) for row in at]
    path = _parquet(rows, tmp_path / "variants.parquet")
    assert _counted(path, windows).tolist() == [2, 2, 0]


def test_a_packed_table_has_all_its_values():
    table = pd.DataFrame(
        {"chrom": ["b", "a", "b"], "x": [1.23456789, np.nan, -2e-7], "n": [3, 1, 2]}
    )
    columns = json.loads(gzip.decompress(base64.b64decode(_packed(table))))
    assert [columns["chrom"]["words"][i] for i in columns["chrom"]["at"]] == ["b", "a", "b"]
    assert columns["x"]["values"] == [1.235, None, -2e-7] and columns["n"]["values"] == [3, 1, 2]
