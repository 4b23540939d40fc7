"""A locked folder: in use, or left so by a run that was killed; jobs that go on without it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cisweep.cli import holding
from cisweep.cli.holding import HeldError, ask_user, free
from cisweep.cli.main import main
from cisweep.temporary import this_host

RESULTS = Path("results/mine")
ID = "0a1b2c3d-0000-1111-2222-333344445555"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    Path("my.yaml").write_text("run: mine\n")
    program("squeue", "true")
    return tmp_path


def program(name: str, text: str) -> None:
    Path(name).write_text(f"#!/bin/sh\n{text}\n")
    Path(name).chmod(0o755)


def lock(pid: int | None, run: str = "mine", host: str | None = None) -> Path:
    """Lock the folder as a run does; return the lock."""
    path = Path(f".snakemake/locks/{len(list(Path().glob('.snakemake/locks/*')))}.output.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"/data/genome.fa\nresults/{run}/m/predictions.h5\n")
    if pid is not None:
        Path("results", run).mkdir(parents=True, exist_ok=True)
        Path("results", run, ".driver").write_text(f"{pid} {host or this_host()}\n")
    return path


def never(question: str) -> bool:
    raise AssertionError(f"asked: {question}")


def test_a_folder_that_is_not_locked_is_left_alone(dead):
    assert free(RESULTS, never, never) is False
    other = lock(dead, "other")
    assert free(RESULTS, never, never) is False
    assert other.exists()


def test_after_a_kill_it_is_unlocked_without_a_question(dead):
    mine, other = lock(dead), lock(dead, "other")
    lines: list[str] = []
    assert free(RESULTS, lines.append, never) is True
    assert lines == [
        f"the run before (process {dead}) was killed; what is complete is kept",
        "results/mine is unlocked",
    ]
    assert not mine.exists() and other.exists()


@pytest.mark.parametrize("force", [False, True])
def test_a_run_that_is_at_work_keeps_its_folder(force):
    other = subprocess.Popen(["sleep", "60"])
    try:
        mine = lock(other.pid)
        with pytest.raises(HeldError) as raised:
            free(RESULTS, never, lambda question: True, force=force, cancel=True)
        assert str(raised.value) == (
            f"results/mine: another run (process {other.pid}) is at work. Mend: wait for its end, "
            f"or stop it: kill -INT {other.pid}"
        )
        assert mine.exists()
    finally:
        other.kill()
        other.wait()


def test_a_run_that_has_not_noted_itself_yet_counts_as_at_work(dead, folder):
    """It locks the folder first; the note is still that of a dead run."""
    (folder / "snakemake").write_text("import time\nprint('up', flush=True)\ntime.sleep(60)\n")
    command = [sys.executable, str(folder / "snakemake")]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "up\n"
        mine = lock(dead)
        with pytest.raises(HeldError, match=rf"another run \(process {other.pid}\) is at work"):
            free(RESULTS, never, never)
        lock(other.pid, "other")  # it is the run of another config
        assert free(RESULTS, lambda text: None, never) and not mine.exists()
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize(
    ("pid", "host", "who"),
    [
        (7, "elsewhere", "a run on elsewhere (process 7) holds it, or was killed there"),
        (None, None, "it is locked, and no run has noted that it holds it"),
    ],
)
def test_where_nobody_can_say_the_user_is_asked(pid, host, who):
    mine, asked = lock(pid, host=host), []
    with pytest.raises(HeldError) as raised:
        free(RESULTS, never, lambda question: asked.append(question))
    assert str(raised.value) == (
        f"results/mine: {who}. Mend: look there whether it is at work; if not: cisweep unlock "
        "--force and the config"
    )
    assert asked == [f"results/mine: {who}. Unlock it? Only if nothing is at work there"]
    assert mine.exists()
    assert free(RESULTS, lambda text: None, never, force=True) and not mine.exists()


def test_without_a_terminal_the_answer_is_no(monkeypatch):
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert ask_user("Unlock it?") is False


def queue(folder: Path, *others: str) -> None:
    """A queue with one job of this folder, gone after scancel, and jobs of others."""
    mine = f"17|cisweep_{ID}|{folder}"
    lines = "".join(f"echo '{line}'\n" for line in others)
    program("squeue", f"{lines}[ -e cancelled ] || echo '{mine}'")
    program("scancel", 'echo "$@" > cancelled')


def test_jobs_of_a_dead_run_are_cancelled_if_the_user_wants_it(dead, folder):
    foreign = (f"3|cisweep_{ID}|/elsewhere", f"4|interactive|{folder}", "5|torn")
    queue(folder, *foreign)
    mine = lock(dead)
    with pytest.raises(HeldError) as raised:
        free(RESULTS, lambda text: None, lambda question: False)
    told = "1 job(s) of the run that was killed are still in the queue (17)"
    assert str(raised.value) == (
        f"results/mine: {told}. Mend: cisweep unlock --cancel and the config cancels them"
    )
    assert mine.exists() and not Path("cancelled").exists()
    lines, asked = [], []
    assert free(RESULTS, lines.append, lambda question: not asked.append(question))
    assert asked == [f"{told}. Cancel them?"]
    assert "1 job(s) of the run that was killed are cancelled" in lines
    assert Path("cancelled").read_text() == "17\n" and not mine.exists()


def test_jobs_beside_a_living_run_are_not_cancelled(dead, folder):
    queue(folder)
    mine = lock(dead)
    lock(os.getpid(), "other")
    with pytest.raises(HeldError) as raised:
        free(RESULTS, lambda text: None, never, cancel=True)
    assert "(17), or belong to the run in results/other. Mend: cancel those of results/mine by " \
        "hand (squeue, scancel), then start again" in str(raised.value)  # fmt: skip
    assert mine.exists() and not Path("cancelled").exists()


def test_jobs_that_do_not_end_keep_the_folder(dead, folder, monkeypatch):
    queue(folder)
    program("scancel", "true")
    monkeypatch.setattr(holding, "_WAIT_SECONDS", 0)
    mine = lock(dead)
    with pytest.raises(HeldError) as raised:
        free(RESULTS, lambda text: None, never, cancel=True)
    assert str(raised.value) == (
        "results/mine: jobs that were cancelled do not end: 17. Mend: wait until squeue shows "
        "them no more"
    )
    assert mine.exists()


def test_a_queue_that_does_not_answer(dead):
    program("squeue", "echo 'no controller' >&2; exit 1")
    assert free(lock(dead) and RESULTS, lambda text: None, never)
    Path(".snakemake/slurm_logs").mkdir()  # now there were jobs in it
    mine = lock(dead)
    with pytest.raises(HeldError) as raised:
        free(RESULTS, lambda text: None, never)
    assert str(raised.value) == (
        "squeue fails (no controller), so that nobody can say which jobs are in the queue. Mend: "
        "try again where Slurm answers"
    )
    assert mine.exists()


def test_the_word_unlock(dead, capsys):
    assert main(["unlock", "my.yaml"]) == 0
    assert capsys.readouterr().out == "results/mine is not locked\n"
    mine = lock(dead)
    assert main(["unlock", "my.yaml"]) == 0
    assert capsys.readouterr().err.endswith("cisweep: results/mine is unlocked\n")
    assert not mine.exists()
    lock(7, host="elsewhere")
    assert main(["unlock", "my.yaml"]) == 1
    assert "cisweep: results/mine: a run on elsewhere (process 7)" in capsys.readouterr().err
    assert main(["unlock", "my.yaml", "--force"]) == 0
