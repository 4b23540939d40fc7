"""Is there what a run needs beside its own files: packages, and a folder to write to?"""

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path

from cisweep.config.base import Package
from cisweep.config.objects import object_name
from cisweep.errors import ConfigError


def check_packages(wanted: Mapping[str, Package]) -> None:
    """Raise a ConfigError for the first package that is absent; wanted: key -> package."""
    for where, package in wanted.items():
        if importlib.util.find_spec(package.module) is None:
            raise ConfigError(
                f"needs {package.name}, which is not installed",
                where=where,
                mend=f"pip install 'cisweep[{package.extra}]', or make install-extras",
            )


def check_writable(folder: Path) -> None:
    """Raise a ConfigError unless a folder, which need not exist, can be written to."""
    there = folder
    while not there.exists():
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise ConfigError(
            f"cannot write to {there.resolve()}",
            where=str(folder),
            mend="run snakemake in a folder where you may write, or give --directory",
        )


def missing_file(where: str, path: Path) -> None:
    """Raise a ConfigError for a file that is not there; where: the key that names it."""
    if (name := object_name(path)) is not None:
        raise ConfigError(
            f"{name} was not fetched yet", where=where,
            mend="run `snakemake -n` or `cisweep run -n` first, which fetches it",
        )  # fmt: skip
    raise ConfigError(f"no such file {path}", where=where, mend="correct the path in the config")
