"""Names of runs, models and targets: what people write, and no two that share a file."""

import re
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from cisweep.config.base import Name, check_distinct
from cisweep.config.model import ModelConfig
from cisweep.contracts import (
    STORED_NAME,
    file_names,
    joined_names,
    name_of,
    split_names,
    stored_name,
)
from cisweep.errors import ConfigError
from cisweep.outputs.browser import browser_tracks
from cisweep.outputs.hub import composites, hub_text, track_db_text
from cisweep.outputs.vcf import INFO_OF_COLUMN, VcfWriter, info_names, read_info
from cisweep.plan.run_config import RESERVED, load_config
from cisweep.steps.train import PeaksData, TrainConfig
from cisweep.train.judging.quality import target_names

GOOD = ["CTCF", "K562", "S1", "ctcf_pu1", "K562-v1.2", "_x", "1", "a.b-c_d"]
BAD = ["", ".", "..", "-x", ".x", "a b", "a/b", "é", "a:b", "a%", "a\n", "x*"]
WRITTEN = [
    "Oligo",
    "L2/3IT",
    "GM12878:CTCF",
    "CD4+ T cell, naïve",
    "β",
    "中文",
    "../../up",
    "~",
    "a~2fb",
    ".x",
    "-x",
    "...",
    "x.plus",
    "a.minus.plus",
    "$(touch x)",
    "<b>",
    "'\"`",
    "1",
    "nan",
    "A~~1",
]


def model(*targets: str, tracks: tuple[str, ...] = ()) -> dict:
    return {
        "adapter": "state_dict", "module": "Linear", "window_bp": 8,
        "targets": [{"name": t, "scale": "counts"} for t in targets],
        "tracks": [{"name": t, "tasks": [0, 1]} for t in tracks],
        "folds": [{"weights": "w.safetensors"}],
    }  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_names_that_people_write(name):
    assert ModelConfig.model_validate(model(name)).target_names == [name]


@pytest.mark.parametrize("name", BAD)
def test_names_of_runs_are_names_of_files(name):
    with pytest.raises(ValidationError, match="string_pattern_mismatch|at least 1"):
        TypeAdapter(Name).validate_python(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "a name is empty, got ''; write one letter at least"),
        ("  ", "a name is empty, got '  '"),
        ("a\tb", "the name 'a\\tb' has the letter U+0009, which cannot be printed; take it out"),
        ("a\n", "U+000A"),
        ("a\u200bb", "U+200B"),
        (" a", "the name ' a' begins or ends with a space; take it out"),
        ("x" * 101, "has 101 letters, and 100 is the most; shorten it"),
        ("中" * 16, "takes 144 letters in names of files"),
    ],
)
def test_what_no_target_is_called(name, message):
    for made in (model(name), model("a", tracks=(name,))):
        with pytest.raises(ValidationError, match=re.escape(message)):
            ModelConfig.model_validate(made)


@pytest.mark.parametrize("name", [*GOOD, *WRITTEN])
def test_a_stored_name_is_plain_and_gives_the_name_again(name):
    stored = stored_name(name)
    assert re.fullmatch(STORED_NAME, stored) and name_of(stored) == name
    assert quote(stored) == stored and not stored.endswith((".plus", ".minus"))
    assert stored == name if name in GOOD else True
    assert ModelConfig.model_validate(model(name)).target_names == [name]


def test_names_of_files_differ_where_case_does_not_count():
    names = ["ctcf", "CTCF", "Ctcf", "cTcf", "É", "é", "PU1", "ctcf/", *WRITTEN]
    found = file_names(names)
    assert len({file.lower() for file in found.values()}) == len(names)
    assert all(name_of(file) == name for name, file in found.items())
    assert all(re.fullmatch(STORED_NAME, file) for file in found.values())
    assert found["ctcf"] == "ctcf" and found["PU1"] == "PU1" and found["CTCF"] == "CTCF~~f"
    with_track = ModelConfig.model_validate(model("a", "x.plus", tracks=("A", "x")))
    assert with_track.file_names == {"a": "a", "x.plus": "x~2eplus", "A": "A~~1", "x": "x"}
    assert with_track.files_of(with_track.tracks[0]) == ["A~~1.plus", "A~~1.minus"]
    assert [with_track.named(f) for f in ("a", "A~~1", "x~2eplus")] == ["a", "A", "x.plus"]


