"""Steps and adapters declare themselves: nothing else names one of them."""

import re
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from cisweep.config import adapters
from cisweep.config.adapters import ADAPTERS, Adapter, adapters_that, declared
from cisweep.config.base import Package
from cisweep.plan import contents
from cisweep.plan.accounting import item_tables, region_tables, swept_by
from cisweep.plan.plan import Plan
from cisweep.steps import all_steps, step_of

MODEL = "ctcf_pu1"


@pytest.fixture
def plan(root, tmp_path):
    """Return the function (steps) -> a plan of the demo's model and genome, in four chunks."""
    data = yaml.safe_load((root / "config" / "demo.yaml").read_text())
    data["chunk_bp"], data["regions"] = 250_000, {"tile": {"stride_bp": 5000}}

    def make(**steps) -> Plan:
        return Plan.from_config(data | {"steps": steps}, root)

    return make


def test_no_step_is_named_where_all_are_meant(root):
    """By a call that takes a step's name, a comparison, or a list of names.

    A step's own files may name it and those it needs: steps, plan/contents, report/sections, its
    scripts and rules.
    """
    package = root / "workflow" / "src" / "cisweep"
    names = "|".join(all_steps())
    told = [
        rf'\b(is_on|step_config|settings|products_of|models_of)\("({names})"',
        rf'[=!]= "({names})"',
        rf'\bin [([{{]"({names})"',
        rf'\ball_steps\(\)\["({names})"',
        rf"\bsteps\.({names})\b(?!\.)",
    ]
    files = [*(package / "plan").glob("*.py"), *(package / "config").glob("*.py")]
    files += [*(package / "outputs").glob("*.py"), *(package / "report").glob("*.py")]
    files += [package / "job.py", package / "driver.py", package / "steps" / "__init__.py"]
    files += [package / "steps" / "base.py", package / "plan" / "contents" / "__init__.py"]
    files.append(root / "workflow" / "rules" / "prepare.smk")
    found = {
        f"{path.name}: {match[0]}"
        for path in files
        for pattern in told
        for match in re.finditer(pattern, path.read_text())
    }
    # The page has settings of its own, those of the step `report`.
    assert found == {f'{file}: step_config("report"' for file in ("view.py", "explorer.py")}


def test_no_adapter_is_named_outside_its_file(root):
    package = root / "workflow" / "src" / "cisweep"
    files = [*package.rglob("*.py"), *(root / "workflow" / "rules").rglob("*.smk")]
    assert len(files) > 200
    names = "|".join(ADAPTERS)
    pattern = re.compile(rf'adapter\b[^"\n]*(?:[=!]=|\bin\b)[^"\n]*"({names})"')
    assert [p.name for p in files if pattern.search(p.read_text())] == []
    assert pattern.search('if model.adapter == "hf_lm":')


# ---- steps -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "step"),
    [
        ("train_fold", "train"),
        ("ism", "ism"),
        ("seqlets_null_chunk", "seqlets"),
        ("zero_shot_chunk", "zero_shot"),
        ("prepare", None),
        ("trainer", None),
    ],
)
def test_the_step_of_a_rule(rule, step):
    found = step_of(rule)
    assert (found and found.name) == step


HOOKS = {"chunks", "chunk_key", "dropped_files", "checks", "notices", "target_seconds"}


def test_what_a_file_of_contents_defines_is_asked_for():
    """A function with another name would never be called, and nobody would know."""
    found = {}
    for path in Path(contents.__file__).parent.glob("[a-z]*.py"):
        module = import_module(f"{contents.__name__}.{path.stem}")
        found[path.stem] = {n for n in {*HOOKS, "MOST_CHUNKS"} if hasattr(module, n)}
    assert all(f"\n{name}(plan" in contents.__doc__ for name in HOOKS)
    assert {name for name, hooks in found.items() if not hooks} == {
        "backgrounds", "motifs", "null_stretches", "training_tables",
    }  # fmt: skip
    # The null of the seqlets has chunks of its own.
    assert {n for n, hooks in found.items() if hooks} - set(all_steps()) == {"seqlets_null"}
    for name in ("ism", "marginalize", "space", "zero_shot"):
        assert {"chunks", "chunk_key", "checks"} <= found[name]


def test_the_first_step_that_sweeps_accounts_for_the_regions(plan):
    """ism alone tells which regions it dropped; with a step before it, that one does."""
    for steps, first in (
        ({"ism": {}}, "ism"),
        ({"predict": {}, "ism": {}}, "predict"),
        ({"hits": {}, "attribute": {}}, "attribute"),
    ):
        made = plan(**steps)
        folder = f"{made.results}/{MODEL}/chunks/{first}"
        assert region_tables(made) == [f"{folder}/c00000{i}.dropped.tsv" for i in range(4)]
        assert swept_by(made) == ["plan", first] and item_tables(made) == []
    made = plan(marginalize={})
    assert region_tables(made) == [] and swept_by(made) == ["plan"]


def test_regions_of_a_step_and_items_stand_apart(plan, tmp_path):
    (tmp_path / "own.bed").write_text("chr20\t400000\t400200\nchr20\t900000\t900200\n")
    (tmp_path / "v.vcf").write_text("")
    steps = {"ism": {"bed": str(tmp_path / "own.bed")}, "predict": {}}
    made = plan(**steps, variants={"path": str(tmp_path / "v.vcf")})
    folder = f"{made.results}/{MODEL}/chunks"
    own = [f"{folder}/ism/c000001.dropped.tsv", f"{folder}/ism/c000003.dropped.tsv"]
    assert region_tables(made)[4:] == own and swept_by(made) == ["plan", "predict"]
    bins = [f"{folder}/variants/c00000{i}.dropped.tsv" for i in range(4)]
    assert item_tables(made) == [f"{made.results}/variants/unread.tsv", *bins]


# ---- adapters ----------------------------------------------------------------------------


def test_what_adapters_declare():
    assert adapters_that("is_language_model") == adapters_that("reads_hub") == ["hf_lm"]
    assert adapters_that("needs_module") == ["python", "state_dict"]
    assert declared("hf_lm").package == Package("transformers", "transformers", "lm")
    assert declared("export") == Adapter()


def test_a_misspelt_declaration_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(adapters, "FOLDER", tmp_path)
    (tmp_path / "mine.py").write_text('import torch\n\nADAPTER = {"is_languge_model": True}\n')
    with pytest.raises(TypeError, match="is_languge_model"):
        declared.__wrapped__("mine")


def test_a_new_language_model_is_taken_by_what_it_declares(plan, monkeypatch, tmp_path):
    (tmp_path / "v.vcf").write_text("")
    made = plan(ism={}, predict={}, variants={"path": str(tmp_path / "v.vcf")})
    for step in ("ism", "variants", "predict"):
        assert made.models_of(step) == [MODEL] and made.products_of(step, MODEL)
    lm = Adapter(is_language_model=True, package=Package("absent_package", "absent", "lm"))
    monkeypatch.setattr("cisweep.config.model.declared", lambda name: lm)
    with pytest.raises(Exception, match="models.ctcf_pu1: needs absent, which is not installed"):
        made.check_inputs()
    for step, taken in (
        ("ism", []),
        ("variants", []),
        ("predict", [MODEL]),
        ("zero_shot", [MODEL]),
    ):
        assert made.models_of(step) == taken
    assert made.products_of("ism", MODEL) == [] and made.products_of("predict", MODEL)
    assert item_tables(made) == [f"{made.results}/variants/unread.tsv"]
