"""Names of objects in S3 (`s3://bucket/key`) and where their copies lie in the working folder.

Readers open files: what a config names in a bucket is fetched before the run is planned
(`plan/stored_inputs.py`), and every process finds the copy by the same path.
"""

from pathlib import Path

SCHEME = "s3://"
COPIES = Path(".snakemake", "cisweep", "s3")
"""Below it a copy lies as <bucket>/<key>."""


def is_object(value: object) -> bool:
    """Is this the name of an object?"""
    return isinstance(value, str) and value.startswith(SCHEME)


def copy_path(name: str) -> Path:
    """Return where the copy of an object lies."""
    return COPIES / name.removeprefix(SCHEME)


def object_name(path: Path) -> str | None:
    """Return of which object a path is the copy; None for any other path."""
    if not path.is_relative_to(COPIES):
        return None
    return SCHEME + path.relative_to(COPIES).as_posix()