@given(st.lists(st.text(min_size=1, max_size=6), min_size=1, unique=True))
def test_any_names_have_files_of_their_own(names):
    names = [name for name in names if name.isprintable()]
    found = file_names(names)
    assert len({file.lower() for file in found.values()}) == len(names)
    assert [name_of(found[name]) for name in names] == names
    assert split_names(joined_names(names)) == names or not names


def test_a_name_that_is_given_twice_is_refused():
    for targets, tracks in ((("a", "a"), ()), (("a",), ("a",))):
        with pytest.raises(ValidationError, match="targets and tracks must differ: a occurs twice"):
            ModelConfig.model_validate(model(*targets, tracks=tracks))


def faults(root: Path, **changes) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config({"run": "r", **changes}, root)
    return str(caught.value)


@pytest.mark.parametrize("name", ["train", "Variants", "logs", "report.html", "browser"])
def test_a_model_that_would_be_a_file_of_the_run_is_refused(root, name):
    assert f"{name} is a file or folder of the run" in faults(root, models={name: "m.yaml"})


def test_models_that_differ_in_case_are_refused(root):
    said = faults(root, models={"CTCF": "m.yaml", "Ctcf": "n.yaml", "CTCf": None})
    assert "models: names of models must differ: Ctcf and CTCF differ only in case" in said
    assert "differ only in case" not in faults(root, models={"CTCF": "m.yaml", "ctcf": None})


def test_a_bad_name_is_told_in_words(root):
    said = faults(root, run="-x")
    assert "run: use letters, digits, _, - and . only, and do not begin with - or ." in said
    assert "got '-x'" in said


def test_what_a_run_holds_beside_its_models_is_reserved(root):
    text = "".join(p.read_text() for p in (root / "workflow" / "rules").rglob("*.smk"))
    text += (root / "Snakefile").read_text()
    written = set(re.findall(r'\{RESULTS\}/([A-Za-z][\w.-]*)[/"]', text))
    assert {"train", "logs", "variants", "report.html"} <= written
    assert {name.lower() for name in written} <= RESERVED


def test_training_names_are_checked_before_the_training():
    negatives = {"stretches": ["chr1"], "uniform": 1}
    peaks = {
        "kind": "peaks", "genome": "g.fa", "window_bp": 8,
        **dict.fromkeys(("train", "validation", "test"), negatives),
    }  # fmt: skip
    assert list(PeaksData(**peaks, peaks={"Abf1 (a/b)": "a.bed"}).peaks) == ["Abf1 (a/b)"]
    with pytest.raises(ValidationError, match="a name is empty"):
        PeaksData(**peaks, peaks={"": "a.bed"})
    recipe = {"data": {"kind": "kmers"}, "task": "regression", "module": "Linear"}
    with pytest.raises(ValidationError, match="CTCF and ctcf differ only in case"):
        TrainConfig(models={"ctcf": recipe, "CTCF": recipe})
    with pytest.raises(ValidationError, match="loss.svg occurs twice"):
        TrainConfig(models={"loss.svg": recipe})


def test_columns_of_tables_become_names_of_targets():
    tasks = ["Reb1", "reb1", "log2 (RNA/DNA)", ".x", "a.plus", "a\tb", "a_b", " ", "a\u00a0"]
    found = target_names(tasks)
    assert found == ["Reb1", "reb1", "log2 (RNA/DNA)", ".x", "a.plus", "a_b", "a_b_2", "_", "a_"]
    assert ModelConfig.model_validate(model(*found)).target_names == found


def test_distinct_names():
    check_distinct(["a", "b", "A-b"], "names")
    with pytest.raises(ValueError, match=r"names must differ: a occurs twice \(they name files\)"):
        check_distinct(["a", "b", "a"], "names")


