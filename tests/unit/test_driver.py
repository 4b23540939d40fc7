"""The driver: leftovers of dead processes, who holds a folder, starting again after damage."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from snakemake.cli import parse_config

from cisweep import driver
from cisweep.temporary import this_host

RESULTS = Path("results/r")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CISWEEP_DAMAGED", raising=False)
    return tmp_path


def lock() -> None:
    Path(".snakemake/locks").mkdir(parents=True)
    Path(".snakemake/locks/0.output.lock").write_text("x")


def hold(pid: int, host: str | None = None) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / ".driver").write_text(f"{pid} {host or this_host()}\n")


def test_a_run_begins_by_removing_what_dead_processes_left(dead):
    chunks = RESULTS / "m" / "chunks"
    chunks.mkdir(parents=True)
    assert driver.begin(RESULTS) == []
    left = chunks / f".tmp{dead}@{this_host()}.c000001.h5"
    mine = chunks / f".tmp{os.getpid()}@{this_host()}.c000002.h5"
    left.write_text("half")
    mine.write_text("half")
    assert driver.begin(RESULTS) == [
        f"1 half-written file(s) of killed jobs were removed: {left}",
        f"1 file(s) are still being written by jobs of an earlier run: {mine}",
    ]
    assert not left.exists() and mine.exists()


def test_a_folder_without_a_lock_has_no_notice(dead):
    assert driver.notice(RESULTS) is None
    hold(dead)
    assert driver.notice(RESULTS) is None


def test_a_second_driver_is_told_who_is_at_work():
    lock()
    assert driver.notice(RESULTS) is None  # whoever locked it, it was no run of this name
    other = subprocess.Popen(["sleep", "60"])
    hold(other.pid)
    try:
        assert driver.notice(RESULTS) == (
            f"another run (process {other.pid}) is at work in results/r: wait until it ends, or "
            "stop it"
        )
    finally:
        other.kill()
        other.wait()
    hold(7, "elsewhere")
    assert driver.notice(RESULTS) == (
        "a run on elsewhere (process 7) holds results/r, or was killed there"
    )


def test_after_a_kill_the_user_is_told_to_unlock(dead):
    lock()
    hold(dead)
    assert driver.notice(RESULTS) == (
        f"the run before (process {dead}) was killed: run the same command with --unlock, then "
        "without; complete products are kept"
    )


def test_an_end_leaves_nothing():
    driver.begin(RESULTS)
    driver.tell_damaged(RESULTS, [Path("x")])
    driver.end(RESULTS)
    assert not list(RESULTS.iterdir())


def test_a_failure_without_damage_starts_nothing():
    driver.begin(RESULTS)
    assert driver.after_failure(RESULTS) == []
    assert not list(RESULTS.iterdir())


def test_another_program_than_snakemake_is_not_started_again():
    driver.begin(RESULTS)
    driver.tell_damaged(RESULTS, [Path("x")])
    assert driver.after_failure(RESULTS) == []
    assert "CISWEEP_DAMAGED" not in os.environ


# A program that finds the damage that its arguments say, one file each time it is started.
PROGRAM = """
import os, sys
from pathlib import Path
from cisweep import driver
results = Path("results/r")
for line in driver.begin(results):
    print(line)
known = int(os.environ.get("CISWEEP_DAMAGED", 0))
print(f"started in {os.getcwd()} with {sys.argv[1:]}, {known} known")
if known < len(sys.argv) - 1:
    driver.tell_damaged(results, [Path(sys.argv[1 + known])])
    for line in driver.after_failure(results):
        print(line)
    sys.exit(1)
driver.end(results)
"""


def start(folder, *arguments: str) -> subprocess.CompletedProcess:
    (folder / "snakemake").write_text(PROGRAM)
    command = [sys.executable, str(folder / "snakemake"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_the_same_command_makes_damaged_products_again(folder):
    RESULTS.mkdir(parents=True)
    (RESULTS / "b.h5.damaged").write_text("")
    done = start(folder, "results/r/a c.h5", "results/r/b.h5")
    arguments = "['results/r/a c.h5', 'results/r/b.h5']"
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"started in {folder} with {arguments}, 0 known",
        "results/r/a c.h5 was damaged on the disk and is made again",
        f"started in {folder} with {arguments}, 1 known",
        "results/r/b.h5 was damaged on the disk and is made again",
        "results/r/b.h5.damaged is the damaged file",
        f"started in {folder} with {arguments}, 2 known",
    ]
    assert [p.name for p in RESULTS.iterdir()] == ["b.h5.damaged"]


def test_what_is_damaged_twice_is_not_made_a_third_time(folder):
    done = start(folder, "a.h5", "a.h5")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == (
        "a.h5 was made again and is damaged again: check the disk"
    )


def test_a_later_run_forgets_the_damage_of_an_earlier_one(folder):
    assert start(folder, "a.h5", "a.h5").returncode == 1
    assert start(folder, "a.h5").returncode == 0


def test_the_command_that_repeats_a_run_has_its_configs_and_what_config_overrides(folder):
    files = [folder / "config" / "a b.yaml", Path("/elsewhere/own.yaml")]
    values = ["run=it's one", "seed=7", "motifs=", 'steps={"hits": {"threshold": 1e-4}, "ism": {}}']
    given = parse_config(values)
    words = shlex.split(driver.repeat_command(files, given, folder))
    assert words[:3] == ["snakemake", "--cores", "1"]
    assert words[3:7] == ["--configfile", "config/a b.yaml", "own.yaml", "--config"]
    assert parse_config(words[7:]) == given and given["seed"] == 7 and given["motifs"] is None
    assert driver.repeat_command([], {}, folder) == "snakemake --cores 1"
