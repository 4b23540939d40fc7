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
