"""Chunks whose jobs would work for seconds are told before the run, with the key to change."""

import re
import subprocess
import sys

import pytest
import yaml

from cisweep.plan.plan import Plan
from cisweep.plan.workload import passes, small_chunks

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
    assert "(a guess from their bases and as if steps.select took the most it may)" in said
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
