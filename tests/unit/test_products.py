"""What a run writes is what cisweep.products declares, and docs/output.md says."""

import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from described import check_described, products_of

from cisweep.config.model import ModelConfig
from cisweep.config.targets import TargetConfig, TrackConfig
from cisweep.errors import ProductError
from cisweep.jobs import attribute, hits, prepare
from cisweep.outputs.h5 import Column, RowWriter
from cisweep.outputs.tables import arrow_schema, write_parquet, write_product
from cisweep.plan.output_document import output_document
from cisweep.products import Field, Product, all_products, product_at
from cisweep.products.hits import HITS
from cisweep.steps import all_steps

TABLE = Product(
    "<model>/t.tsv",
    "A table.",
    (
        Field("chrom", "text", "its chromosome"),
        Field("a_<target>", "float64", "its a", "bits"),
        Field("b_<target>", "bool", "its b"),
        Field("extra", "list of int64", "more", when="asked for"),
    ),
)
EVERY = [(name, p) for name, products in all_products().items() for p in products]
BESIDE = {
    "figures/<figure>.svg",
    "browser/<file>.bb",
    "browser/<kind>.html",
    "<model>/ism/regions.bed",
    "<model>/variants.vcf.gz.tbi",
    "base_counts.json",
    "train/<trained>/fold<fold>.heldout.tsv",
    "targets/<model>.<target>.html",
    "train/<trained>/fold<fold>.json",
    "train/<trained>/fold<fold>.safetensors",
    "train/<trained>/tracks/<file>.bw",
    "variants/selected.parquet",
    "variants/unread.tsv",
}
"""What rules leave beside the products of their step."""
OPTIONS = {
    "train": {"models": {"t": None}}, "report": {"hub": True}, "variants": {"wide": True},
}  # fmt: skip


def left_by(step) -> list[str]:
    """Return the paths that a step says it leaves, with all options, of a model with a track."""
    targets = [TargetConfig(name=name, tasks=[0], scale="counts") for name in ("x", "y")]
    track = TrackConfig(name="s", tasks=[0, 1], counts=["x"])
    model = ModelConfig.model_construct(targets=targets, tracks=[track], adapter="state_dict")
    config = step.config.model_construct(**OPTIONS.get(step.name, {}))
    if step.name == "predict":
        config = step.config(signal={"s": {"paths": ["a.bw", "b.bw"]}}, h5ad=True)
    return [f"m/{p}" for p in step.products(config, model)] + step.run_products(config)


@pytest.mark.parametrize("step", all_steps().values(), ids=lambda step: step.name)
def test_what_a_step_leaves_is_declared(step):
    paths, declared = left_by(step), all_products()[step.name]
    for path in paths:
        assert product_at(path) in declared, path
    left = {product_at(path).path for path in paths} | BESIDE
    assert {product.path for product in declared} <= left


@pytest.mark.parametrize(("step", "product"), EVERY, ids=[f"{s}-{p.path}" for s, p in EVERY])
def test_everything_declared_has_a_meaning(step, product):
    assert step in all_steps() or step == "run"
    assert product.what.endswith((".", "?")) and product_at(
        product.path.replace("<", "").replace(">", "")
    )
    names = [field.name for field in (*product.fields, *product.attributes)]
    assert len(set(names)) == len(names)
    for field in (*product.fields, *product.attributes):
        assert len(field.about) > 3 and field.type, field
    assert bool(product.fields) == (
        product.path.endswith((".tsv", ".parquet", ".h5", ".json")) and not product.any_fields
    )


def test_the_document_explains_each_column():
    text = output_document()
    for word in (
        "q_value_pooled",
        "cosine_<target>",
        "best_<target>",
        "null_mean",
        "max_delta_share",
        "hypothetical_scale/<target>",
        "attributions_fold_sd/<target>",
    ):
        row = next(line for line in text.splitlines() if line.startswith(f"| `{word}` |"))
        assert len(row.split("|")[4].strip()) > 20, word  # fmt: skip
    for _, product in EVERY:
        assert f"### `{product.path}`" in text


def test_names_stand_in_the_place_of_targets():
    assert TABLE.names(target=["x", "y"]) == ["chrom", "a_x", "b_x", "a_y", "b_y"]
    schema = arrow_schema(TABLE, target=["x"])
    assert [str(t) for t in schema.types] == ["string", "double", "bool", "list<item: int64>"]
    assert schema.field("a_x").metadata == {b"about": b"its a", b"unit": b"bits"}
    assert schema.field("b_x").metadata == {b"about": b"its b"}


def test_a_parquet_file_says_what_its_columns_are(tmp_path):
    product = Product("t.parquet", "A table.", TABLE.fields[:1])
    write_parquet(pd.DataFrame({"chrom": ["c"]}), tmp_path / "t", arrow_schema(product), {})
    assert pq.read_schema(tmp_path / "t").field("chrom").metadata[b"about"] == b"its chromosome"


