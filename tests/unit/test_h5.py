"""HDF5 products: merging is concatenation, with the same bytes however the rows were split."""

import h5py
import numpy as np
import pytest

from cisweep.contracts import Windows
from cisweep.errors import ProductError
from cisweep.outputs import h5
from cisweep.outputs.h5 import Column, RowWriter, merge, n_rows, open_rows, read_windows

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
    blocks = list(h5.prediction_blocks(tmp_path / "p.h5", "t"))
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
    with pytest.raises(ProductError, match="schema version 99, this cisweep reads 1"):
        open_rows(tmp_path / "y.h5")
