"""Chunks whose jobs would work for seconds are told before the run, with the key to change."""

import re
import subprocess
import sys

import pytest
import yaml

from cisweep.plan.plan import Plan
from cisweep.plan.workload import (
    JOB_BASES,
    JOB_SECONDS,
    chosen_chunk_bp,
    chosen_notice,
    passes,
    small_chunks,
)

CHROMS, LENGTH = 12, 1_000_000


@pytest.fixture
def made(root, tmp_path):
    """Return the function that makes the config of a run over 771 sites of 12 Mb."""
    lines, offset = [], 0
    with open(tmp_path / "g.fa", "w") as file:
        for i in range(CHROMS):
            header = f">c{i}\n"
            offset += len(header)
            lines.append(f"c{i}\t{LENGTH}\t{offset}\t{LENGTH}\t{LENGTH + 1}\n")
            file.write(header + "A" * LENGTH + "\n")
            offset += LENGTH + 1
    (tmp_path / "g.fa.fai").write_text("".join(lines))
    sites = [(f"c{i % CHROMS}", 1_000 + i * 1_200) for i in range(771)]
    (tmp_path / "r.bed").write_text("".join(f"{c}\t{s}\t{s + 1}\n" for c, s in sites))
    base = yaml.safe_load((root / "config" / "demo.yaml").read_text())

    def make(chunk_bp=100_000, regions=None, **steps):
        regions = regions or {"bed": str(tmp_path / "r.bed")}
        run = {"genome": {"fasta": str(tmp_path / "g.fa")}, "chunk_bp": chunk_bp}
        steps = base["steps"] | {"select": {"fdr": None, "top_n": 150}} | steps
        return base | run | {"regions": regions, "steps": steps}

    return make


def test_small_jobs_are_told_with_the_key(root, made):
    plan = Plan.from_config(made(), root)
    n = len(plan.chunks("ctcf_pu1"))
    assert n == 120
    said = small_chunks(plan, "ctcf_pu1")
    # 300 of 771 are explained: 2 targets, 20 references, three passes; both strands.
    wanted = 2 * (1 + 300 / 771 * 3 * 20 * 2)
    assert passes(plan, "ctcf_pu1", 771) == pytest.approx(wanted)
    work = 771 * 200 * wanted / 1e6
    assert f"{n} chunks of model ctcf_pu1 hold 6 windows on average" in said
    assert f"at most about {work / n:.1g} s of work" in said
    assert (
        "(a guess from their bases and for the most windows that steps.select may select)" in said
    )
    ending = "chunk_bp: 12000000 gives at most about 1 (it is 100000)"
    assert said.endswith(ending) == (work < 60)
    # What it proposes is enough.
    better = int(re.search(r"chunk_bp: (\d+)", said)[1])
    assert small_chunks(Plan.from_config(made(chunk_bp=better), root), "ctcf_pu1") is None


def test_what_is_chosen_by_rate_is_an_upper_bound(root, made):
    """How many windows pass a rate is known after the run: at most all of them."""
    rate = {"select": {"fdr": 0.1, "top_n": None}}
    plan = Plan.from_config(made(**rate), root)
    assert passes(plan, "ctcf_pu1", 771) == pytest.approx(2 * (1 + 3 * 20 * 2))
    said = small_chunks(plan, "ctcf_pu1")
    assert said is not None and "at most about" in said
    all_of_them = Plan.from_config(made(select=None), root)
    assert passes(all_of_them, "ctcf_pu1", 771) == passes(plan, "ctcf_pu1", 771)
    assert "at most" not in small_chunks(all_of_them, "ctcf_pu1")


def test_long_jobs_few_jobs_and_the_demo_are_not_told(root, made):
    tiles = {"tile": {"stride_bp": 10}}
    steps = {"select": None}
    assert small_chunks(Plan.from_config(made(regions=tiles, **steps), root), "ctcf_pu1") is None
    assert small_chunks(Plan.from_config(made(chunk_bp=1_000_000), root), "ctcf_pu1") is None
    demo = yaml.safe_load((root / "config" / "demo.yaml").read_text())
    assert small_chunks(Plan.from_config(demo, root), "ctcf_pu1") is None


