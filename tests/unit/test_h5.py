"""HDF5 products: merging is concatenation, with the same bytes however the rows were split."""

import re

import h5py
import numpy as np
import pytest

from cisweep import __version__
from cisweep.contracts import Windows
from cisweep.errors import ProductError
from cisweep.outputs import h5
from cisweep.outputs.h5 import Column, RowWriter, merge, n_rows, open_rows, read_windows
from cisweep.outputs.predictions import (
    PredictionWriter,
    merge_predictions,
    open_predictions,
    predictions_at,
)

ATTRS = {"settings": "abc", "seed": 3, "more": {"a": [1, 2]}}


def rows_of(n: int) -> tuple[Windows, dict]:
    rng = np.random.default_rng(5)
    start = np.sort(rng.integers(0, 10_000, n))
    names = [f"näme {i}" if i % 3 else "" for i in range(n)]
    windows = Windows.build(["chr1"] * n, start, start + 7, list(rng.choice(list("+-."), n)), names)
    values = {
        **h5.region_rows(windows),
        "tokens": rng.integers(0, 5, (n, 7)).astype(np.uint8),
        "predictions/t": rng.normal(size=n).astype(np.float32),
    }
    return windows, values


COLUMNS = [
    *h5.region_columns(),
    Column("tokens", (7,), np.uint8),
    Column("predictions/t", (), np.float32),
]


def write(path, values, begin, end, step=None):
    with RowWriter(path, COLUMNS, ATTRS) as writer:
        for a in range(begin, end, step or max(end - begin, 1)):
            b = min(a + step, end) if step else end
            writer.append({k: v[a:b] for k, v in values.items()})
    return path


