"""Goals of designs from a table: one row per goal, for one region or for all of them."""

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cisweep.errors import ConfigError
from cisweep.textfile import open_text

NEEDED = ("region", "model", "target", "kind")
COLUMNS = (*NEEDED, "value", "weight", "tolerance", "goal")
ALL = "*"


def with_goal_table(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a step's settings with the goals of its `goals_table` among `goals`.

    The rows of one region and one name in column `goal` hold together. Rows of region `*` are for
    every region; a set of goals of one region is named `<goal>_<region>`.

    Raises ValueError with file, row and what is wrong.
    """
    merged = dict(data)
    path = data.get("goals_table")
    wrong = any(not isinstance(data.get(k) or {}, Mapping) for k in ("goals", "region_goals"))
    if not isinstance(path, str | Path) or not path or wrong:
        return merged  # the models say what is wrong
    sets: dict[str, list[dict]] = {}
    owner: dict[str, str] = {}
    for line, row in _rows(Path(path)):
        region, goal = row["region"], row["goal"] or "goal"
        name = goal if region == ALL else f"{goal}_{_plain(region)}"
        if owner.setdefault(name, region) != region:
            raise ValueError(
                f"{path}, line {line}: {region!r} and {owner[name]!r} would share the name {name}; "
                "rename a region or a goal"
            )
        try:
            sets.setdefault(name, []).append(_goal(row))
        except ValueError as error:
            raise ValueError(f"{path}, line {line}: {error}") from None
    given, chosen = dict(data.get("goals") or {}), dict(data.get("region_goals") or {})
    if twice := sorted(set(given) & set(sets)):
        raise ValueError(f"goals: {', '.join(twice)} is given in goals and in {path}")
    common = [*given, *(name for name, region in owner.items() if region == ALL)]
    common = list(chosen.setdefault(ALL, common))
    for name, region in owner.items():
        if region != ALL:
            chosen.setdefault(region, list(common)).append(name)
    return merged | {"goals": given | sets, "region_goals": chosen}


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    if not path.is_file():
        raise ValueError(f"goals_table: no such file {path}")
    with open_text(path, ConfigError, newline="") as handle:
        lines = [(n, row) for n, row in enumerate(csv.reader(handle, delimiter="\t"), 1) if row]
    lines = [(n, row) for n, row in lines if not row[0].startswith("#")]
    if len(lines) < 2:
        raise ValueError(f"{path}: give a row of column names, and a row for each goal")
    names = [name.strip() for name in lines[0][1]]
    unknown, missing = set(names) - set(COLUMNS), set(NEEDED) - set(names)
    if unknown or missing or len(set(names)) < len(names):
        raise ValueError(
            f"{path}, line {lines[0][0]}: the columns are {', '.join(names)}; give, separated by "
            "tabs, "
            f"{', '.join(NEEDED)}, and where needed {', '.join(COLUMNS[len(NEEDED) :])}"
        )
    found = []
    for n, row in lines[1:]:
        if len(row) != len(names):
            raise ValueError(
                f"{path}, line {n}: {len(row)} columns, the first row has {len(names)}"
            )
        cells = dict.fromkeys(COLUMNS, "") | {k: v.strip() for k, v in zip(names, row)}
        if not all(cells[name] for name in NEEDED):
            raise ValueError(f"{path}, line {n}: {', '.join(NEEDED)} must not be empty")
        found.append((n, cells))
    return found


def _goal(row: Mapping[str, str]) -> dict[str, Any]:
    goal: dict[str, Any] = {name: row[name] for name in ("model", "target", "kind")}
    for name in ("value", "weight", "tolerance"):
        if row[name] in ("", "."):
            continue
        try:
            goal[name] = float(row[name])
        except ValueError:
            raise ValueError(f"{name} {row[name]!r} is not a number") from None
    if goal["kind"] in ("value", "change") and "value" not in goal:
        raise ValueError(f"a goal of kind {goal['kind']} needs a value")
    return goal


def _plain(region: str) -> str:
    return re.sub(r"[^a-z0-9_]", "_", region.lower())
