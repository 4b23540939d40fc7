"""Names of runs, models and targets: what people write, and no two that share a file."""

import re
from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

from cisweep.config.base import NAME, check_distinct
from cisweep.config.model import ModelConfig
from cisweep.errors import ConfigError
from cisweep.outputs.browser import browser_tracks
from cisweep.outputs.hub import composites, hub_text, track_db_text
from cisweep.outputs.vcf import INFO_OF_COLUMN, VcfWriter, info_names, read_info
from cisweep.plan.run_config import RESERVED, load_config
from cisweep.steps.train import PeaksData, TrainConfig
from cisweep.train.judging.quality import target_names

GOOD = ["CTCF", "K562", "S1", "ctcf_pu1", "K562-v1.2", "_x", "1", "a.b-c_d"]
BAD = ["", ".", "..", "-x", ".x", "a b", "a/b", "é", "a:b", "a%", "a\n", "x*"]


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
def test_names_that_are_no_file(name):
    with pytest.raises(ValidationError, match="string_pattern_mismatch"):
        ModelConfig.model_validate(model(name))


@pytest.mark.parametrize(
    ("targets", "tracks", "message"),
    [
        (("CTCF", "ctcf"), (), "targets and tracks must differ: ctcf and CTCF differ only in case"),
        (("a", "a"), (), "must differ: a occurs twice"),
        (("a",), ("A",), "must differ: A and a differ only in case"),
        (("x.plus",), ("x",), "'x.plus' ends like the file name of a strand"),
        (("a",), ("x.minus",), "'x.minus' ends like the file name of a strand"),
    ],
)
def test_names_that_share_a_file_are_refused(targets, tracks, message):
    with pytest.raises(ValidationError, match=re.escape(message)):
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
    assert list(PeaksData(**peaks, peaks={"Abf1": "a.bed"}).peaks) == ["Abf1"]
    with pytest.raises(ValidationError, match="names of tasks must differ: ABF1 and Abf1"):
        PeaksData(**peaks, peaks={"Abf1": "a.bed", "ABF1": "b.bed"})
    recipe = {"data": {"kind": "kmers"}, "task": "regression", "module": "Linear"}
    with pytest.raises(ValidationError, match="CTCF and ctcf differ only in case"):
        TrainConfig(models={"ctcf": recipe, "CTCF": recipe})
    with pytest.raises(ValidationError, match="loss.svg occurs twice"):
        TrainConfig(models={"loss.svg": recipe})


def test_columns_of_tables_become_names_of_targets():
    tasks = ["Reb1", "reb1", "log2 (RNA/DNA)", ".x", "...", "a.plus", "a_plus", "HepG2-v1.2"]
    found = target_names(tasks)
    assert found == [
        "Reb1", "reb1_2", "log2__RNA_DNA_", "x", "_", "a_plus", "a_plus_2", "HepG2-v1.2",
    ]  # fmt: skip
    assert ModelConfig.model_validate(model(*found)).target_names == found


def test_distinct_names():
    check_distinct(["a", "b", "A-b"], "names")
    with pytest.raises(ValueError, match=r"names must differ: a occurs twice \(they name files\)"):
        check_distinct(["a", "b", "a"], "names")


# ---- what other formats allow ------------------------------------------------------------


def test_info_keys_of_a_vcf_are_valid_and_distinct():
    targets = ["K562-v1.2", "a-b", "a_b", "a--b", "a__b", "a-b_2", "CTCF"]
    found = info_names(targets)
    assert found == {
        "K562-v1.2": "K562_v1.2", "a-b": "a_b_2", "a_b": "a_b", "a--b": "a__b_2",
        "a__b": "a__b", "a-b_2": "a_b_2_2", "CTCF": "CTCF",
    }  # fmt: skip
    assert len(set(found.values())) == len(targets)
    key = re.compile(r"[A-Za-z_][0-9A-Za-z_.]*")  # VCF 4.3, section 1.4.2
    assert all(key.fullmatch(f"DELTA_{name}") for name in found.values())


def test_a_vcf_of_such_targets_is_read_back(tmp_path):
    targets, path = ["K562-v1.2", "K562_v1.2", "S1"], tmp_path / "v.vcf.gz"
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
    assert said == [f"{t}: {INFO_OF_COLUMN['delta'][1]}" for t in targets]


def test_names_in_a_hub_are_letters_digits_and_underscore():
    names = ["K562-v1.2", "K562_v1.2", "k562.v1.2"]
    tracks = browser_tracks([f"S-1.x/tracks/{name}.pred.bw" for name in names])
    text = track_db_text(composites(tracks), "S-1.x")
    found = re.findall(r"^ *track (.*)$", text, re.MULTILINE)
    assert found[:2] == ["prediction", "S_1_x_tracks_K562_v1_2_pred"]
    assert all(re.fullmatch(r"[A-Za-z]\w*", name) for name in found)
    assert len({name.lower() for name in found}) == 4
    assert hub_text("S-1.x", "a@b.c").startswith("hub cisweep_S_1_x\nshortLabel S-1.x\n")


def test_a_file_of_a_strand_is_never_that_of_a_target(root):
    text = (root / "workflow" / "rules" / "common.smk").read_text()
    line = next(line for line in text.splitlines() if "target=rf" in line)
    end = re.search(r'rf"\{NAMED\}(.*)"', line)[1]
    target = NAME.strip("^$") + end
    whole = re.compile(rf"(?P<target>{target})\.pred\.bw")
    strand = re.compile(rf"(?P<target>{target})\.(?P<strand>plus|minus)\.pred\.bw")
    assert whole.fullmatch("K562-v1.2.pred.bw")["target"] == "K562-v1.2"
    assert not strand.fullmatch("K562-v1.2.pred.bw")
    assert strand.fullmatch("K562-v1.2.plus.pred.bw")["target"] == "K562-v1.2"
    assert not whole.fullmatch("K562-v1.2.plus.pred.bw")
