"""upload: the complete run, laid out for Snakemake's storage plugin, which takes it to S3."""

import os
import shutil
from pathlib import Path

from cisweep.scope import RunScope

_OWN = {"logs", "benchmarks", "chunks"}
"""Folders that serve the run itself."""


def upload(of: RunScope, folder: Path) -> int:
    """Fill a folder with all that a run leaves to its user; return the number of files.

    They are links to the same bytes where the file system has them.
    """
    results, n = Path(of.plan.results), 0
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
    print(f"{n} files")
    return n
