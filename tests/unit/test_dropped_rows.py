"""Dropped regions in order, of which memory holds the keys alone."""

import numpy as np
import pandas as pd
import pytest

from cisweep.contracts import DROP_REASONS
from cisweep.outputs import dropped_rows
from cisweep.outputs.dropped_rows import DroppedRows
from cisweep.outputs.tables import read_tsv, tsv_blocks, write_product
from cisweep.plan.accounting import COLUMNS, dropped_table, too_many
from cisweep.products.run import DROPPED_REGIONS


@pytest.fixture
def plan(small_run):
    return small_run.plan(predict={})


def rows_at_random(plan, n: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)

    def drawn(values):
        return np.array(values, dtype=object)[rng.integers(0, len(values), n)]

    start = rng.integers(0, 40, n)
    return pd.DataFrame(
        {
            "step": drawn(["plan", "predict", "ism"]), "model": drawn(list(plan.models)),
            "chrom": drawn(["elsewhere", *plan.source.lengths]), "start": start, "end": start + 9,
            "strand": drawn(["+", "-", "."]), "name": drawn(["", "NaN", "a \"quoted\" one", "ä"]),
            "reason": drawn(DROP_REASONS), "detail": [f"row {i}" for i in range(n)],
        }
    )[COLUMNS]  # fmt: skip


@pytest.mark.parametrize("n", [0, 1, 500])
def test_rows_on_disk_are_in_the_order_of_the_table(plan, tmp_path, monkeypatch, n):
    monkeypatch.setattr(dropped_rows, "_COPIED", 64)
    table = rows_at_random(plan, n)
    write_product(dropped_table(plan, [table]), tmp_path / "wanted", DROPPED_REGIONS)
    with DroppedRows(plan, tmp_path / "scratch") as rows:
        for begin in range(0, n, 7):
            rows.add(table.iloc[begin : begin + 7])
        rows.add(table[:0])
        assert rows.write(tmp_path / "found") == n
    assert (tmp_path / "found").read_bytes() == (tmp_path / "wanted").read_bytes()
    swept = table[table["step"] != "ism"]
    assert rows.n_swept == dict(swept["model"].value_counts())


def test_a_table_in_blocks_is_the_table(plan, tmp_path):
    table = rows_at_random(plan, 50)
    write_product(table, tmp_path / "t", DROPPED_REGIONS)
    blocks = list(tsv_blocks(tmp_path / "t", size=20))
    assert [len(b) for b in blocks] == [20, 20, 10]
    pd.testing.assert_frame_equal(pd.concat(blocks, ignore_index=True), read_tsv(tmp_path / "t"))
    few = read_tsv(tmp_path / "t", ["step", "reason"])
    pd.testing.assert_frame_equal(few, read_tsv(tmp_path / "t")[["step", "reason"]])


def test_too_many_rows(plan):
    (model,), n = plan.models, 0
    from cisweep.plan.accounting import n_regions

    given = n_regions(plan, model)
    limit = plan.config.regions.max_dropped
    for n in (0, int(given * limit), int(given * limit) + 1, given):
        assert too_many(plan, model, n) == (n > given * limit or n == given)
