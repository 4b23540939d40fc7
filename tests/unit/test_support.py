"""The comparison of two runs' products sees what differs; nothing is skipped in silence."""

import importlib.util

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyBigWig
import pytest


@pytest.fixture(scope="module")
def same_product(root):
    path = root / "tests" / "workflow" / "support.py"
    spec = importlib.util.spec_from_file_location("workflow_support", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.same_product


def h5(path, value=1.0, seed=0, unit="bp", name="x", dtype=np.float32):
    with h5py.File(path, "w") as file:
        file.attrs["seed"] = seed
        file.create_group("g").attrs["design"] = "d"
        file[f"g/{name}"] = np.array([value, 2.0], dtype)
        file[f"g/{name}"].attrs["unit"] = unit


@pytest.mark.parametrize(
    "change",
    [
        {"value": 3.0}, {"seed": 1}, {"unit": "kb"}, {"name": "y"}, {"dtype": np.float64},
    ],
)  # fmt: skip
def test_hdf5_values_types_names_and_attributes(tmp_path, same_product, change):
    h5(tmp_path / "a.h5")
    h5(tmp_path / "b.h5")
    same_product(tmp_path / "a.h5", tmp_path / "b.h5")
    h5(tmp_path / "b.h5", **change)
    with pytest.raises(AssertionError):
        same_product(tmp_path / "a.h5", tmp_path / "b.h5")


def test_hdf5_within_a_tolerance(tmp_path, same_product):
    h5(tmp_path / "a.h5")
    h5(tmp_path / "b.h5", value=1.00001)
    same_product(tmp_path / "a.h5", tmp_path / "b.h5", 1e-4)
    with pytest.raises(AssertionError):
        same_product(tmp_path / "a.h5", tmp_path / "b.h5")
    h5(tmp_path / "b.h5", value=1.00001, seed=1)
    with pytest.raises(AssertionError, match="attribute seed"):
        same_product(tmp_path / "a.h5", tmp_path / "b.h5", 1e-4)


def test_metadata_of_parquet(tmp_path, same_product):
    table = pa.table({"x": [1, 2]})
    pq.write_table(table.replace_schema_metadata({"seed": "0"}), tmp_path / "a.parquet")
    pq.write_table(table.replace_schema_metadata({"seed": "1"}), tmp_path / "b.parquet")
    same_product(tmp_path / "a.parquet", tmp_path / "a.parquet")
    with pytest.raises(AssertionError):
        same_product(tmp_path / "a.parquet", tmp_path / "b.parquet")


@pytest.mark.parametrize("suffix", ["bed", "svg", "vcf.gz", "narrowPeak", "meme", "fa", "json"])
def test_text_and_drawings(tmp_path, same_product, suffix):
    a, b = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    a.write_text("chr1\t1\n")
    b.write_text("chr1\t2\n")
    same_product(a, a)
    with pytest.raises(AssertionError):
        same_product(a, b)


def test_a_bed_is_compared_within_a_tolerance_too(tmp_path, same_product):
    for name, end, score in (("a", 9, 0.5), ("b", 9, 0.500001), ("c", 8, 0.5), ("d", 9, 0.6)):
        (tmp_path / f"{name}.bed").write_text(f"chr1\t1\t{end}\t{score}\n")
    same_product(tmp_path / "a.bed", tmp_path / "b.bed", 1e-5)
    for other in "cd":
        with pytest.raises(AssertionError):
            same_product(tmp_path / "a.bed", tmp_path / f"{other}.bed", 1e-5)


def test_bigwig(tmp_path, same_product):
    for name, value in (("a", 1.0), ("b", 2.0)):
        with pyBigWig.open(str(tmp_path / f"{name}.bw"), "w") as file:
            file.addHeader([("c", 10)])
            file.addEntries(["c"], [1], ends=[3], values=[value])
    same_product(tmp_path / "a.bw", tmp_path / "a.bw")
    with pytest.raises(AssertionError):
        same_product(tmp_path / "a.bw", tmp_path / "b.bw")


def test_tables_and_their_places(tmp_path, same_product):
    pd.DataFrame({"x": [1.0], "pos_1based": [3]}).to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    pd.DataFrame({"x": [2.0], "pos_1based": [3]}).to_csv(tmp_path / "b.tsv", sep="\t", index=False)
    pd.DataFrame({"x": [1.0], "pos": [2]}).to_csv(tmp_path / "c.tsv", sep="\t", index=False)
    same_product(tmp_path / "a.tsv", tmp_path / "a.tsv")
    with pytest.raises(AssertionError):
        same_product(tmp_path / "a.tsv", tmp_path / "b.tsv")
    with pytest.raises(AssertionError, match="a place is start and end, or pos_1based"):
        same_product(tmp_path / "c.tsv", tmp_path / "c.tsv")


def test_provenance_but_for_the_config(tmp_path, same_product):
    for name, text in (("a", '{"seed": 1, "config": 1}'), ("b", '{"seed": 1, "config": 2}'),
                       ("c", '{"seed": 2, "config": 1}')):  # fmt: skip
        (tmp_path / name).mkdir()
        (tmp_path / name / "provenance.json").write_text(text)
    a, b, c = (tmp_path / name / "provenance.json" for name in "abc")
    same_product(a, b)
    with pytest.raises(AssertionError):
        same_product(a, c)


def test_an_unknown_suffix_is_an_error(tmp_path, same_product):
    (tmp_path / "a.xyz").write_text("1")
    with pytest.raises(AssertionError, match="say in support.py how products of '.xyz'"):
        same_product(tmp_path / "a.xyz", tmp_path / "a.xyz")
