"""upload: the complete run, laid out for Snakemake's storage plugin, which takes it to S3."""

import math
import os
import shutil
import time
from pathlib import Path

from cisweep.scope import RunScope

_OWN = {"logs", "benchmarks", "chunks"}
"""Folders that serve the run itself."""


def upload(of: RunScope, folder: Path) -> int:
    """Fill a folder with all that a run leaves to its user; return the number of files.

    They are links to the same bytes where the file system has them. Object stores tell times in
    whole seconds, cut off: what is copied there within the second of the newest file would look
    older than that file, and be copied again, so the second is waited out.
    """
    results, n, newest = Path(of.plan.results), 0, 0.0
    for found, folders, files in os.walk(results):
        folders[:] = sorted(f for f in folders if f not in _OWN and not f.startswith("."))
        for name in (f for f in files if not f.startswith(".")):
            path = Path(found, name)
            target = folder / path.relative_to(results)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, target)
            except OSError:
                shutil.copy2(path, target)
            n += 1
            newest = max(newest, path.stat().st_mtime)
    # A file of a machine whose clock is ahead is not waited for.
    time.sleep(min(max(0.0, math.ceil(newest) - time.time()), 1.0))
    print(f"{n} files")
    return n
