"""Files that are being written: their names, and what processes that died left of them.

A file takes its name once it is complete. Until then it is called `.tmp<pid>@<host>.<name>`, so a
job that outlived a killed run cannot write into a later one's file, and a later run can tell whose
process is gone.
"""

import contextlib
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

FOREIGN_SECONDS = 24 * 3600
"""A file of another machine, whose processes are not seen, counts as left after such a rest."""

_NAME = re.compile(r"\.tmp(\d+)@([^.]*)\.")
_OTHER_FOLDERS = {"logs", "benchmarks"}


def temporary_path(final: Path) -> Path:
    """Return where this process writes `final`; suffixes stay, as writers look at them."""
    return final.with_name(f".tmp{os.getpid()}@{this_host()}.{final.name}")


def this_host() -> str:
    """Return the first label of this machine's name."""
    return re.sub(r"[^\w-]", "_", socket.gethostname().split(".")[0])


@contextlib.contextmanager
def atomic(final: Path) -> Iterator[Path]:
    """Yield a temporary path beside `final`; rename it on success, delete it otherwise."""
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(final)
    try:
        yield temporary
        os.replace(temporary, final)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def scratch_folder(beside: Path) -> Iterator[Path]:
    """Yield an empty folder beside a file, which goes in the end."""
    folder = temporary_path(beside.with_name("folder"))
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(results: Path) -> tuple[list[Path], list[Path]]:
    """Remove what dead processes left half written below a folder.

    Returns what was removed, and what a process that lives, or may live on another machine, is
    still writing.
    """
    removed, kept = [], []
    for folder, folders, files in os.walk(results):
        left = [name for name in (*files, *folders) if _NAME.match(name)]
        folders[:] = [name for name in folders if name not in _OTHER_FOLDERS | set(left)]
        for path in (Path(folder, name) for name in left):
            if _is_written(path):
                kept.append(path)
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
            removed.append(path)
    return removed, kept


def _is_written(path: Path) -> bool:
    try:
        changed = path.stat().st_mtime
    except FileNotFoundError:
        return False
    pid, host = _NAME.match(path.name).groups()
    if host != this_host():
        return time.time() - changed < FOREIGN_SECONDS
    return is_alive(int(pid), changed)


def is_alive(pid: int, since: float) -> bool:
    """Is there a process of this number that had begun by the time `since` (seconds)?

    Numbers are given again: a process that began later is another one.
    """
    import psutil  # comes with Snakemake

    try:
        return psutil.Process(pid).create_time() <= since + 1
    except psutil.Error:
        return False