def test_columns_come_in_the_order_of_the_declaration(tmp_path):
    table = pd.DataFrame({"b_x": [True], "a_x": [1.0], "chrom": ["c"]})
    write_product(table, tmp_path / "t.tsv", TABLE)
    assert (tmp_path / "t.tsv").read_text().split() == ["chrom", "b_x", "a_x", "c", "True", "1"]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (["chrom", "a_x", "b_x", "z"], "those of <model>/t.tsv: z not described"),
        (["chrom", "a_x"], "those of <model>/t.tsv: b_<target> not there"),
        (["a_x", "b_x", "z"], "z not described; chrom not there"),
    ],
)
def test_a_column_that_is_not_declared_is_not_written(tmp_path, columns, told):
    table = pd.DataFrame({name: [] for name in columns})
    with pytest.raises(ProductError) as error:
        write_product(table, tmp_path / "t.tsv", TABLE)
    assert told in str(error.value) and "describe what is written in cisweep/products" in str(
        error.value
    )
    assert not (tmp_path / "t.tsv").exists()


def test_a_dataset_that_is_not_declared_is_not_written(tmp_path):
    product = Product("t.h5", "Rows.", (Field("x/<target>", "float32 (N)", "its x"),))
    column = Column("y/t", (), np.float32)
    with pytest.raises(ProductError, match=r"y/t not described; x/<target> not there"):
        RowWriter(tmp_path / "t.h5", [column], {}, product)
    with RowWriter(tmp_path / "t.h5", [Column("x/t", (), np.float32)], {}, product) as writer:
        writer.append({"x/t": np.zeros(2)})
    with h5py.File(tmp_path / "t.h5") as file:
        assert file["x/t"].shape == (2,)


def test_of_two_products_that_fit_the_closer_one_is_meant():
    assert product_at("m/variants.dropped.tsv").path == "<model>/variants.dropped.tsv"
    assert product_at("m/variants.ctcf.hits.tsv").path == "<model>/variants.<target>.hits.tsv"
    assert product_at("m/tracks/t.plus.pred.bw").path == "<model>/tracks/<track>.plus.pred.bw"
    assert product_at("m/tracks/t.pred.bw").path == "<model>/tracks/<target>.pred.bw"
    assert product_at("browser/description.html").path == "browser/description.html"
    assert product_at("browser/Peaks.html").path == "browser/<kind>.html"
    assert product_at("m/unheard.tsv") is None and product_at("m/x/peaks.tsv") is None


@pytest.fixture(scope="module")
def results(small_run, tmp_path_factory):
    """A small run's folder: attributions of both targets, exported, and hits."""
    folder = tmp_path_factory.mktemp("products")
    (folder / "m" / "export").mkdir(parents=True)
    steps = {"attribute": {"references": "uniform", "n_references": 1}, "hits": {"null_copies": 2}}
    plan = small_run.plan(**steps)
    part, dropped = tmp_path_factory.mktemp("part"), folder / "dropped_regions.tsv"
    of = small_run.of_chunk(plan)
    windows = attribute.attribute_windows_of(of, None)
    attribute.attribute_chunk(of, windows, "cpu", part / "a.h5", part / "d.tsv")
    model = small_run.of_model(plan)
    h5 = folder / "m" / "attributions.h5"
    attribute.attribute(model, [part / "a.h5"], h5, folder / "m" / "attribution_summary.tsv")
    export = folder / "m" / "export"
    attribute.export_target(h5, "ctcf", export / "ctcf.shap.h5", export / "ctcf.narrowPeak")
    hits.hits_background(small_run.of_run(plan), folder / "base_counts.json")
    prepare.dropped_regions(small_run.of_run(plan), [part / "d.tsv"], [], dropped)
    return folder


def test_a_small_run_is_described(results):
    found = check_described(results)
    assert ("<model>/attributions.h5", "hypothetical_scale/ctcf") in found
    assert ("<model>/export/<target>.shap.h5", "shap/seq") in found


def test_what_is_not_described_is_found(results, tmp_path):
    with h5py.File(results / "m" / "attributions.h5", "r+") as file:
        file["secret"] = 1
    with pytest.raises(ProductError, match="secret not described"):
        check_described(results)
    with h5py.File(results / "m" / "attributions.h5", "r+") as file:
        del file["secret"]
        file.attrs["mood"] = 1
    with pytest.raises(ProductError, match="mood not described"):
        check_described(results)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "new.tsv").write_text("a\tb\n")
    with pytest.raises(ProductError, match="a product that is not described"):
        check_described(tmp_path)


def test_hits_without_attributions_have_no_columns_of_targets():
    whole, alone = (arrow_schema(HITS, target=t).names for t in (["x"], []))
    assert [n for n in whole if n not in alone] == [
        *("attribution_x", "cosine_x", "projection_x", "best_x")
    ]
    HITS.check(whole, "hits.parquet")
    HITS.check(alone, "hits.parquet")


def test_what_lies_beside_the_products_is_none_of_them(tmp_path):
    """Notes of origin, logs, parts, and indices that could not be written beside the inputs."""
    for name in (
        ".inputs/g.fa.fai",
        "m/.t.tsv.origin",
        "logs/a.log",
        "m/chunks/c/t.tsv",
        "m/t.tsv",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a\n")
    assert products_of(tmp_path) == ["m/t.tsv"]
