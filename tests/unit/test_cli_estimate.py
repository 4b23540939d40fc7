"""cisweep estimate: a run on paper, and the disk that it takes."""

from pathlib import Path

import pytest
import yaml

from cisweep.analysis.seqlets.fdr import NullSize
from cisweep.cli import estimating
from cisweep.cli.calibrating import Speed, calibrated, start_seconds
from cisweep.cli.estimating import Jobs, estimate, work
from cisweep.cli.main import main
from cisweep.errors import ConfigError
from cisweep.plan import disk
from cisweep.plan.checks import notices
from cisweep.plan.contents.null_stretches import NullStretches
from cisweep.plan.workload import JOB_SECONDS, measured_chunk_bp

DRY_RUN = """\
Building DAG of jobs...
localrule all:
    input: results/mine/report.html
    jobid: 0

rule prepare:
    output: results/mine/m/prepare/prepared.json
    resources: tmpdir=<TBD>, mem_mb=2000, mem_mib=1908, runtime=30

rule predict_chunk:
    wildcards: model=m, chunk=c000000
    resources: tmpdir=<TBD>, gpu=0, mem_mb=4000, mem_mib=3815, runtime=60

rule predict_chunk:
    wildcards: model=m, chunk=c000001
    resources: tmpdir=<TBD>, gpu=0, mem_mb=4000, mem_mib=3815, runtime=60
localrule report_page:
    resources: tmpdir=<TBD>, mem_mb=2000
"""


def written(data: dict) -> Path:
    Path("my.yaml").write_text(yaml.safe_dump(data))
    return Path("my.yaml")


def test_the_jobs_of_a_dry_run():
    jobs = Jobs.read(DRY_RUN.splitlines())
    assert jobs.counts == {"prepare": 1, "predict_chunk": 2, "report_page": 1}
    assert jobs.mem_mb == {"prepare": 2000, "predict_chunk": 4000, "report_page": 2000}
    assert (jobs.n, jobs.n_on_device) == (4, 3)


def test_a_run_without_a_plan(config, monkeypatch):
    done = type("Done", (), {"returncode": 1, "stdout": "", "stderr": "no rule makes it"})
    monkeypatch.setattr(estimating.subprocess, "run", lambda *a, **k: done)
    with pytest.raises(ConfigError, match=r"the run cannot be planned.*no rule makes it"):
        Jobs.of(written(config))


def test_the_work_of_each_step(small_run):
    steps = {
        "predict": {}, "select": {"fdr": 0.1}, "attribute": {}, "seqlets": {"fdr": 0.2},
    }  # fmt: skip
    plan = small_run.plan(**steps)
    (name,) = plan.models
    null, n = NullStretches(plan, name), estimating.n_regions(plan, name)
    found = work(plan, name, Speed(0.5, 0.25, 10.0, 0.1, 1.0, "cpu", 100.0))
    selected = 0.1 * n
    assert found.n_selected == round(selected)
    assert found.device["predict"] == 0.5 * n
    assert found.device["select"] == 0.25 * null.draws * min(null.n_windows, 100_000)
    assert found.device["attribute"] == pytest.approx(10 * selected)
    n_targets = len(plan.models[name].targets)
    size = NullSize.of(round(selected / n_targets), 0.2, 20_000, n_targets)
    assert found.device["seqlets"] == pytest.approx(10 * selected * size.draws * size.fraction)
    every = work(plan, name, Speed(0, 0, 10.0, 2.0, 1.0, "cpu", 0.0))
    assert every.n_selected == n  # never more than all


def test_what_is_measured_is_of_the_run(small_run):
    plan = small_run.plan(predict={}, select={"fdr": 0.1}, attribute={"n_references": 2})
    speed = calibrated(plan, "m")
    assert speed.device == "cpu" and 0 < speed.predicted < speed.attributed
    assert speed.shuffled > 0 and 0 <= speed.share <= 1 and speed.memory_mb > 50
    without = calibrated(small_run.plan(predict={}), "m")
    assert (without.share, without.shuffled, without.attributed) == (1.0, 0.0, 0.0)
    assert 0 < start_seconds("json") < start_seconds("numpy")


def test_an_estimate(config, capsys, monkeypatch):
    monkeypatch.setattr(Jobs, "of", lambda path: Jobs.read(DRY_RUN.splitlines()))
    monkeypatch.setattr(estimating, "start_seconds", lambda modules: 1.0)
    assert main(["estimate", str(written(config))]) == 0
    made, model, jobs, cpu, memory, space, chunk, *_ = capsys.readouterr().out.splitlines()
    assert made == "g.fa had no .fai: made beside it"
    assert model.startswith("model m on cpu: 3 windows of 200 bp; predict ")
    assert jobs == "jobs: 4, of which 3 load a network"
    assert cpu.startswith("work: 0.001") and cpu.endswith(" h (4 s) of CPU")
    assert memory == "memory: at most 4,000 MB a job (predict_chunk), as its rule asks for"
    assert space.startswith("disk: about 20 MB for results/mine; ")
    assert chunk.startswith("chunk_bp: 1,000 is suggested")
    with pytest.raises(ConfigError, match="chunk_bp"):
        list(estimate(written(config | {"chunk_bp": 200})))


def test_a_chunk_that_fits_what_was_measured(small_run):
    plan = small_run.plan(predict={})
    total = sum(plan.source.lengths.values())
    least = measured_chunk_bp(plan, 1e9)
    assert 400 <= least <= 1000
    whole = measured_chunk_bp(plan, 0.0)
    assert whole >= total
    some = measured_chunk_bp(plan, 10 * JOB_SECONDS)
    assert least <= some <= total / 10


@pytest.mark.parametrize(
    ("n", "text"), [(5, "5 bytes"), (20e6, "20 MB"), (3.2e9, "3 GB"), (2.5e12, "2.5 TB")]
)
def test_sizes(n, text):
    assert disk.size_text(n) == text


def test_disk_is_told_before_the_run(small_run, monkeypatch):
    plan = small_run.plan(predict={}, select={"fdr": 0.1}, attribute={})
    told = notices(plan)[0]
    assert told.startswith("disk: at most about ") and "too little" not in told
    few, all_of_them = (disk.run_bytes(plan, "m", share) for share in (0.01, None))
    assert few < all_of_them
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: type("U", (), {"free": 1e3}))
    assert notices(plan)[0].endswith(": too little")
