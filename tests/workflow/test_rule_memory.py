"""Each rule stays well within the memory that it asks for, by benchmarks/scale_memory.py."""

import csv
from pathlib import Path

import pytest
from benchmarks import scale_memory
from benchmarks.scale_memory import NESTED_MB, RULES, asked_mb, measured

SHARE = 0.8
"""Of its request that a rule may take, the Snakemakes around it in a job of Slurm counted in."""
WINDOWS, CHUNKS = 20_000, 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("rules")
    measured("--make", "prepare", made, str(WINDOWS), str(CHUNKS), "ctcf_pu1")
    for what in {source.__name__: None for source in RULES.values() if source is not None}:
        measured("--make", what, made)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_a_rule_of_a_run_of_some_size(folder, rule):
    mb = measured("--rule", rule, folder)[1] + NESTED_MB
    assert mb <= SHARE * asked_mb(rule), f"{rule} takes {mb:.0f} MB"


@pytest.mark.slow
def test_all_rules_of_the_demo(demo):
    near = []
    for path in sorted((demo / "benchmarks").rglob("*.tsv")):
        rule = path.relative_to(demo / "benchmarks").parts[0].removesuffix(".tsv")
        with open(path) as file:
            taken = [row["max_rss"] for row in csv.DictReader(file, delimiter="\t")]
        # A job that was over before Snakemake first looked has no number.
        mb = max((float(x) for x in taken if x not in ("NA", "-")), default=0.0) + NESTED_MB
        if (asked := asked_mb(rule)) and mb > SHARE * asked:
            near.append(f"{rule}: {mb:.0f} of {asked} MB")
    assert not near


def test_the_memory_that_a_rule_asks_for_is_read(tmp_path, monkeypatch):
    (tmp_path / "workflow" / "rules").mkdir(parents=True)
    (tmp_path / "workflow" / "rules" / "x.smk").write_text(
        "rule a:\n    resources:\n        mem_mb=mem_mb(700),\n\n\n"
        "use rule a as b with:\n    output:\n        'b'\n\n\n"
        "rule c:\n    resources:\n        mem_mb=mem_mb(c_mb()),\n"
    )
    monkeypatch.setattr(scale_memory, "ROOT", tmp_path)
    assert [asked_mb(rule) for rule in "abc"] == [700, 700, None]
    with pytest.raises(KeyError):
        asked_mb("d")
