"""What a run's config is made of: the user's file and the defaults, or the demo without one."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from support import config, demo_config

from cisweep.errors import ConfigError
from cisweep.plan.plan import Plan
from cisweep.plan.run_config import load_config, needless_nulls

EXAMPLES = Path(__file__).resolve().parents[2] / "config" / "examples"


def run(folder: Path, *arguments: str) -> str:
    """Return what snakemake says in `folder`, which it must do without a fault."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-5000:]
    return done.stdout + done.stderr


def faults(data: dict, root: Path) -> str:
    """Return what is said of a config."""
    with pytest.raises(ConfigError) as caught:
        load_config(data, root)
    return str(caught.value)


def test_missing_keys_are_told_at_once_with_examples(root):
    assert faults({}, root).splitlines()[1:] == [
        "  - genome: missing; give genome and regions, or sequences; for example genome: {fasta: "
        "my_genome.fa}",
        "  - regions: give tile or bed; for example regions: {bed: my_peaks.narrowPeak}",
        "  - models: at least one model is needed; for example models: {my_model: "
        "models/my_model.yaml}",
        "  - steps: no step is on, so there is nothing to do; for example steps: {predict: {}, "
        "report: {}}",
        "  - run: missing; for example run: my_run",
    ]


def test_missing_keys_are_told_beside_others(root):
    data = {"genome": {}, "regions": {"tile": {}}, "sede": 1, "steps": {"hits": {}, "variants": {}}}
    said = faults(data, root)
    assert said.startswith("7 fault(s)")
    for part in (
        "models: at least one model",
        "motifs: missing; needed by hits (a file in MEME format); for example motifs: my_motifs.",
        "run: missing; for example run: my_run",
        "genome.fasta: missing; for example genome: {fasta: my_genome.fa}",
        "regions.tile.stride_bp: missing; for example regions: {tile: {stride_bp: 100}}",
        "sede: unknown key (did you mean seed?)",
        "steps.variants.path: missing; for example steps: {variants: {path: my_variants.vcf.gz}}",
    ):
        assert part in said
    # A key without an example of its own.
    goal = {"kind": "keep", "target": "t"}
    design = {"goals": {"up": [goal]}}
    said = faults({"run": "r", "steps": {"design": design}}, root)
    assert "steps.design.goals.up.0.model: missing; config/README.md describes it" in said


def test_each_fault_that_remains_is_told_alone(root):
    """What is there is not told as missing."""
    whole = demo_config()
    for key in ("run", "genome", "regions", "models", "motifs", "steps"):
        said = faults({k: v for k, v in whole.items() if k != key}, root)
        assert said.startswith("1 fault(s)") and f"- {key}: " in said


def test_a_run_that_only_trains_needs_no_genome(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = yaml.safe_load((EXAMPLES / "train_kmers.yaml").read_text())
    assert data.keys() == {"run", "steps"}
    plan = Plan.from_config(data, root)
    plan.check_inputs()
    assert plan.source.lengths == {} and plan.source_files == []
    # A model that is swept brings the need back.
    data["models"] = {"m": "{workflow}/workflow/resources/models/ctcf_pu1.yaml"}
    assert "genome: missing" in faults(data, root) and "regions: give" in faults(data, root)


def test_keys_that_took_the_demo_out_still_run_and_are_told(root, tmp_path, snakemake):
    path = str(root / "workflow/resources/models/ctcf_pu1.yaml")
    (tmp_path / "s.fa").write_text(">a\n" + "ACGT" * 60 + "\n")
    old = {
        "run": "old",
        "genome": None,
        "sequences": str(tmp_path / "s.fa"),
        "regions": {"tile": None, "chroms": ".*"},
        "models": {"ctcf_pu1": None, "m": path},
        "steps": {"predict": {}, "select": None, "attribute": None},
    }
    done = snakemake(old, tmp_path, "-n")
    told = re.findall(
        "cisweep: (.*) is no longer needed: your file no longer inherits", done.stdout
    )
    assert told == ["models.ctcf_pu1: null", "regions.tile: null", "genome: null"]
    new = {"run": "new", "sequences": old["sequences"], "models": {"m": path},
           "steps": {"predict": {}, "select": None}}  # fmt: skip
    assert needless_nulls(load_config(new, root)[0]) == []


def test_config_alone_changes_keys_of_the_demo_in_the_driver_and_in_jobs(root, tmp_path):
    """A job that saw another config would know no rule for the file."""
    made = "results/other/base_counts.json"
    run(tmp_path, "-s", str(root / "Snakefile"), "--config", "run=other", "seed=3", "--", made)
    assert (tmp_path / made).is_file()


@pytest.mark.parametrize("how", ["configfile", "update", "file and config"])
def test_nothing_of_the_demo_lies_under_a_callers_config(how, root, tmp_path, small_genome):
    """Of a Snakefile that includes this one, and of --configfile beside --config."""
    steps = {"steps": {"predict": {"tracks": False}}}
    own = config(small_genome, run="mine", motifs=None) | steps
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(own))
    begin = {
        "configfile": 'configfile: "own.yaml"\n',
        "update": f"config.update({own!r})\n",
        "file and config": "",
    }[how]
    (tmp_path / "Snakefile").write_text(f'{begin}\n\ninclude: "{root}/Snakefile"\n')
    extra = ["--configfile", "own.yaml", "--config", "seed=7"] if how.startswith("file") else []
    said = run(tmp_path, "-n", *extra, "--", "all")
    assert re.search(r"^predict_chunk +1$", said, flags=re.M)
    assert "attribute_chunk" not in said and "results/demo" not in said


@pytest.mark.parametrize("given", ["", '    config:\n        config["cisweep"]\n'])
def test_a_module_gets_what_its_caller_gives(given, root, tmp_path):
    """A module without a config, or with an empty one, is no wish for the demo."""
    (tmp_path / "caller.yaml").write_text("cisweep: {}\n")
    (tmp_path / "Snakefile").write_text(
        'configfile: "caller.yaml"\n\n\nmodule cisweep:\n    snakefile:\n'
        f'        "{root}/Snakefile"\n{given}\n\nuse rule * from cisweep as cisweep_*\n'
    )
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "-n"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode and "run: missing; for example run: my_run" in done.stdout + done.stderr


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example_is_a_whole_config(path, root, monkeypatch):
    monkeypatch.chdir(root)
    loaded, _ = load_config(yaml.safe_load(path.read_text()), root)
    assert needless_nulls(loaded) == []
