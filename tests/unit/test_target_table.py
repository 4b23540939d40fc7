"""Targets of a model from a table, and targets that are chosen by name, group or pattern."""

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml
from pydantic import ValidationError

from cisweep.config.messages import messages
from cisweep.config.model import ModelConfig
from cisweep.config.target_table import chosen, nearest, shortened
from cisweep.errors import ConfigError
from cisweep.jobs.prepare import write_targets
from cisweep.plan.model_keys import targets_key
from cisweep.plan.run_config import read_model_config

ROWS = """index\tname\tgroup\tcolour\tassay\tfile_name
3\tK562:DNASE\tblood\t#aa00FF\tDNASE\ta.bw
0\tL2/3 IT\tneuron\t\tATAC\tb.bw
7\tOligo\tglia\t\tATAC\tc.bw
8\toligo\tglia\t\tCAGE\td.bw
"""
BASE = {"adapter": "state_dict", "module": "Linear", "window_bp": 8, "folds": [{"weights": "w"}]}


def write(folder: Path, text: str = ROWS, **keys) -> Path:
    """Write a table, and a model.yaml beside it with its targets; return the model.yaml."""
    (folder / "targets.tsv").write_text(text)
    data = BASE | {"targets": {"table": "targets.tsv", **keys}}
    (folder / "m.yaml").write_text(yaml.safe_dump(data))
    return folder / "m.yaml"


def names(path: Path) -> list[str]:
    return read_model_config(path).target_names


def test_a_row_is_a_target(tmp_path):
    config = read_model_config(write(tmp_path, scale="log1p_counts", head=1, reduce="mean"))
    assert config.target_names == ["K562:DNASE", "L2/3 IT", "Oligo", "oligo"]
    assert [t.tasks for t in config.targets] == [[3], [0], [7], [8]]
    assert {(t.scale, t.head, t.reduce) for t in config.targets} == {("log1p_counts", 1, "mean")}
    assert config.groups["L2/3 IT"] == "neuron"
    first = config.targets[0]
    assert first.color == "#aa00FF" and first.annotation == {"assay": "DNASE", "file_name": "a.bw"}


def test_columns_of_the_table_are_named(tmp_path):
    text = "track\tidentifier\tdescription\n5\tENCFF1\tDNASE:K562\n6\tENCFF2\tDNASE:HepG2\n"
    config = read_model_config(write(tmp_path, text, name="description"))
    assert [(t.name, t.tasks) for t in config.targets] == [
        ("DNASE:K562", [5]),
        ("DNASE:HepG2", [6]),
    ]
    assert config.targets[0].annotation == {"identifier": "ENCFF1"}
    config = read_model_config(write(tmp_path, text, name="description", index="track"))
    assert config.targets[1].tasks == [6]
    # Without such a column a row's own number counts, whatever is left out.
    text = "name\tassay\na\tX\nb\tY\nc\tX\n"
    config = read_model_config(write(tmp_path, text, where={"assay": "X"}))
    assert [(t.name, t.tasks) for t in config.targets] == [("a", [0]), ("c", [2])]


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ({"assay": "ATAC"}, ["L2/3 IT", "Oligo"]),
        ({"assay": "*A[GT]*", "group": "glia"}, ["Oligo", "oligo"]),
        ({"assay": ["CAGE", "DN*"]}, ["K562:DNASE", "oligo"]),
        ({"name": "[Oo]ligo"}, ["Oligo", "oligo"]),
        ({"name": "Oligo"}, ["Oligo"]),
    ],
)
def test_rows_are_chosen_by_patterns(tmp_path, where, wanted):
    assert names(write(tmp_path, where=where)) == wanted


