"""Small parts of a run: damage of any byte is an error with one clear line, or the same content."""

import json

import numpy as np
import pyarrow as pa
import pytest

from cisweep.errors import ProductError
from cisweep.outputs.tables import ParquetWriter, open_parquet, read_parquet
from cisweep.parts import read_arrays, read_json

MESSAGE = "not a readable {kind} file (.+). Mend: delete it and run the workflow again"


def test_whole_files_are_read(tmp_path):
    (tmp_path / "a.json").write_text('{"a": [1, 2]}')
    np.savez(tmp_path / "a.npz", x=np.arange(3), y=np.ones((2, 2)))
    assert read_json(tmp_path / "a.json") == {"a": [1, 2]}
    found = read_arrays(tmp_path / "a.npz")
    assert list(found) == ["x", "y"] and found["x"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b'{"a": "\xff"}'])
def test_a_cut_off_json_is_one_clear_error(tmp_path, content):
    path = tmp_path / "size.json"
    path.write_bytes(content)
    with pytest.raises(ProductError, match="size.json: " + MESSAGE.format(kind="JSON")):
        read_json(path)


def test_an_npz_that_is_cut_off_anywhere_is_one_clear_error(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(30), y=np.ones((2, 2)))
    whole = path.read_bytes()
    for n in (*range(0, len(whole), 13), len(whole) - 1):
        path.write_bytes(whole[:n])
        with pytest.raises(ProductError, match="a.npz: " + MESSAGE.format(kind="npz")):
            read_arrays(path)


def test_a_flipped_npz_is_an_error_or_gives_the_same_arrays(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(30))
    whole = path.read_bytes()
    errors = 0
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 8]) + whole[at + 1 :])
        try:
            found = read_arrays(path)
        except ProductError:
            errors += 1
        else:
            assert all(np.array_equal(x, np.arange(30)) for x in found.values())
    assert errors > len(whole) / 2  # the data have a checksum, gaps of the archive do not


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "rows.parquet"
    rows = pa.table({"a": np.arange(2000), "b": np.random.default_rng(0).normal(size=2000)})
    with ParquetWriter(path, rows.schema, {}) as writer:
        writer.append(rows.to_pandas())
    return path, rows


def test_a_flipped_parquet_is_never_read_as_other_rows(table):
    path, rows = table
    assert read_parquet(path).equals(rows)
    whole = path.read_bytes()
    draw = np.random.default_rng(1)
    errors = 0
    for at in draw.integers(0, len(whole), 300):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << draw.integers(8)]) + whole[at + 1 :])
        try:
            assert read_parquet(path).to_pandas().equals(rows.to_pandas())
        except ProductError as error:
            assert "rows.parquet: not a readable Parquet file" in str(error)
            errors += 1
    assert errors > 270


def test_a_cut_off_parquet_is_one_clear_error(table):
    path, _ = table
    whole = path.read_bytes()
    for n in (0, 3, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:n])
        for read in (read_parquet, open_parquet):
            with pytest.raises(ProductError, match=MESSAGE.format(kind="Parquet")):
                read(path)


@pytest.mark.parametrize("read", [read_json, read_arrays, read_parquet, open_parquet])
def test_a_missing_part_is_told_from_a_damaged_one(tmp_path, read):
    with pytest.raises(ProductError, match="x: there is no such file. Mend: run the workflow"):
        read(tmp_path / "x")


def test_json_of_a_product_is_utf_8_in_any_locale(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"ü": 1}, ensure_ascii=False), encoding="utf-8")
    assert read_json(tmp_path / "a.json") == {"ü": 1}
