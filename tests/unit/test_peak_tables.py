"""peaks.tsv and peaks.bed, which are written row by row."""

import numpy as np
import pandas as pd
import pytest

from cisweep.contracts import split_names
from cisweep.outputs import tables
from cisweep.outputs.peaks import write_peaks
from cisweep.outputs.tables import read_tsv
from cisweep.products.select import PEAKS

NAMES = PEAKS.names()


def peaks(*rows) -> pd.DataFrame:
    """Rows (chrom, start, target, prediction); a window has four bases."""
    table = pd.DataFrame(rows, columns=["chrom", "start", "target", "prediction"])
    return table.assign(end=table["start"] + 4, strand=".", p_value=0.5, q_value=np.nan)[NAMES]


ROWS = [
    ("c", 4, "t", -4.0), ("c", 9, "t", 0.0), ("c", 9, "u", 7.0), ("d", 0, "u", 7.0),
    ("d", 9, "t", -3.0),
]  # fmt: skip


@pytest.mark.parametrize("cut", [0, 1, 2, 5])
@pytest.mark.parametrize("at_once", [1, 2, 3, 65536])
def test_bed_of_peaks(tmp_path, monkeypatch, cut, at_once):
    monkeypatch.setattr(tables.tsv_blocks, "__defaults__", (at_once,))
    parts = [part for part in (peaks(*ROWS[:cut]), peaks(*ROWS[cut:])) if len(part)]
    write_peaks(parts, NAMES, tmp_path / "p.tsv", tmp_path / "p.bed")
    assert (tmp_path / "p.bed").read_text() == (
        "c\t4\t8\tt\t0\t.\nc\t9\t13\tt,u\t1000\t.\nd\t0\t4\tu\t1000\t.\nd\t9\t13\tt\t250\t.\n"
    )
    pd.testing.assert_frame_equal(read_tsv(tmp_path / "p.tsv"), peaks(*ROWS), check_dtype=False)


def test_no_peaks(tmp_path):
    write_peaks([], NAMES, tmp_path / "p.tsv", tmp_path / "p.bed")
    assert (tmp_path / "p.bed").read_text() == ""
    assert (tmp_path / "p.tsv").read_text() == "\t".join(NAMES) + "\n"


def test_targets_are_called_as_the_user_calls_them(tmp_path):
    names = ["L2/3, IT", "1", "nan", "~2c", '"q"']
    write_peaks(
        [peaks(*(("c", 4, name, 1.0) for name in names))], NAMES, tmp_path / "p.tsv",
        tmp_path / "p.bed",
    )  # fmt: skip
    assert read_tsv(tmp_path / "p.tsv")["target"].tolist() == names
    (line,) = (tmp_path / "p.bed").read_text().splitlines()
    assert line == 'c\t4\t8\tL2/3~2c IT,1,nan,~7e2c,"q"\t1000\t.'
    assert split_names(line.split("\t")[3]) == names


def test_the_score_is_that_of_the_number_before_it_was_text(tmp_path):
    values = np.random.default_rng(0).normal(size=2000).astype(np.float32).astype(float)
    rows = peaks(*(("c", 9 * i, "t", v) for i, v in enumerate(values)))
    write_peaks([rows], NAMES, tmp_path / "p.tsv", tmp_path / "p.bed")
    scores = pd.read_csv(tmp_path / "p.bed", sep="\t", header=None)[4]
    share = (values - values.min()) / (values.max() - values.min())
    assert scores.tolist() == np.rint(1000 * share).astype(int).tolist()