@pytest.mark.parametrize(
    ("text", "keys", "message"),
    [
        (
            ROWS,
            {"where": {"asay": "ATAC"}},
            "targets.tsv has no column 'asay' (did you mean assay?)",
        ),
        (ROWS, {"name": "Name"}, "targets.name: "),
        (ROWS, {"index": "indx"}, "has no column 'indx' (did you mean index?)"),
        (ROWS, {"where": {"assay": "x"}}, "targets.table: no row of "),
        (ROWS, {"scale": "logits"}, "targets.scale: "),
        (ROWS, {"colour": "red"}, "targets.colour: unknown key"),
        ("name\tindex\n", {}, "targets.tsv has no rows"),
        ("", {}, "has no column 'name'"),
        ("name\tname\na\tb\n", {}, "line 1: each column needs a name of its own"),
        ("name\tindex\na\t1\nb\n", {}, "targets.tsv, line 3: 1 columns, the first row has 2"),
        ("name\tindex\na\t-1\n", {}, "line 2: index '-1' is no number of an output of the model"),
        (
            "name\tindex\na\t1\na\t2\n",
            {},
            "targets and tracks must differ: a occurs twice",
        ),
        ("name\tindex\n\t1\n", {}, "targets.0.name: a name is empty"),
        ("name\tcolor\na\tred\n", {}, "targets.0.color: give a colour as #rrggbb, got 'red'"),
    ],
)
def test_what_is_wrong_with_a_table(tmp_path, text, keys, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        read_model_config(write(tmp_path, text, **keys))


def test_a_table_that_is_not_there(tmp_path):
    path = write(tmp_path)
    (tmp_path / "targets.tsv").unlink()
    with pytest.raises(ConfigError, match=r"targets\.table: no such file .*targets\.tsv"):
        read_model_config(path)


def test_a_list_is_told_as_a_list():
    with pytest.raises(ValidationError) as caught:
        ModelConfig.model_validate(BASE | {"targets": [{"name": "a", "scale": "x"}, 5]})
    scale, whole = messages(caught.value, ModelConfig, "m")
    assert scale.startswith("m.targets.0.scale: ")
    assert whole.startswith("m.targets.1: give a mapping of keys (name, head, ")
    assert "table" not in whole


def test_words_mean_names_groups_and_patterns():
    groups = {"a": "x", "b": "x", "x": None, "y1": "z", "y2": "z", "[y]": None}
    found = chosen(["x", "z", "y?", "[y]", "b", "none", "q*"], groups)
    assert found == {
        "x": ["x"], "z": ["y1", "y2"], "y?": ["y1", "y2"], "[y]": ["[y]"], "b": ["b"], "none": [],
        "q*": [],
    }  # fmt: skip


def test_targets_are_chosen_in_their_order(tmp_path):
    config = read_model_config(write(tmp_path))
    assert config.chosen(["glia", "K562*", "Oligo"]) == ["K562:DNASE", "Oligo", "oligo"]
    assert config.chosen(None) == config.target_names and config.chosen([]) == []


def test_a_typo_among_many_names_is_a_line():
    known = [f"cell {i}" for i in range(5313)]
    assert nearest("cel 4711", known).startswith(" (did you mean cell 4711 or ")
    assert nearest("CELL 4711", known).startswith(" (did you mean cell 4711 or ")
    assert nearest("zzzz", known) == f" (there are: {', '.join(known[:5])} and 5,308 more)"
    assert shortened(["a", "b"]) == "a, b"


def test_the_table_of_names_is_a_product(tmp_path, small_run):
    plan = small_run.plan(write(tmp_path), predict={})
    write_targets(small_run.of_model(plan), tmp_path / "out.tsv")
    found = pd.read_csv(tmp_path / "out.tsv", sep="\t", keep_default_na=False)
    assert found["target"].tolist() == ["K562:DNASE", "L2/3 IT", "Oligo", "oligo"]
    assert found["file_name"].tolist() == ["K562~3aDNASE", "L2~2f3~20IT", "Oligo~~1", "oligo"]
    assert found["color"].tolist() == ["#aa00FF", "", "", ""]
    assert found["table_file_name"].tolist() == ["a.bw", "b.bw", "c.bw", "d.bw"]


def test_what_targets_are_grouped_by_changes_no_result(tmp_path, small_run):
    before = small_run.plan(write(tmp_path), predict={})
    after = small_run.plan(write(tmp_path, ROWS.replace("glia", "other")), predict={})
    assert before.model_key("m") == after.model_key("m")
    assert targets_key(before.models["m"]) != targets_key(after.models["m"])
    other = small_run.plan(write(tmp_path, ROWS.replace("7\tO", "9\tO")), predict={})
    assert other.model_key("m") != before.model_key("m")
