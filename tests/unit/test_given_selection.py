"""Where a rate of selected windows is read, it says that it is given the selection."""

import pandas as pd
import pyarrow.parquet as pq
import pytest

from cisweep.outputs import hits, seqlets
from cisweep.outputs.tables import write_parquet

GIVEN = "given the selection of the windows"


@pytest.mark.parametrize(
    ("schema", "columns"),
    [(seqlets.SCHEMA, ["q_value"]), (hits.schema(["ctcf"]), ["q_value", "q_value_pooled"])],
    ids=["seqlets", "hits"],
)
def test_tables_say_it_beside_the_column(tmp_path, schema, columns):
    write_parquet(pd.DataFrame(columns=schema.names), tmp_path / "t.parquet", schema, {"a": "b"})
    found = pq.read_schema(tmp_path / "t.parquet")
    assert found.metadata[b"a"] == b"b"
    for name in columns:
        assert GIVEN in found.field(name).metadata[b"about"].decode()


@pytest.mark.parametrize("step", ["seqlets", "hits"])
def test_documents_say_it(root, step):
    sections = (root / "config" / "README.md").read_text().split("\n### ")
    (section,) = (text for text in sections if text.startswith(f"`steps.{step}`"))
    assert GIVEN in section
    row = next(
        line for line in (root / "README.md").read_text().splitlines()
        if line.startswith(f"| {step} |")
    )  # fmt: skip
    assert GIVEN in row


@pytest.mark.parametrize("caption", ["seqlets", "motif_ranking", "motif_families"])
def test_captions_say_it(root, caption):
    text = (root / "workflow" / "report" / f"{caption}.rst").read_text()
    assert GIVEN in text
