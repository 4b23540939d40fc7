"""What the process that plans a run does before its first job and after its last one.

Before: it removes what processes that died left half written. After a job that found a product
damaged on the disk: it takes that product away and starts the same command again, which plans it
anew. So a damaged part is made again in one invocation, by the rule that makes it, wherever its
jobs run. Nothing of this costs a look at the parts while the run is planned.

A job takes nothing away itself while a driver is there: where an input of a job has gone between
its planning and its start, Snakemake ends at once, without its hooks.
"""

import atexit
import contextlib
import json
import os
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cisweep.origin import key_path, note_path
from cisweep.temporary import is_alive, remove_leftovers, this_host

_KNOWN = "CISWEEP_DAMAGED"
"""Environment variable of a command that was started again: how many damaged files were known."""


@dataclass(frozen=True)
class Holder:
    """The driver that noted itself last in a run's folder: its process, and does it live here?"""

    pid: int
    host: str
    is_alive: bool

    @property
    def may_live(self) -> bool:
        """Is it alive, as far as can be said? Processes of another machine are not seen."""
        return self.is_alive or self.host != this_host()


def is_made_here(results: Path, path: Path) -> bool:
    """Can the run make this product again?"""
    return _is_part(path) or path.is_relative_to(results)


def tell_damaged(results: Path, paths: Iterable[Path]) -> None:
    """Note, in a job, which products of the run are damaged: the driver takes them away at its end.

    Where there is no driver of these rules, as in another workflow's `module:`, it is done at once.
    """
    paths = list(paths)
    if not _has_driver(results):
        for path in paths:
            _take_away(path)
    results.mkdir(parents=True, exist_ok=True)
    with open(_damaged(results), "a", encoding="utf-8") as file:
        file.write("".join(f"{path}\n" for path in paths))


def begin(results: Path) -> list[str]:
    """Remove what dead processes left; return what there is to say."""
    results.mkdir(parents=True, exist_ok=True)
    if _KNOWN not in os.environ:
        _damaged(results).unlink(missing_ok=True)
    _holder(results).write_text(f"{os.getpid()} {this_host()}\n")
    removed, kept = remove_leftovers(results)
    lines = []
    if removed:
        lines.append(
            f"{len(removed)} half-written file(s) of killed jobs were removed: {_shown(removed)}"
        )
    if kept:
        lines.append(
            f"{len(kept)} file(s) are still being written by jobs of an earlier run: {_shown(kept)}"
        )
    return lines


def end(results: Path) -> None:
    """Forget, after a run that succeeded, who held it and what was damaged."""
    _holder(results).unlink(missing_ok=True)
    _damaged(results).unlink(missing_ok=True)


def after_failure(results: Path) -> list[str]:
    """Take damaged products away and start the command again, once this process ends.

    Not if one is damaged for the second time. Returns what there is to say.
    """
    _holder(results).unlink(missing_ok=True)
    known = int(os.environ.get(_KNOWN, 0))
    try:
        paths = _damaged(results).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    old, new = paths[:known], list(dict.fromkeys(paths[known:]))
    if not new:
        return []
    for path in new:
        _take_away(Path(path))
    again = [path for path in new if path in old]
    if again:
        return [f"{again[0]} was made again and is damaged again: check the disk"]
    if not _is_snakemake():
        return []
    os.environ[_KNOWN] = str(len(paths))
    # Snakemake first ends: it unlocks the folder and returns to the folder it was started in.
    atexit.register(_start_again)
    kept = [path for path in new if Path(f"{path}.damaged").exists()]
    lines = [f"{path} was damaged on the disk and is made again" for path in new]
    return [*lines, *(f"{path}.damaged is the damaged file" for path in kept)]


def notice(results: Path) -> str | None:
    """Return, where another run holds the folder or was killed in it, which and what to do."""
    if not any(Path(".snakemake", "locks").glob("*.lock")):
        return None
    found = holder(results)
    if found is None:
        return None
    pid = found.pid
    if found.host != this_host():
        return f"a run on {found.host} (process {pid}) holds {results}, or was killed there"
    if pid != os.getpid() and found.is_alive:
        return (
            f"another run (process {pid}) is at work in {results}: wait until it ends, or stop it"
        )
    return (
        f"the run before (process {pid}) was killed: run the same command with --unlock, then "
        "without; complete products are kept"
    )


def holder(results: Path) -> Holder | None:
    """Return the driver that noted itself last; None where none did, or it ended well."""
    path = _holder(results)
    try:
        pid, host = path.read_text().split()
        return Holder(int(pid), host, is_alive(int(pid), path.stat().st_mtime))
    except (OSError, ValueError):
        return None


def repeat_command(configfiles: Iterable[Path], given: Mapping[str, Any], root: Path) -> str:
    """Return the command that makes a run again, to be started in the workflow's folder.

    configfiles: those of --configfile, named from `root`, the workflow's folder; given: the keys
    and values of --config, as Snakemake has read them.
    """
    root, files = root.resolve(), [Path(file).resolve() for file in configfiles]
    shown = [str(f.relative_to(root)) if f.is_relative_to(root) else f.name for f in files]
    words = ["snakemake", "--cores", "1", *(["--configfile", *shown] if shown else [])]
    values = [f"{key}={_config_text(value)}" for key, value in given.items()]
    return shlex.join([*words, *(["--config", *values] if values else [])])


def _config_text(value: Any) -> str:
    """Return what Snakemake reads as this value: in --config nothing is null, YAML a mapping."""
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def _is_part(path: Path) -> bool:
    return bool({"chunks", "prepare"} & set(path.parts))


def _take_away(path: Path) -> None:
    """Delete a part; what a user sees is kept under another name."""
    if _is_part(path):
        path.unlink(missing_ok=True)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.replace(path, path.with_name(f"{path.name}.damaged"))
    note_path(path).unlink(missing_ok=True)
    key_path(path).unlink(missing_ok=True)


def _has_driver(results: Path) -> bool:
    """Is a driver at work that will take damaged products away? One elsewhere counts as alive."""
    found = holder(results)
    return found is not None and found.may_live


def _is_snakemake() -> bool:
    started = Path(sys.argv[0])
    return started.stem == "snakemake" or started.parts[-2:] == ("snakemake", "__main__.py")


def _start_again() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _damaged(results: Path) -> Path:
    return results / ".damaged"


def _holder(results: Path) -> Path:
    return results / ".driver"


def _shown(paths: list[Path]) -> str:
    return ", ".join(map(str, paths[:3])) + (" …" if len(paths) > 3 else "")