def test_the_planning_process_says_it_once(root, made, tmp_path):
    config = tmp_path / "run.yaml"
    config.write_text(yaml.safe_dump(made()))
    command = [sys.executable, "-m", "snakemake", "-s", str(root / "Snakefile"), "--cores", "1"]
    command += ["--configfile", str(config), "-n"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (done.stdout + done.stderr).count("cisweep: 120 chunks of model ctcf_pu1") == 1


def test_a_chosen_chunk_is_minutes_of_work(root, made):
    """771 sites are one job; tiles every 10 bp, all attributed, jobs of JOB_SECONDS at most."""
    assert chosen_chunk_bp(Plan.from_config(made(chunk_bp=None), root)) == 20_000_000  # of 12 Mb
    plan = Plan.from_config(made(None, {"tile": {"stride_bp": 10}}, select=None), root)
    # 2 targets, 20 references, three passes, both strands; 20 bases of windows each base.
    seconds_a_base = 20 * (2 * 20 * 3) * 2 / 1e6
    assert JOB_SECONDS * 0.4 < plan.chunk_bp * seconds_a_base <= JOB_SECONDS
    assert plan.chunk_bp == plan.layout.chunk_bp == 100_000
    assert len(plan.chunks("ctcf_pu1")) == CHROMS * LENGTH // 100_000
    # One in twenty is explained where peaks are selected, whatever the options of the steps.
    selected = Plan.from_config(made(None, {"tile": {"stride_bp": 10}}), root)
    assert selected.chunk_bp == 2_000_000
    other = {
        "select": {"fdr": 0.01},
        "attribute": {"n_references": 3},
        "predict": {"batch_size": 1},
    }
    plain = Plan.from_config(made(None, {"tile": {"stride_bp": 10}}, hits=None, **other), root)
    assert plain.chunk_bp == selected.chunk_bp


def test_a_chosen_chunk_is_the_same_for_a_row_more(root, made, tmp_path):
    made(chunk_bp=None)
    rows = [(f"c{i % CHROMS}", 1_000 + i) for i in range(400_000)]
    (tmp_path / "r.bed").write_text("".join(f"{c}\t{s}\t{s + 1}\n" for c, s in rows))
    before = chosen_chunk_bp(Plan.from_config(made(chunk_bp=None), root))
    assert before == 5_000_000
    with open(tmp_path / "r.bed", "a") as file:
        file.write("c0\t5000\t5001\n")
    assert chosen_chunk_bp(Plan.from_config(made(chunk_bp=None), root)) == before


@pytest.fixture
def with_model(root, made, resources, tmp_path):
    """Return the function (changes of model.yaml, regions, steps) -> the plan with that model."""

    def make(changes: dict, regions: dict, steps: dict) -> Plan:
        data = yaml.safe_load((resources / "models" / "ctcf_pu1.yaml").read_text()) | changes
        data.pop("quality")
        data["folds"] = [{"weights": str(resources / "models" / "ctcf_pu1.safetensors")}]
        (tmp_path / "m.yaml").write_text(yaml.safe_dump(data))
        config = made(None, regions) | {"steps": steps}
        return Plan.from_config(config | {"models": {"m": str(tmp_path / "m.yaml")}}, root)

    return make


def test_a_chosen_chunk_holds_two_windows_and_fits_into_memory(with_model):
    # 24 s of work a base; 1,000 bases would do.
    mutated = with_model({"window_bp": 2_000}, {"tile": {"stride_bp": 1}}, {"ism": {}})
    assert mutated.chunk_bp == 5_000
    # A base a byte, 200 of them each base: the work alone would allow 1,000,000.
    one = {"rc": {"average": False}, "targets": [{"name": "ctcf", "tasks": [0]}]}
    predicted = with_model(one, {"tile": {"stride_bp": 1}}, {"predict": {}})
    assert predicted.chunk_bp == JOB_BASES // 200 == 500_000


def test_the_costliest_model_and_a_bed_of_its_own_decide(root, made, with_model, tmp_path):
    config = made(None, {"tile": {"stride_bp": 10}})
    one = Plan.from_config(config, root).chunk_bp
    wide = with_model({"window_bp": 2_000}, {"tile": {"stride_bp": 10}}, config["steps"])
    assert wide.chunk_bp == one // 10
    models = config["models"] | {"wide": str(tmp_path / "m.yaml")}
    assert Plan.from_config(config | {"models": models}, root).chunk_bp == one // 10
    goal = {"model": "ctcf_pu1", "target": "ctcf", "kind": "maximise"}
    design = {"regions": str(tmp_path / "r.bed"), "goals": {"up": [goal]}}
    designs = made(None, {"tile": {"stride_bp": 10}}) | {"steps": {"design": design}}
    # 771 designs of 10,000 passes over both strands: 3084 s in 12 Mb.
    assert Plan.from_config(designs, root).chunk_bp == 2_000_000


def test_what_is_chosen_is_said(root, made):
    plan = Plan.from_config(made(None, {"tile": {"stride_bp": 10}}, select=None), root)
    assert chosen_notice(plan) == (
        "chunk_bp 100,000 is chosen: 120 jobs per step, the longest takes about 8 minutes on one "
        "core "
        "(a guess, for a small network); set chunk_bp: 100000 to keep it"
    )
    assert small_chunks(plan, "ctcf_pu1") is None  # it concerns what the user has chosen
    assert "1 job per step, the longest takes less than a minute" in chosen_notice(
        Plan.from_config(made(chunk_bp=None), root)
    )
    assert chosen_notice(Plan.from_config(made(), root)) is None
