"""Targets of a model from a table (TSV), and targets that are chosen by name, group or pattern."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from cisweep.errors import ConfigError
from cisweep.textfile import open_text

INDEX_COLUMNS = ("index", "track")
"""Columns that number the outputs of a model, the first of them that is there."""
_OWN = ("group", "color", "colour")
_SHOWN = 5


def targets_of_table(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what stands under `targets` for the rows of a table.

    given: the keys of config.targets.TargetTable, as they were checked. Raises ValueError with
    file, line and what is wrong.
    """
    path = Path(given["table"])
    header, rows = _rows(path)
    name, index = given["name"], given["index"]
    if index is None:
        index = next((column for column in INDEX_COLUMNS if column in header), None)
    wanted = {key: [v] if isinstance(v, str) else v for key, v in given["where"].items()}
    for what, column in (("name", name), ("index", index), *(("where", key) for key in wanted)):
        if column is not None and column not in header:
            raise ValueError(
                f"targets.{what}: {path} has no column {column!r}{_meant(column, header)}"
            )
    common = {key: given[key] for key in ("head", "positions", "reduce", "transform", "scale")}
    found = []
    for order, (line, row) in enumerate(rows):
        if all(_fits(row[column], patterns) for column, patterns in wanted.items()):
            task = order if index is None else _task(row[index], index, f"{path}, line {line}")
            found.append(
                common | _target(row, {name, index}) | {"name": row[name], "tasks": [task]}
            )
    if not found:
        told = f"no row of {path} is as `where` says" if rows else f"{path} has no rows"
        raise ValueError(f"targets.table: {told}")
    return found


def _target(row: Mapping[str, str], left_out: set[str | None]) -> dict[str, Any]:
    """Return group, color and further columns of a row."""
    more = {k: v for k, v in row.items() if k not in left_out and k not in _OWN}
    color = row.get("color") or row.get("colour")
    return {"group": row.get("group") or None, "color": color or None, "annotation": more}


def _rows(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Return the columns of a table, and the number of the line and the cells of each row."""
    if not path.is_file():
        raise ValueError(f"targets.table: no such file {path}")
    with open_text(path, ConfigError, newline="") as handle:
        lines = [(n, row) for n, row in enumerate(csv.reader(handle, delimiter="\t"), 1) if row]
    header = [name.strip() for name in lines[0][1]] if lines else []
    if len(set(header)) < len(header) or not all(header):
        raise ValueError(f"{path}, line 1: each column needs a name of its own, separated by tabs")
    found = []
    for n, row in lines[1:]:
        if len(row) != len(header):
            raise ValueError(
                f"{path}, line {n}: {len(row)} columns, the first row has {len(header)}"
            )
        found.append((n, dict(zip(header, (cell.strip() for cell in row)))))
    return header, found


def _task(text: str, column: str, where: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(
            f"{where}: {column} {text!r} is no number of an output of the model (from 0)"
        )
    return int(text)


def _fits(text: str, patterns: Sequence[str]) -> bool:
    return any(text == pattern or fnmatchcase(text, pattern) for pattern in patterns)


# ---- choosing ------------------------------------------------------------------------------------


def chosen(wanted: Iterable[str], groups: Mapping[str, str | None]) -> dict[str, list[str]]:
    """Return each word of `wanted` -> the targets that it means, in their order; none if it means
    none.

    groups: target -> its group. A word is the name of a target, or else of a group, or else a
    pattern (fnmatch: * ? [ ]) of names.
    """
    members: dict[str, list[str]] = {}
    for target, group in groups.items():
        if group is not None:
            members.setdefault(group, []).append(target)
    return {
        word: [word]
        if word in groups
        else members.get(word) or [t for t in groups if fnmatchcase(t, word)]
        for word in wanted
    }


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ' (did you mean …?)' or a few of the known names: a line, however many there are."""
    known = list(dict.fromkeys(known))
    return _meant(word, known) or f" (there are: {shortened(known)})"


def shortened(names: Sequence[str], most: int = _SHOWN) -> str:
    """Return the first few names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def _meant(word: str, known: Sequence[str]) -> str:
    folded = {name.casefold(): name for name in known}
    close = get_close_matches(word.casefold(), folded, n=3, cutoff=0.7)
    return f" (did you mean {' or '.join(folded[c] for c in close)}?)" if close else ""
