"""One table of bad inputs: each is told before any job, with place and mend, and leaves nothing.

The cases are in cases_*.py. Those that are told at parse run through `checked_plan`, the function
that the Snakefile calls; a spread sample of them, and those that only a job can see, run as a user
runs them.
"""

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from harness import ROOT, Case, all_cases, snapshot, write_case
from snakemake.common.configfile import load_configfile

from cisweep.errors import CisweepError
from cisweep.plan.checks import checked_plan

SECONDS = 10
"""Longest time of a refusal, of the processor: the machine may be busy with other work."""
CASES = all_cases()
PARSED = [case for case in CASES if case.at == "parse"]
IN_JOBS = [case for case in CASES if case.at == "job"]
SAMPLE = PARSED[:: max(len(PARSED) // 8, 1)]


def names(cases: list[Case]) -> list[str]:
    """Return the ids of the tests."""
    return [case.name for case in cases]


def message_of(overlay: Path) -> str:
    """Return what the Snakefile would say of a config; fails if it takes it."""
    data = load_configfile(overlay)
    with pytest.raises(CisweepError) as caught:
        checked_plan(data, ROOT, [overlay])
    return str(caught.value)


def test_the_table_is_long_enough():
    assert len(CASES) >= 150


def test_each_case_says_place_and_more():
    assert [case.name for case in CASES if len(case.says) < 2] == []


def test_the_small_run_is_sound(small_genome, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    overlay = write_case(Case("sound"), tmp_path / "case", small_genome)
    data = load_configfile(overlay)
    assert checked_plan(data, ROOT, [overlay]).chunks("ctcf_pu1")


@pytest.mark.parametrize("case", PARSED, ids=names(PARSED))
def test_it_is_told_before_any_job(case, small_genome, tmp_path, monkeypatch):
    folder, working = tmp_path / "case", tmp_path / "run"
    working.mkdir()
    monkeypatch.chdir(working)
    overlay = write_case(case, folder, small_genome)
    before, started = snapshot(folder, working), time.process_time()
    message = message_of(overlay)
    assert time.process_time() - started < SECONDS
    missing = [part for part in placed(case, folder).says if part not in message]
    assert not missing, message
    assert snapshot(folder, working) == before


def assert_told_once(case: Case, done, working: Path) -> None:
    """Assert that a process failed with the one message and without a traceback."""
    shown = done.stdout + done.stderr
    assert done.returncode != 0
    told = re.split(r"cisweep: (?!disk: )", shown)  # the disk that a run takes is no fault
    assert len(told) == 2, shown[-4000:]
    message = told[1]
    missing = [part for part in case.says if part not in message]
    assert not missing, shown[-4000:]
    assert "Traceback" not in shown, shown[-4000:]
    assert not list(working.rglob(".tmp*"))


def placed(case: Case, folder: Path) -> Case:
    """Return the case with its folder in what it says."""
    return replace(case, says=tuple(part.replace("{dir}", str(folder)) for part in case.says))


@pytest.mark.slow
@pytest.mark.parametrize("case", SAMPLE, ids=names(SAMPLE))
def test_the_terminal_shows_the_message_once(case, small_genome, tmp_path, snakemake_of):
    folder, working = tmp_path / "case", tmp_path / "run"
    overlay = write_case(case, folder, small_genome)
    before = snapshot(folder)
    done = snakemake_of(overlay, working)
    assert_told_once(placed(case, folder), done, working)
    assert snapshot(folder, working) == before


@pytest.mark.slow
@pytest.mark.parametrize("case", IN_JOBS, ids=names(IN_JOBS))
def test_a_job_tells_it_once(case, small_genome, tmp_path, snakemake_of):
    folder, working = tmp_path / "case", tmp_path / "run"
    overlay = write_case(case, folder, small_genome)
    before = snapshot(folder)
    done = snakemake_of(overlay, working, "--keep-going")
    assert_told_once(placed(case, folder), done, working)
    assert snapshot(folder) == before
    logs = [path.read_text() for path in working.rglob("logs/**/*.log")]
    assert any("Traceback" in text and "Mend:" in text for text in logs)
