"""How the products of single targets are dealt to jobs."""

from types import SimpleNamespace

import pytest

from cisweep.plan import target_groups
from cisweep.plan.target_groups import JOB_SECONDS, MOST_OF_JOB


def plan_of(n_targets: int, window_bp: int = 200) -> SimpleNamespace:
    files = [f"tracks/t{i}.attr.bw" for i in range(n_targets)]
    return SimpleNamespace(
        steps={"attribute": None},
        models={"m": SimpleNamespace(window_bp=window_bp)},
        products_of=lambda step, model: ["attributions.h5", *files],
    )


def groups(monkeypatch, n_targets: int, n_windows: int, step: str = "attribute") -> list[int]:
    """Return the number of products of each job, which are those of all targets in order."""
    monkeypatch.setattr(target_groups, "n_regions", lambda plan, model: n_windows)
    plan = plan_of(n_targets)
    found = target_groups.target_groups(plan, step, ".attr.bw")
    if step in plan.steps:
        assert [p for _, files in found for p in files] == plan.products_of(step, "m")[1:]
    return [len(files) for _, files in found]


@pytest.mark.parametrize(
    ("n_targets", "n_jobs"), [(1, 1), (2, 1), (16, 1), (17, 2), (50, 4), (919, 8), (5_313, 21)]
)
def test_few_jobs_write_the_products_of_many_targets(monkeypatch, n_targets, n_jobs):
    found = groups(monkeypatch, n_targets, 10_000)
    assert len(found) == n_jobs and max(found) <= MOST_OF_JOB


def test_a_job_of_a_large_genome_writes_what_fits_into_its_time(monkeypatch):
    # 3 million windows of 200 bp: a minute for each target.
    found = groups(monkeypatch, 300, 3_000_000)
    assert max(found) == JOB_SECONDS // 60 and len(found) == 10
    # A target that takes longer than a job should has one of its own.
    assert set(groups(monkeypatch, 5, 10**10)) == {1}


def test_a_step_that_is_off_has_no_job(monkeypatch):
    assert groups(monkeypatch, 5, 100, "ism") == []


def long_work(monkeypatch, n_targets: int, seconds: float) -> list[int]:
    """Return the number of products of each job of a step whose targets take so long each."""
    monkeypatch.setattr(target_groups, "target_work", lambda plan, step, model: (seconds, 3600))
    return groups(monkeypatch, n_targets, 10_000)


def test_each_of_few_targets_that_take_long_has_a_job(monkeypatch):
    assert long_work(monkeypatch, 2, 20) == [1, 1]
    assert long_work(monkeypatch, 8, 20) == [1] * 8


def test_a_job_of_many_takes_no_longer_than_it_should(monkeypatch):
    assert len(long_work(monkeypatch, 919, 20)) == 8
    assert max(long_work(monkeypatch, 919, 100)) == 36
    assert set(long_work(monkeypatch, 20, 10_000)) == {1}


@pytest.mark.parametrize(
    ("select", "targets", "seconds"),
    [
        ({"top_n": 40}, "own", 18.0),
        ({"top_n": 40}, "all", 210.0),
        ({"top_n": None}, "own", 210.0),
        (None, "own", 210.0),
    ],
)
def test_the_time_of_a_discovery(monkeypatch, select, targets, seconds):
    """Ten seconds, and a tenth of one for each of two seqlets a window that is explained."""
    from cisweep.plan.contents import discover

    monkeypatch.setattr(discover, "n_regions", lambda plan, model: 1000)
    steps = {
        "discover": SimpleNamespace(max_regions=20_000, max_seqlets=10_000),
        "attribute": SimpleNamespace(targets=targets),
        "select": select and SimpleNamespace(**select),
    }
    found = discover.target_seconds(SimpleNamespace(step_config=steps.get), "m")
    assert found == pytest.approx(seconds)