@pytest.mark.parametrize("n", [0, 1, 2048, 2500])
@pytest.mark.parametrize("cuts", [[], [0, 0], [1], [31, 32, 1023], [1024, 1025], [700, 1400, 2100]])
def test_merged_files_have_the_same_bytes(tmp_path, n, cuts):
    windows, values = rows_of(n)
    edges = [0, *[c for c in cuts if c <= n], n]
    parts = [
        write(tmp_path / f"p{i}.h5", values, a, b) for i, (a, b) in enumerate(zip(edges, edges[1:]))
    ]
    assert merge(parts, tmp_path / "merged.h5", ATTRS) == n
    merge([write(tmp_path / "one.h5", values, 0, n)], tmp_path / "whole.h5", ATTRS)
    assert (tmp_path / "merged.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
    with open_rows(tmp_path / "merged.h5") as file:
        assert n_rows(file) == n
        assert read_windows(file).keys() == windows.keys()
        assert list(read_windows(file).name) == list(windows.name)
        np.testing.assert_array_equal(file["tokens"][:], values["tokens"])
        np.testing.assert_array_equal(file["predictions/t"][:], values["predictions/t"])
        assert file.attrs["settings"] == "abc" and file.attrs["schema_version"] == 1
        assert file["tokens"].chunks == (32, 7) and file["tokens"].compression_opts == 1


@pytest.mark.parametrize("step", [1, 333, 1024])
def test_blocks_of_appends_do_not_matter(tmp_path, step):
    _, values = rows_of(1500)
    one = write(tmp_path / "one.h5", values, 0, 1500)
    assert one.read_bytes() == write(tmp_path / "b.h5", values, 0, 1500, step).read_bytes()


def test_left_out_columns_and_blocks(tmp_path):
    windows, values = rows_of(50)
    write(tmp_path / "p.h5", values, 0, 50)
    merge([tmp_path / "p.h5"], tmp_path / "m.h5", {}, leave_out=["tokens"])
    with open_rows(tmp_path / "m.h5") as file:
        assert "tokens" not in file and n_rows(file) == 50
        found = list(h5.blocks(file, ["predictions/t", "regions/chrom"], size=20))
        assert [len(v["predictions/t"]) for _, v in found] == [20, 20, 10]
        assert found[0][1]["regions/chrom"][0] == "chr1"
    blocks = list(h5.track_blocks(tmp_path / "p.h5", "predictions/t"))
    assert blocks[0][0].keys() == windows.keys()
    np.testing.assert_array_equal(blocks[0][1], values["predictions/t"])


def test_wrong_rows_are_an_error(tmp_path):
    _, values = rows_of(5)
    with RowWriter(tmp_path / "p.h5", COLUMNS, {}) as writer:
        with pytest.raises(ProductError, match="rows have columns"):
            writer.append({"tokens": values["tokens"]})
        with pytest.raises(ProductError, match="different lengths"):
            writer.append(values | {"tokens": values["tokens"][:2]})


def test_broken_and_foreign_files_are_errors(tmp_path):
    (tmp_path / "x.h5").write_bytes(b"no")
    with pytest.raises(ProductError, match=r"x.h5: not a readable HDF5 file .*Mend: delete it"):
        open_rows(tmp_path / "x.h5")
    with h5py.File(tmp_path / "y.h5", "w") as file:
        file.attrs["schema_version"] = 99
    with pytest.raises(ProductError, match="schema version 99; this cisweep .* reads 1"):
        open_rows(tmp_path / "y.h5")


def table_of(n: int) -> tuple[Windows, np.ndarray, np.ndarray]:
    """Windows on two chromosomes with names of all lengths, predictions of two targets, tracks."""
    windows, _ = rows_of(n)
    windows.chrom[n // 2 :] = "chromosome_2"
    windows.name[: n // 2] = "é"
    rng = np.random.default_rng(1)
    return windows, rng.random((n, 2), np.float32), rng.random((n, 2, 3), np.float32)


def predicted(path, rows, tracks=False):
    windows, values, profiles = rows
    shapes = {"p": (2, 3)} if tracks else {}
    with PredictionWriter(path, windows, ["a", "b"], ATTRS, shapes) as writer:
        writer.append(windows, values, 1 - values, {"p": profiles})
    return path


@pytest.mark.parametrize("tracks", [False, True])
@pytest.mark.parametrize("cuts", [[], [0, 0], [1], [2500, 2501], [1024, 4095, 4097]])
def test_merged_predictions_have_the_same_bytes(tmp_path, cuts, tracks):
    n = 5000
    rows = table_of(n)
    edges = [0, *cuts, n]
    parts = [
        predicted(
            tmp_path / f"p{i}.h5", (rows[0].take(slice(a, b)), *(v[a:b] for v in rows[1:])), tracks
        )
        for i, (a, b) in enumerate(zip(edges, edges[1:]))
    ]
    assert merge_predictions(parts, tmp_path / "merged.h5", ATTRS) == n
    whole = tmp_path / "whole.h5"
    merge_predictions([predicted(tmp_path / "one.h5", rows, tracks)], whole, ATTRS)
    assert (tmp_path / "merged.h5").read_bytes() == whole.read_bytes()
    with open_predictions(whole) as file:
        found = read_windows(file)
        assert found.keys() == rows[0].keys() and list(found.name) == list(rows[0].name)
        assert file["regions/chrom"].asstr()[-1] == "chromosome_2" and "tokens" not in file
        np.testing.assert_array_equal(file["predictions/b"][:], rows[1][:, 1])
        assert file["predictions/b"].chunks == (4096,)
        if tracks:
            np.testing.assert_array_equal(file["predictions/p"][:], rows[2])
            assert file["predictions/p"].chunks == (32, 2, 3)


def test_a_window_of_tiles_takes_few_bytes(tmp_path):
    n = 40_000
    start = np.arange(n) * 100
    windows = Windows.build(["chr1"] * n, start, start + 200)
    values = np.random.default_rng(0).normal(-4, 2, (n, 2)).astype(np.float32)
    path = tmp_path / "p.h5"
    with PredictionWriter(path, windows, ["a", "b"], ATTRS) as writer:
        writer.append(windows, values, 0 * values)
    assert path.stat().st_size < 10 * n


@pytest.mark.parametrize("absent", [np.nan, -np.inf])
def test_predictions_of_chosen_windows(tmp_path, absent):
    windows = Windows.build(
        np.repeat(["c1", "c2"], 40), [*range(-5, 35), *range(40)], [*range(2, 42), *range(7, 47)],
        ["+", "-"] * 40,
    )  # fmt: skip
    values = np.arange(160, dtype=np.float32).reshape(80, 2)
    path = predicted(tmp_path / "p.h5", (windows, values, None))
    others = Windows.build(["c0", "c2", "c2"], [0, 0, 1], [7, 8, 8], ["+", "+", "+"])
    some = np.random.default_rng(0).permutation(80)[:30]
    asked = Windows.concatenate([others, windows.take(some)])
    known = dict(zip(windows.keys(), values[:, 1]))
    keys = asked.keys()
    wanted = [known.get(key, absent) for key in keys]
    found = predictions_at(path, ["b", "a"], asked, absent)
    np.testing.assert_array_equal(found["b"], wanted)
    other = dict(zip(windows.keys(), values[:, 0]))
    np.testing.assert_array_equal(found["a"], [other.get(key, absent) for key in keys])
    assert not len(predictions_at(path, ["b"], Windows.build([], [], []))["b"])


def test_predictions_of_an_older_layout_say_who_wrote_them(tmp_path):
    with RowWriter(tmp_path / "p.h5", COLUMNS, {"cisweep_version": "0.0.9"}):
        pass
    said = (
        "p.h5: schema version 1, written by cisweep 0.0.9; "
        rf"this cisweep \({re.escape(__version__)}\) reads 2"
    )
    for read in (open_predictions, lambda path: list(h5.prediction_blocks(path, "t"))):
        with pytest.raises(ProductError, match=said) as error:
            read(tmp_path / "p.h5")
        assert error.value.mend == "delete it and run the workflow again"
