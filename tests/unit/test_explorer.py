"""The explorer of the page: its table of regions, and how much of the tracks it holds."""

import base64
import gzip
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cisweep.contracts import Windows
from cisweep.outputs.tables import read_tsv, write_tsv
from cisweep.report.explorer import _packed, _ranks, explorer, why_none
from cisweep.report.sections import hits, variants


def _windows(*spans):
    chrom, start, end = zip(*spans)
    return Windows.build(list(chrom), list(start), list(end), ["."] * len(spans))


def _parquet(rows, path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pandas(pd.DataFrame(rows)), path, write_page_checksum=True)
    return path


def _view(folder, *targets):
    made = [SimpleNamespace(name=t) for t in targets]
    return SimpleNamespace(folder=folder, targets=made, table=lambda p: read_tsv(folder / p))


def test_a_window_ranks_by_its_best_target_and_own_peaks_come_first():
    strengths = {"a": np.array([1.0, 5, 3, np.nan]), "b": np.array([9.0, 1, 2, 3])}
    assert _ranks(strengths, {}, 4).tolist() == [0, 0, 1, 1]
    # Only windows 2 and 3 are peaks of a; the others stand behind them.
    own = {"a": np.array([False, False, True, True])}
    assert _ranks({"a": strengths["a"]}, own, 4).tolist() == [3, 2, 0, 1]
    # b has no peaks, so its predictions rank nothing; where none has any, all do.
    own["b"] = np.zeros(4, dtype=bool)
    assert _ranks(strengths, own, 4).tolist() == [3, 2, 0, 1]
    assert _ranks(strengths, {"b": own["b"]}, 4).tolist() == [2, 0, 1, 3]
    assert _ranks({"b": strengths["b"]}, own, 4).tolist() == [0, 3, 2, 1]


def test_motifs_of_a_window_are_driving_families_with_their_best_matches(tmp_path):
    windows = _windows(("c1", 0, 100), ("c1", 50, 150), ("c2", 0, 100))
    match = dict(chrom="c1", start=60, end=70, best_a=True, best_b=True, attribution_b=1.0)
    rows = [
        match | {"motif": "M1", "attribution_a": 2.0},
        match | {"motif": "M2", "attribution_a": 3.0},
        match | {"motif": "M3", "attribution_a": 9.0},  # of a family that does not drive a
        match | {"motif": "M1", "attribution_a": -9.0},  # lowers it
        match | {"motif": "M1", "attribution_a": 9.0, "best_a": False},
        match | {"motif": "M1", "attribution_a": 9.0, "start": 145, "end": 155},  # leaves it
        match | {"motif": "M4", "attribution_a": 1.0, "start": 140, "end": 150},
    ]
    _parquet(rows, tmp_path / "hits.parquet")
    families = {"target": "a", "family": ["TWICE", "STRONG", "NO", "SECOND"]}
    write_tsv(
        pd.DataFrame(families | {"drives": [True, True, False, True]}),
        tmp_path / "motif_families.tsv",
    )
    members = pd.DataFrame(families | {"motif": ["M1", "M2", "M3", "M4"]})
    write_tsv(members, tmp_path / "motif_ranking.tsv")
    # Nothing drives b, of which the hits have columns too.
    found = hits.columns(_view(tmp_path, "b", "a"), windows)
    assert found == {"motifs": ["STRONG, TWICE", "STRONG, TWICE, SECOND", ""]}


def test_a_variant_counts_once_in_each_window_that_holds_it(tmp_path):
    windows = _windows(("c1", 0, 100), ("c1", 50, 150), ("c2", 0, 100))
    # The third has both of its bases in the first window alone.
    at = [("c1", 61, "G", "A"), ("c1", 61, "G", "A"), ("c1", 61, "G", "C"), ("c1", 50, "GC", "G")]
    rows = [dict(zip(("chrom", "pos_1based", "ref", "alt"), row)) for row in at]
    _parquet(rows, tmp_path / "variants.parquet")
    found = variants.columns(_view(tmp_path), windows)["variants"]
    assert found.tolist() == [3, 2, 0]


def unpacked(packed) -> dict[str, list]:
    """The columns, as the page reads them."""
    data, at, found = gzip.decompress(base64.b64decode(packed["data"])), 0, {}
    for column in packed["columns"]:
        kind = np.dtype("<" + column["type"])
        assert at % kind.itemsize == 0  # else a browser refuses it
        values = np.frombuffer(data, kind, packed["n"], at)
        at += values.nbytes
        words = column.get("words")
        found[column["name"]] = values.tolist() if words is None else [words[i] for i in values]
    assert at == len(data)
    return found


def test_a_packed_table_has_all_its_values():
    table = pd.DataFrame(
        {"chrom": ["b", "a", "b"], "x": [1.23456789, np.nan, -2e-7], "n": [3, 1, 2]}
    )
    table["w"] = [f"w{i}" for i in range(3)]
    columns = unpacked(json.loads(json.dumps(_packed(table))))
    assert columns["chrom"] == ["b", "a", "b"] and columns["w"] == ["w0", "w1", "w2"]
    assert columns["n"] == [3, 1, 2]
    np.testing.assert_allclose(columns["x"], [1.23456789, np.nan, -2e-7], rtol=1e-5)


@pytest.mark.parametrize("n", [256, 257, 65_537])
def test_words_of_any_number_are_told_apart(n):
    words = [f"w{i}" for i in range(n)]
    assert unpacked(_packed(pd.DataFrame({"w": words, "i": range(n)})))["w"] == words


@pytest.mark.parametrize("name", ["<b>", "a&b", 'a"b', "it's"])
def test_a_genome_with_letters_of_html_in_its_names_has_no_explorer(name):
    plan = SimpleNamespace(
        is_genome=True,
        source=SimpleNamespace(lengths={"chr1": 9, name: 9}),
        step_config=lambda step: SimpleNamespace(explorer_mb=1),
    )
    assert explorer(plan) is None and "a chromosome's name holds" in why_none(plan)
    plan.source.lengths = {"HLA-A*01:01": 9}
    assert why_none(plan) == ""
