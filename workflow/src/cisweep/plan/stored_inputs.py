"""Inputs in S3: fetched by the process that plans, before it looks at them.

Snakemake's storage plugin does the transfer; here stands what is fetched, and when again.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from cisweep.config.objects import copy_path, is_object, object_name
from cisweep.errors import ConfigError, first_line, stop_at_faults
from cisweep.plan.run_config import UPLOAD, load_config
from cisweep.temporary import atomic

INDICES = (".fai", ".gzi", ".tbi", ".csi", ".bai")
"""Beside an object; of one that is not in the bucket the run makes its own, or says so."""


class StoredObject(Protocol):
    """What is used of Snakemake's storage objects."""

    def exists(self) -> bool:
        """Is it in the bucket?"""

    def mtime(self) -> float:
        """When it was put there, in seconds."""

    def size(self) -> int:
        """Its bytes."""

    def set_local_path(self, path: Path) -> None:
        """Say where `retrieve_object` is to write."""

    def retrieve_object(self) -> None:
        """Fetch it."""


Store = Callable[[str], StoredObject]


def fetch_inputs(data: Mapping[str, Any], root: Path, store: Store) -> list[str]:
    """Fetch what the config names in S3, and its models' files; return a line for each.

    A copy that is that of the object as it is now stays. data, root: as of `checked_plan`; store:
    name (s3://…) -> object. Raises a ConfigError that lists all that cannot be fetched.
    """
    said: list[str] = []
    named = [(key, name) for key, name in _names(data) if key != UPLOAD]
    stop_at_faults(partial(_fetch_with_indices, store, key, name, said) for key, name in named)
    if not any(is_object(name) for _, name in [*named, *_in_models(data, root)]):
        return said
    known = {name for _, name in named}
    stop_at_faults(
        partial(_fetch_with_indices, store, key, name, said)
        for key, name in dict.fromkeys(_in_models(data, root))
        if name not in known
    )
    return said


def _names(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield (key, name) of the objects in a config as it was written."""
    if is_object(value):
        yield key, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _names(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _names(item, f"{key}.{i}")


def _in_models(data: Mapping[str, Any], root: Path) -> list[tuple[str, str]]:
    """Return (key, name) of the objects that the models' model.yaml name, or that lie beside it."""
    try:
        models = load_config(data, root)[1]
    except ConfigError:
        return []  # `checked_plan` says what is wrong
    found = [(f"models.{m}", object_name(p)) for m, c in models.items() for p in c.files()]
    return [(key, name) for key, name in found if name is not None]


def _fetch_with_indices(store: Store, key: str, name: str, said: list[str]) -> None:
    path = copy_path(name)
    try:
        found = store(name)
        if not found.exists():
            raise ConfigError(f"no such object {name}", where=key, mend="correct the name")
        fetched = _fetch(found, path)
        for suffix in INDICES:
            index = store(f"{name}{suffix}")
            if index.exists():
                _fetch(index, Path(f"{path}{suffix}"))
            elif fetched:
                # One that was made of the object as it was before.
                Path(f"{path}{suffix}").unlink(missing_ok=True)
    except ConfigError:
        raise
    except Exception as error:  # of whichever client the plugin uses
        raise ConfigError(
            f"{name} cannot be read ({type(error).__name__}: {first_line(error)})", where=key,
            mend="look at --storage-s3-endpoint-url and at your credentials; docs/cluster.md "
            "tells what Snakemake's S3 plugin asks for",
        ) from error  # fmt: skip
    if fetched:
        said.append(f"{name} was fetched ({path.stat().st_size} bytes)")


def _fetch(found: StoredObject, path: Path) -> bool:
    """Fetch an object unless its copy is that of now; return whether that was needed."""
    changed: float | None = found.mtime()
    stamp = f"{changed} {found.size()}"
    note = path.with_name(f".{path.name}.stamp")
    if path.is_file() and note.is_file():
        if note.read_text() == stamp:
            return False
        # Products may have been made after the object was replaced, of what it was before.
        changed = None
    note.unlink(missing_ok=True)
    with atomic(path) as temporary:
        found.set_local_path(temporary)
        found.retrieve_object()
        if changed is not None:
            # A copy that is fetched again in another folder makes nothing out of date.
            os.utime(temporary, (changed, changed))
    with atomic(note) as temporary:
        temporary.write_text(stamp)
    return True
