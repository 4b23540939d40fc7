"""One job a GPU: locks that only their user can write, under names that no text can leave."""

import fcntl
import os
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from cisweep.errors import CisweepError

_LONGEST_NAME = 200  # a file system takes 255 bytes


@contextmanager
def free_gpu(count: int) -> Iterator[int]:
    """Yield the index of a GPU of `count` that no other job of this user holds here, and hold it.

    It waits for one. A job that dies lets go of its lock, since the lock is the open file's.
    """
    path, folder = private_folder()
    try:
        while True:
            for index in range(count):
                lock = _open_lock(path, folder, _lock_name(index))
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    os.close(lock)
                    continue
                try:
                    yield index
                finally:
                    os.close(lock)
                return
            time.sleep(0.5)
    finally:
        os.close(folder)


def private_folder() -> tuple[Path, int]:
    """Return a folder that only this user can read and write, and its open descriptor.

    It is cisweep/ in XDG_RUNTIME_DIR, else in XDG_CACHE_HOME or ~/.cache, else (no home, or one
    that is read-only) cisweep_<uid>/ in the temporary folder. One that stands there and is a
    symbolic link, another user's, or open to others is not used. Raises CisweepError if none is.
    """
    refused = []
    for folder in _candidates():
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
            # Looked at once it is open: it cannot be exchanged between the check and its use.
            found = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except (OSError, RuntimeError) as fault:
            refused.append(f"{folder} ({getattr(fault, 'strerror', None) or fault})")
            continue
        if why := _not_private(found):
            os.close(found)
            refused.append(f"{folder} ({why})")
            continue
        return folder, found
    raise CisweepError(
        "no folder that belongs to this user alone was found for the locks of GPUs; tried "
        f"{'; '.join(refused)}",
        where="device",
        mend="set XDG_RUNTIME_DIR to a folder of yours with mode 0700, or name one GPU in "
        "device: cuda:0",
    )


def _candidates() -> Iterator[Path]:
    # A batch job may carry the variable of the machine that it was sent from.
    if (runtime := os.environ.get("XDG_RUNTIME_DIR")) and os.path.isdir(runtime):
        yield Path(runtime, "cisweep")
    if cache := os.environ.get("XDG_CACHE_HOME"):
        yield Path(cache, "cisweep", "locks")
    elif (home := os.path.expanduser("~")) not in ("~", "/"):
        yield Path(home, ".cache", "cisweep", "locks")
    yield Path(tempfile.gettempdir(), f"cisweep_{os.getuid()}")


def _not_private(folder: int) -> str | None:
    found = os.fstat(folder)
    if found.st_uid != os.getuid():
        return "it belongs to another user"
    if stat.S_IMODE(found.st_mode) & 0o077:
        return f"its mode is {stat.S_IMODE(found.st_mode):04o}, not 0700"
    if not os.access(".", os.W_OK, dir_fd=folder):
        return "it cannot be written"
    return None


def _open_lock(path: Path, folder: int, name: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(name, flags, mode=0o600, dir_fd=folder)
    except OSError as fault:
        raise CisweepError(
            f"the lock of a GPU cannot be opened ({fault.strerror})",
            where=str(path / name),
            mend="delete what is at this path",
        ) from None


def _lock_name(index: int) -> str:
    """Return the file name of GPU `index`'s lock, whatever its id holds (MIG-GPU-…/1/0).

    CUDA_VISIBLE_DEVICES renumbers, so the name carries the id of what the job sees. A scheduler
    gives each job its own GPUs, all perhaps called 0: the job's number tells them apart. A home
    may be shared by many machines: so does theirs.
    """
    seen = [each.strip() for each in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    gpu = seen[index] if index < len(seen) and seen[index] else str(index)
    job = os.environ.get("SLURM_JOB_ID", "")
    name = quote(f"{socket.gethostname()}_{job}_{gpu}", safe="")
    return f"gpu_{name[-_LONGEST_NAME:]}.lock"
