"""A folder that Snakemake has locked: is the run at work, or was it killed? And how it goes on.

A run that was killed leaves its lock, and on a cluster its jobs, which would work on the files of
the next run. Who holds a run is what `driver` notes in its folder.
"""

import contextlib
import getpass
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cisweep import driver
from cisweep.errors import CisweepError
from cisweep.temporary import this_host

Ask = Callable[[str], bool]
_LOCKS = Path(".snakemake", "locks")
_OF_SNAKEMAKE = re.compile(r"(.*_)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The name that Snakemake's Slurm plugin gives its jobs: a prefix, and an id of the run."""
_WAIT_SECONDS = 60


class HeldError(CisweepError):
    """A run is at work in the folder, or nobody can say whether it is."""


def ask_user(question: str) -> bool:
    """Ask on the terminal; without one the answer is no."""
    if not sys.stdin.isatty():
        return False
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def free(
    results: Path, say: Callable[[str], None], ask: Ask = ask_user, force: bool = False,
    cancel: bool = False,
) -> bool:  # fmt: skip
    """Unlock results/<run> where the run that held it is dead; return whether it was locked.

    force: also where nobody can say whether it is; cancel: its jobs in the queue without asking.
    Raises HeldError where the run is at work, may be, or has jobs that are not to be cancelled.
    """
    locks = _locks_of(results)
    if not locks:
        return False
    holder = driver.holder(results)
    known = holder is not None and holder.host == this_host()
    noted = holder.pid if holder is not None and known and holder.is_alive else None
    alive = noted or _driver_here(results)
    if alive is not None:
        raise HeldError(
            f"another run (process {alive}) is at work", where=str(results),
            mend=f"wait for its end, or stop it: kill -INT {alive}",
        )  # fmt: skip
    if known:
        say(f"the run before (process {holder.pid}) was killed; what is complete is kept")
    else:
        _ask_of_unknown(results, holder, ask, force)
    _end_jobs(results, say, ask, cancel)
    for lock in locks:
        lock.unlink(missing_ok=True)
    say(f"{results} is unlocked")
    return True


def _driver_here(results: Path) -> int | None:
    """Return a Snakemake of this folder that plans a run, and not one that noted another run.

    It locks the folder before it notes that it holds it.
    """
    import psutil  # comes with Snakemake

    others = (driver.holder(path.parent) for path in _others(results))
    noted = {other.pid for other in others if other is not None}
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        runs = words[1:3] == ["-m", "snakemake"] or "snakemake" in (Path(w).name for w in words[:2])
        # A job's own Snakemake has a mode.
        if not runs or "--mode" in words or process.pid in noted:
            continue
        with contextlib.suppress(psutil.Error):
            if Path(process.cwd()) == Path.cwd():
                return process.pid
    return None


def _others(results: Path) -> list[Path]:
    """Return where other runs of this folder note who holds them."""
    return [path for path in results.parent.glob("*/.driver") if path.parent != results]


def _ask_of_unknown(results: Path, holder: driver.Holder | None, ask: Ask, force: bool) -> None:
    if holder is None:
        who = "it is locked, and no run has noted that it holds it"
    else:
        who = f"a run on {holder.host} (process {holder.pid}) holds it, or was killed there"
    if force or ask(f"{results}: {who}. Unlock it? Only if nothing is at work there"):
        return
    mend = "look there whether it is at work; if not: cisweep unlock --force and the config"
    raise HeldError(who, where=str(results), mend=mend)


def _locks_of(results: Path) -> list[Path]:
    """Return the lock files that name a product of the run: others belong to others."""
    found, inside = [], f"{results}/"
    for lock in sorted(_LOCKS.glob("*.lock")):
        try:
            with open(lock, encoding="utf-8", errors="replace") as lines:
                if any(line.startswith(inside) for line in lines):
                    found.append(lock)
        except OSError:
            continue
    return found


def _end_jobs(results: Path, say: Callable[[str], None], ask: Ask, cancel: bool) -> None:
    """Cancel the jobs of the dead run that are still in Slurm's queue, if the user wants it."""
    jobs = _queued()
    if not jobs:
        return
    shown = ", ".join(jobs[:10]) + (", …" if len(jobs) > 10 else "")
    told = f"{len(jobs)} job(s) of the run that was killed are still in the queue ({shown})"
    # Jobs tell their folder, not their run: those of a living one must not be cancelled.
    folders = [path.parent for path in _others(results)]
    alive = [str(path) for path in folders if (h := driver.holder(path)) and h.may_live]
    if alive:
        raise HeldError(
            f"{told}, or belong to the run in {alive[0]}", where=str(results),
            mend=f"cancel those of {results} by hand (squeue, scancel), then start again",
        )  # fmt: skip
    if not cancel and not ask(f"{told}. Cancel them?"):
        raise HeldError(
            told, where=str(results), mend="cisweep unlock --cancel and the config cancels them"
        )
    _run("scancel", *jobs)
    say(f"{len(jobs)} job(s) of the run that was killed are cancelled")
    end = time.monotonic() + _WAIT_SECONDS
    while left := set(jobs) & set(_queued()):
        if time.monotonic() > end:
            raise HeldError(
                f"jobs that were cancelled do not end: {', '.join(sorted(left))}",
                where=str(results), mend="wait until squeue shows them no more",
            )  # fmt: skip
        time.sleep(1)


def _queued() -> list[str]:
    """Return the ids of the jobs that a Snakemake of this folder has in Slurm's queue."""
    if shutil.which("squeue") is None:
        return []
    try:
        lines = _run("squeue", "-h", "-u", getpass.getuser(), "-o", "%i|%j|%Z").splitlines()
    except HeldError:
        # Programs without a cluster: then nothing of this folder was sent to one.
        if not Path(".snakemake", "slurm_logs").is_dir():
            return []
        raise
    rows = [line.strip().split("|") for line in lines if line.count("|") == 2]
    here = Path.cwd().resolve()
    return [i for i, name, folder in rows if _OF_SNAKEMAKE.fullmatch(name)
            and Path(folder).resolve() == here]  # fmt: skip


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
        raise HeldError(
            f"{command[0]} fails ({said}), so that nobody can say which jobs are in the queue",
            mend="try again where Slurm answers",
        )
    return done.stdout