# ---- what other formats allow ------------------------------------------------------------


def test_info_keys_of_a_vcf_are_valid_and_distinct():
    targets = ["K562-v1.2", "a-b", "a_b", "a--b", "a__b", "a-b_2", "CTCF", "L2/3 β"]
    found = info_names(targets)
    assert found == {
        "K562-v1.2": "K562_v1.2", "a-b": "a_b_2", "a_b": "a_b", "a--b": "a__b_2",
        "a__b": "a__b", "a-b_2": "a_b_2_2", "CTCF": "CTCF", "L2/3 β": "L2_3__",
    }  # fmt: skip
    assert len(set(found.values())) == len(targets)
    key = re.compile(r"[A-Za-z_][0-9A-Za-z_.]*")  # VCF 4.3, section 1.4.2
    assert all(key.fullmatch(f"DELTA_{name}") for name in found.values())


def test_a_vcf_of_such_targets_is_read_back(tmp_path):
    targets, path = ["K562-v1.2", "K562_v1.2", 'S"1\\ β'], tmp_path / "v.vcf.gz"
    row = {"chrom": "c", "pos": 3, "ref": "A", "alt": "C", "id": ".", "group": "", "haplotype": ""}
    row |= {"shifted_bp": 0, "source": "c:4:A:C"}
    rows = [row | {"target": t, "delta": i + 0.5} for i, t in enumerate(targets)]
    with VcfWriter(path, {"c": 9}, targets, ["delta"], "test") as out:
        out.append(pd.DataFrame(rows))
    fields = [f"DELTA_{name}" for name in info_names(targets).values()]
    found = read_info(path, fields)
    assert found[fields].to_numpy().tolist() == [[0.5, 1.5, 2.5]]
    import pysam

    with pysam.VariantFile(str(path)) as file:
        said = [file.header.info[field].description for field in fields]
    shown = [*targets[:2], r"S\"1\\ β"]  # within quotes, as VCF 4.3 has it
    assert said == [f"{t}: {INFO_OF_COLUMN['delta'][1]}" for t in shown]


def test_names_in_a_hub_are_letters_digits_and_underscore():
    names = ["K562-v1.2", "K562_v1.2", "k562.v1.2", "L2~2f3"]
    tracks = browser_tracks([f"S-1.x/tracks/{name}.pred.bw" for name in names])
    text = track_db_text(composites(tracks), "S-1.x")
    found = re.findall(r"^ *track (.*)$", text, re.MULTILINE)
    assert found[:2] == ["prediction", "S_1_x_tracks_K562_v1_2_pred"]
    assert all(re.fullmatch(r"[A-Za-z]\w*", name) for name in found)
    assert len({name.lower() for name in found}) == 5
    assert "longLabel S-1.x L2/3 prediction\n" in text
    assert "bigDataUrl ../S-1.x/tracks/L2~2f3.pred.bw\n" in text
    assert hub_text("S-1.x", "a@b.c").startswith("hub cisweep_S_1_x\nshortLabel S-1.x\n")


def test_a_file_of_a_strand_is_never_that_of_a_target(root):
    text = (root / "workflow" / "rules" / "common.smk").read_text()
    line = next(line for line in text.splitlines() if "target=rf" in line)
    end = re.search(r'rf"\{STORED_NAME\}(.*)"', line)[1]
    target = STORED_NAME + end
    whole = re.compile(rf"(?P<target>{target})\.pred\.bw")
    strand = re.compile(rf"(?P<target>{target})\.(?P<strand>plus|minus)\.pred\.bw")
    assert whole.fullmatch("K562-v1.2.pred.bw")["target"] == "K562-v1.2"
    assert not strand.fullmatch("K562-v1.2.pred.bw")
    assert strand.fullmatch("K562-v1.2.plus.pred.bw")["target"] == "K562-v1.2"
    assert not whole.fullmatch("K562-v1.2.plus.pred.bw")
