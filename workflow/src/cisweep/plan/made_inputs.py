"""Inputs that a run makes itself before it is planned: indices, and bgzip of plain gzip.

The process that plans makes them (`make_inputs`); every job finds the same (`with_made`).
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from cisweep.errors import ConfigError, stop_at_faults
from cisweep.genome.indexing import make_ready, ready_path
from cisweep.plan.run_config import load_config, paths_in


def make_inputs(data: Mapping[str, Any], root: Path) -> list[str]:
    """Make what the run's FASTA and BAM files lack; return a line for each of them.

    data, root: as of `checked_plan`, which tells what is wrong with a config; here it makes
    nothing. Raises a CisweepError that lists all files that cannot be made ready.
    """
    try:
        config = load_config(data, root)[0]
    except ConfigError:
        return []
    said: list[str] = []
    folder = _folder(config)
    stop_at_faults(
        partial(lambda path: said.extend(make_ready(path, folder)), path)
        for path in _indexed(config)
    )
    return said


def with_made(config: Any) -> Any:
    """Return the config with the paths of what was made in place of what it was made of."""
    folder = _folder(config)
    found = {path: ready_path(path, folder) for path in _indexed(config)}
    moved = {path: made for path, made in found.items() if made != path}
    return _replaced(config, moved) if moved else config


def _folder(config: Any) -> Path:
    """Return where the run keeps what it cannot write beside a file."""
    return Path("results", config.run, ".inputs")


def _indexed(config: Any) -> list[Path]:
    """Return the files that are read by an index: genomes, and reads in BAM."""
    named = [
        path
        for key, path in paths_in(config)
        if key == "genome.fasta" or key.endswith(".data.genome") or path.suffix == ".bam"
    ]
    return list(dict.fromkeys(named))


def _replaced(value: Any, moved: Mapping[Path, Path]) -> Any:
    """Return a config's value with other paths in it."""
    if isinstance(value, Path):
        return moved.get(value, value)
    if isinstance(value, BaseModel):
        fields = {n: getattr(value, n) for n in type(value).model_fields}
        new = {n: _replaced(old, moved) for n, old in fields.items()}
        return value.model_copy(update={n: v for n, v in new.items() if v is not fields[n]})
    if isinstance(value, dict):
        return {key: _replaced(item, moved) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, moved) for item in value]
    return value
