"""Rows of seqlets: places in the genome, letters, order; the BED files."""

import io

import numpy as np
import pandas as pd
import pytest

from cisweep.analysis.seqlets.background import merge, summarise
from cisweep.analysis.seqlets.spans import Spans, flanked
from cisweep.analysis.seqlets.tables import Explained, call_chunk, in_genome_order
from cisweep.contracts import Windows
from cisweep.errors import ProductError
from cisweep.genome.regions import read_bed
from cisweep.outputs.hits import append_bed
from cisweep.outputs.seqlets import write_seqlet_bed
from cisweep.outputs.tables import BED6, write_bed

L = 60


@pytest.fixture(scope="module")
def made():
    """Windows with one strong stretch of each sign in noise."""
    rng = np.random.default_rng(1)
    values = rng.normal(scale=0.1, size=(20, L)).astype(np.float32)
    values[4, 20:30] += 3
    values[9, 40:48] -= 3
    null = rng.normal(scale=0.1, size=(30, L)).astype(np.float32)
    tokens = rng.integers(0, 5, (20, L)).astype(np.uint8)
    start = np.arange(20) * 1000 + 17
    windows = Windows.build(["c"] * 20, start, start + L)
    background = merge([summarise(values)], clip=0)
    copies = Windows.build(["c"] * 30, np.arange(30) * 1000, np.arange(30) * 1000 + L)
    real, shuffled = Explained.of(windows, values), Explained.of(copies, null)
    table, tally = call_chunk("t", real, shuffled, tokens, background, 1e-4, ("+", "-"))
    return windows, tokens, values, null, table, tally


def test_rows_stand_where_they_were_called(made):
    windows, tokens, values, null, table, tally = made
    assert set(zip(table["window_start"], table["sign"])) >= {(4017, "+"), (9017, "-")}
    for row in table.itertuples():
        i = int(np.flatnonzero(windows.start == row.window_start)[0])
        assert row.chrom == "c" and row.target == "t" and row.window_end == windows.end[i]
        a, b = row.start - row.window_start, row.end - row.window_start
        assert 0 <= a < b <= L
        assert row.sequence == "".join("ACGTN"[t] for t in tokens[i, a:b])
        assert row.attribution == pytest.approx(values[i, a:b].sum(dtype=float), rel=1e-3)
        assert (row.attribution > 0) == (row.sign == "+")
    strong = table[(table["window_start"] == 4017) & (table["sign"] == "+")].iloc[0]
    assert strong["start"] <= 4037 < 4047 <= strong["end"] <= strong["start"] + 13
    assert tally.n_positions == values.size and tally.n_null_positions == null.size
    assert sum(tally.seqlets[s].n for s in "+-") == len(table)


def test_rows_go_in_the_order_of_the_genome():
    rng = np.random.default_rng(0)
    n = 200
    table = pd.DataFrame({
        "target": rng.choice(["t", "u"], n), "chrom": rng.choice(["c2", "c10"], n),
        "start": rng.integers(0, 9, n), "sign": rng.choice(["+", "-"], n),
        "window_start": rng.integers(0, 3, n),
    })  # fmt: skip
    table["end"] = table["start"] + rng.integers(1, 5, n)
    found = in_genome_order(table, ["c2", "c10"])
    keys = [
        (["c2", "c10"].index(r.chrom), r.start, r.end, r.target, r.sign, r.window_start)
        for r in found.itertuples()
    ]
    assert keys == sorted(keys) and len(found) == n


def test_bed_of_seqlets(tmp_path):
    table = pd.DataFrame({
        "target": ["t", "t"], "chrom": ["c", "c"], "start": [4, 9], "end": [8, 14],
        "attribution": [1.5, -2.0], "motif": ["CTCF", None], "motif_strand": ["-", None],
    })  # fmt: skip
    write_seqlet_bed(table, tmp_path / "s.bed")
    rows = [line.split("\t") for line in (tmp_path / "s.bed").read_text().splitlines()]
    names = ["t:CTCF", "t:none:negative"]
    assert [r[:4] for r in rows] == [["c", "4", "8", names[0]], ["c", "9", "14", names[1]]]
    assert [r[4] for r in rows] == ["750", "1000"] and [r[5] for r in rows] == ["-", "."]
    write_seqlet_bed(table.iloc[:0], tmp_path / "s.bed")
    assert (tmp_path / "s.bed").read_text() == ""


@pytest.mark.parametrize("score", [[0.5], [-1], [1001], [np.nan]])
def test_scores_that_no_bed_has_are_refused(tmp_path, score):
    table = pd.DataFrame({"chrom": "c", "start": 1, "end": 2, "name": "n", "strand": "."}, [0])
    wanted = r"x\.bed: a score of a BED is not an integer from 0 to 1000"
    with pytest.raises(ProductError, match=wanted):
        write_bed(table.assign(score=score), tmp_path / "x.bed", BED6)


def test_bed_of_hits():
    table = pd.DataFrame({
        "chrom": ["c", "c"], "start": [4, 9], "end": [8, 14], "motif": ["m", "k"],
        "name": ["M", "K"], "p_value": [1e-5, 1e-200], "strand": ["-", "+"],
    })  # fmt: skip
    handle = io.StringIO()
    append_bed(table, handle)
    assert handle.getvalue() == "c\t4\t8\tM\t50\t-\nc\t9\t14\tK\t1000\t+\n"
    of_targets = {"target": ["t", "u"], "attribution": [2.0, -0.5], "effect": [1.0, 0.2496]}
    handle = io.StringIO()
    append_bed(table.assign(**of_targets), handle)
    assert handle.getvalue() == "c\t4\t8\tt:M\t1000\t-\nc\t9\t14\tu:K:negative\t250\t+\n"


def test_bed_has_no_quotes(tmp_path):
    """A name with quotes, commas, braces or spaces is read again as it was written."""
    names = ['a"b', '"a"', "5'UTR, x", "{x}", "", "ä b", "\\", "#1"]
    n = len(names)
    table = pd.DataFrame(
        {"chrom": "chr1", "start": range(n), "end": range(9, 9 + n), "name": names}
    )
    write_bed(table, tmp_path / "x.bed", ["chrom", "start", "end", "name"])
    lines = [f"chr1\t{i}\t{9 + i}\t{name}\n" for i, name in enumerate(names)]
    assert (tmp_path / "x.bed").read_text() == "".join(lines)
    assert read_bed(tmp_path / "x.bed").name.tolist() == names


@pytest.mark.parametrize("letter", ["\t", "\n", "\r", "\0", "\x0b", "\u2028"])
def test_a_name_that_bed_cannot_hold_is_refused(tmp_path, letter):
    table = pd.DataFrame({"chrom": ["c"], "start": [1], "end": [2], "name": [f"a{letter}b"]})
    with pytest.raises(ProductError, match="name .* and BED cannot hold it") as error:
        write_bed(table, tmp_path / "x.bed", ["chrom", "start", "end", "name"])
    assert "x.bed" in error.value.where and "take it out" in error.value.mend


def test_flanks_are_cut_at_the_ends_of_the_window():
    place = np.array([0, 3, 10])
    spans = Spans(np.arange(3), place, place + 10, np.zeros(3))
    found = flanked(spans, 4, 20)
    assert found.start.tolist() == [0, 0, 6] and found.end.tolist() == [14, 17, 20]
    assert found.example.tolist() == [0, 1, 2]
