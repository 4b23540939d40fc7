"""Chunks of a large genome are joined for steps whose jobs are short: how many jobs a chunk costs,
and that a joined chunk holds what its chunks hold."""

from collections import Counter
from pathlib import Path

import pytest
import yaml
from benchmarks.scale import sparse_genome

from cisweep.plan import plan as plan_module
from cisweep.plan.accounting import is_small
from cisweep.plan.chunks import chunk_index
from cisweep.plan.contents import chunk_over, chunks_in, step_chunks, step_plan
from cisweep.plan.contents.null_stretches import NullStretches
from cisweep.plan.plan import Plan

MODEL = "ctcf_pu1"
HUMAN_MB = (249, 242, 198, 190, 182, 171, 159, 145, 138, 134, 135, 133, 114, 107, 102, 90, 83, 80,
            59, 64, 47, 51, 156, 57)  # fmt: skip
STEPS = {name: {} for name in ("predict", "select", "attribute", "seqlets", "hits")}


def planned(root: Path, folder: Path, lengths: dict[str, int], chunk_bp: int, **regions) -> Plan:
    """Return the plan of a genome whose file has no bases, since planning reads its index alone."""
    data = yaml.safe_load((root / "config" / "demo.yaml").read_text()) | {
        "genome": {"fasta": str(sparse_genome(folder, lengths))},
        "regions": (regions or {"tile": {"stride_bp": 1000}}) | {"chroms": ".*"},
        "chunk_bp": chunk_bp,
        "steps": STEPS,
    }
    return Plan.from_config(data, root)


def jobs_of_chunks(plan: Plan) -> Counter:
    """Return how many jobs the rules of chunks have, of a run with the steps of the README."""
    steps = ("predict", "attribute", "seqlets_null", "seqlets", "hits")
    found = Counter({step: len(step_chunks(plan, step, MODEL)) for step in steps})
    return found + Counter(select_null=len(NullStretches(plan, MODEL).chunks))


@pytest.mark.parametrize("n", [1_200, 10_000])
def test_a_chunk_of_a_large_genome_costs_less_than_three_jobs(root, tmp_path, n):
    lengths = {f"chr{i}": mb * 1_000_000 for i, mb in enumerate(HUMAN_MB)}
    plan = planned(root, tmp_path, lengths, sum(lengths.values()) // n)
    jobs = jobs_of_chunks(plan)
    assert jobs["predict"] == jobs["attribute"] == len(plan.chunks(MODEL)) >= n
    assert sum(jobs.values()) < 3 * n
    # Many enough to be spread over a cluster.
    assert 250 < jobs["hits"] <= 501 and jobs["seqlets"] == jobs["hits"]
    assert 16 < jobs["seqlets_null"] <= 33 and jobs["select_null"] <= 33


def test_a_small_genome_has_the_chunks_of_the_run_for_all_steps(root, tmp_path):
    plan = planned(root, tmp_path, {"c1": 200_000, "c2": 110_000}, 10_000)
    jobs = jobs_of_chunks(plan)
    assert jobs["predict"] == 31 and set(jobs.values()) == {31, jobs["select_null"]}
    assert step_plan(plan, "hits") is plan and step_plan(plan, "predict") is plan


def brute(plan: Plan, chunk: str, times: int, beside: int = 0) -> list[str]:
    """Return the run's chunks whose bin lies in a bin of `times` times their size."""
    first = times * chunk_index(chunk)
    low, high = first - beside, first + times + beside
    return [c for c in plan.chunks(MODEL) if low <= chunk_index(c) < high]


@pytest.mark.parametrize("kind", ["tile", "bed"])
def test_each_chunk_lies_in_one_joined_chunk_which_holds_its_windows(root, tmp_path, kind):
    lengths, regions = {"c1": 70_000, "c2": 90_500}, {"tile": {"stride_bp": 130}}
    if kind == "bed":
        starts = [("c1", s) for s in range(500, 60_000, 1_700)] + [("c2", 40_000), ("c2", 88_000)]
        rows = "".join(f"{c}\t{s}\t{s + 200}\n" for c, s in starts)
        (tmp_path / "r.bed").write_text(rows)
        regions = {"bed": str(tmp_path / "r.bed")}
    plan = planned(root, tmp_path, lengths, 1_000, **regions)
    joined = plan.joined(32)
    # 160,500 bases in bins of 8,000.
    assert joined.chunk_bp == 8_000 and plan.joined(32) is joined
    owners = Counter()
    for chunk in joined.chunks(MODEL):
        own = brute(plan, chunk, 8)
        assert chunks_in(plan, "seqlets_null", MODEL, chunk) == own
        near = brute(plan, chunk, 8, beside=1)
        assert chunks_in(plan, "seqlets_null", MODEL, chunk, beside=1) == near
        owners.update(own)
        keys = [key for c in own for key in plan.windows(MODEL, c)[0].keys()]  # noqa: SIM118
        assert list(joined.windows(MODEL, chunk)[0].keys()) == keys
    assert owners == Counter(plan.chunks(MODEL))


def test_joined_chunks_lie_in_those_that_are_joined_further(root, tmp_path):
    plan = planned(root, tmp_path, {"c1": 3_000_000}, 1_000, tile={"stride_bp": 500})
    sizes = [step_plan(plan, step).chunk_bp for step in ("seqlets", "seqlets_null")]
    assert sizes == [8_000, 128_000]
    for chunk in step_chunks(plan, "seqlets", MODEL):
        over = chunk_over(plan, "seqlets", "seqlets_null", chunk)
        assert set(chunks_in(plan, "seqlets", MODEL, chunk)) <= set(
            chunks_in(plan, "seqlets_null", MODEL, over)
        )


def test_regions_are_read_and_placed_once_for_all_sizes_of_chunks(root, tmp_path, monkeypatch):
    (tmp_path / "r.bed").write_text("c1\t1000\t1200\nc1\t90000\t90200\n")
    called = Counter()
    for name in ("read_bed", "place"):
        made = getattr(plan_module, name)

        def counted(*args, name=name, made=made):
            called[name] += 1
            return made(*args)

        monkeypatch.setattr(plan_module, name, counted)
    bed = {"bed": str(tmp_path / "r.bed")}
    plan = planned(root, tmp_path, {"c1": 100_000}, 1_000, **bed)
    for most in (32, 8, 500):
        assert len(plan.joined(most).chunks(MODEL)) == 2
    assert called == {"read_bed": 1, "place": 1}


@pytest.mark.parametrize(
    ("stride_bp", "small"),
    [(2_000, True), (1_999, False)],  # 100,000 windows of 200 bp in 200 Mb
)
def test_a_small_run_has_at_most_twenty_million_bases_of_windows(root, tmp_path, stride_bp, small):
    tile = {"stride_bp": stride_bp}
    plan = planned(root, tmp_path, {"c1": 200_000_000}, 1_000_000, tile=tile)
    assert is_small(plan) == small
