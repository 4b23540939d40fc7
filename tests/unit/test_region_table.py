"""Regions × targets: Parquet, TSV and .h5ad hold what the merged predictions do."""

import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from cisweep.config.model import ModelConfig
from cisweep.contracts import Windows
from cisweep.outputs import region_table
from cisweep.outputs.predictions import PredictionWriter
from cisweep.outputs.region_table import column_names, target_blocks, write_region_table
from cisweep.outputs.tables import read_parquet, read_tsv
from cisweep.outputs.targets import targets_table
from cisweep.products import product_at
from cisweep.steps.predict import STEP, TSV_NUMBERS, PredictConfig

NAMES = ["Oligo", "L2/3 IT", "start", "β"]
SCALES = dict.fromkeys(NAMES, "logit")
REGION = ["chrom", "start", "end", "strand", "name"]
COLUMNS = [*REGION, "Oligo", "L2/3 IT", "target start", "β"]


def config(names=NAMES) -> ModelConfig:
    targets = [
        {"name": n, "tasks": [i], "group": f"g{i}", "annotation": {"a/b": f"x{i}", "kind": "y"}}
        for i, n in enumerate(names)
    ]
    base = {"adapter": "state_dict", "module": "Linear", "window_bp": 8}
    return ModelConfig.model_validate(base | {"targets": targets, "folds": [{"weights": "w"}]})


@pytest.fixture(params=[0, 1, 5000])
def predictions(tmp_path, request):
    """A file of predictions of that many windows, the windows and the values."""
    n = request.param
    start = np.arange(n) * 7
    chrom = ["chr1"] * (n // 2) + ["chr2"] * (n - n // 2)
    names = [f"region {i}\"'" if i % 3 else "" for i in range(n)]
    windows = Windows.build(chrom, start, start + 8, ["+"] * n, names)
    values = np.random.default_rng(0).normal(size=(n, len(NAMES))).astype(np.float32)
    path = tmp_path / "predictions.h5"
    with PredictionWriter(path, windows, NAMES, {}) as writer:
        writer.append(windows, values, 0 * values)
    return path, windows, values


def write(predictions, path):
    about = targets_table(config())
    write_region_table(path, predictions[0], SCALES, about, {"seed": 7, "settings": "abc"})
    return path


def same(table: pd.DataFrame, windows: Windows, values: np.ndarray) -> None:
    assert list(table.columns) == COLUMNS
    for name in REGION:
        assert table[name].tolist() == getattr(windows, name).tolist()
    found = table[COLUMNS[5:]].to_numpy(np.float32).reshape(-1, len(NAMES))
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("cells", [1, 1 << 22])
def test_parquet(predictions, tmp_path, monkeypatch, cells):
    monkeypatch.setattr(region_table, "_CELLS", cells)
    path = write(predictions, tmp_path / "p.parquet")
    same(read_parquet(path).to_pandas(), *predictions[1:])
    file = pq.ParquetFile(path)
    field = file.schema_arrow.field("L2/3 IT")
    assert str(field.type) == "float" and field.metadata[b"unit"] == b"logit"
    assert field.metadata[b"about"] == b"prediction of L2/3 IT"
    assert file.schema_arrow.metadata[b"seed"] == b"7"
    assert file.num_row_groups == (2 if cells == 1 and len(predictions[1]) > 4096 else
                                   min(1, len(predictions[1])))  # fmt: skip


def test_tsv(predictions, tmp_path):
    same(read_tsv(write(predictions, tmp_path / "p.tsv")), *predictions[1:])


def test_h5ad_is_what_anndata_reads(predictions, tmp_path):
    anndata = pytest.importorskip("anndata", reason="the optional package anndata is not installed")
    path, windows, values = write(predictions, tmp_path / "p.h5ad"), *predictions[1:]
    found = anndata.read_h5ad(path)
    assert found.shape == values.shape and found.X.dtype == np.float32
    np.testing.assert_array_equal(found.X, values)
    assert found.obs_names.tolist() == windows.keys() and found.var_names.tolist() == NAMES
    for name in REGION:
        assert found.obs[name].tolist() == getattr(windows, name).tolist()
    assert found.var["group"].tolist() == ["g0", "g1", "g2", "g3"]
    assert found.var["a_b"].tolist() == ["x0", "x1", "x2", "x3"]
    assert set(found.var["table_kind"]) == {"y"} and set(found.var["kind"]) == {"target"}
    assert found.uns["cisweep"]["seed"] == "7"
    # Written again it is as anndata itself lays it out.
    found.copy().write_h5ad(tmp_path / "again.h5ad", convert_strings_to_categoricals=False)
    ours, theirs = layout(path), layout(tmp_path / "again.h5ad")
    assert ours.keys() == theirs.keys()
    assert {k: v for k, v in ours.items() if v != theirs[k]} == {}
    backed = anndata.read_h5ad(path, backed="r")
    np.testing.assert_array_equal(backed[: len(values)].to_memory().X, values)


def layout(path) -> dict[str, dict[str, object]]:
    """Return path -> attributes of all that is in an HDF5 file."""
    found = {}
    with h5py.File(path) as file:
        found["/"] = dict(file.attrs)
        file.visititems(lambda name, item: found.update({name: dict(item.attrs)}))
    return {
        path: {k: v.tolist() if hasattr(v, "tolist") else v for k, v in of.items()}
        for path, of in found.items()
    }


def test_h5ad_holds_the_same(predictions, tmp_path):
    """What is read by h5py, for machines without anndata."""
    path, windows, values = write(predictions, tmp_path / "p.h5ad"), *predictions[1:]
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["X"][:], values)
        obs = file["obs"]
        assert obs["_index"].asstr()[:].tolist() == windows.keys()
        chrom = obs["chrom/categories"].asstr()[:][obs["chrom/codes"][:]]
        assert chrom.tolist() == windows.chrom.tolist()
        assert obs["start"][:].tolist() == windows.start.tolist()
        assert file["var/_index"].asstr()[:].tolist() == NAMES
        assert list(file["var"].attrs["column-order"]) == [
            "file_name", "kind", "scale", "group", "color", "a_b", "table_kind",
        ]  # fmt: skip


def test_blocks_are_of_the_targets_that_are_asked_for(predictions):
    path, windows, values = predictions
    parts = list(target_blocks(path, ["β", "Oligo"]))
    assert [len(w) for w, _ in parts] == [len(v) for _, v in parts]
    joined = np.concatenate([np.zeros((0, 2), np.float32), *(v for _, v in parts)])
    np.testing.assert_array_equal(joined, values[:, [3, 0]])


def test_columns_have_names_of_their_own():
    assert column_names(["a", "start"]) == ["a", "target start"]
    names = column_names(["start", "target start", "target target start"])
    assert names == ["target target target start", "target start", "target target start"]


def test_a_tsv_is_written_where_it_is_not_too_large():
    model = config()
    n = TSV_NUMBERS // len(NAMES)
    for tsv, rows, there in ((None, n, True), (None, n + 1, False), (True, n + 1, True),
                             (False, 1, False)):  # fmt: skip
        step = PredictConfig(tsv=tsv)
        left = set(STEP.products(step, model)) - STEP.too_large(step, model, rows)
        assert ("predictions.tsv" in left) == there
        assert "predictions.parquet" in left and "predictions.h5ad" not in left
    assert "predictions.h5ad" in STEP.products(PredictConfig(h5ad=True), model)


def test_formats_are_described():
    for ending in ("parquet", "tsv", "h5ad"):
        assert product_at(f"m/predictions.{ending}").path == f"<model>/predictions.{ending}"
