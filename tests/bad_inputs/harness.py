"""What a bad input is, and how the table of them is collected and laid over the small run."""

import hashlib
import importlib.util
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
if str(HERE.parent / "workflow") not in sys.path:
    sys.path.insert(0, str(HERE.parent / "workflow"))
from support import config as small_config  # noqa: E402


@dataclass(frozen=True)
class Case:
    """One bad input, and what the one error says of it.

    name: of the case, unique in the table; files: name in the case's own folder -> what it holds
    (a file `overlay.yaml` is the config itself, as the user wrote it); config: laid over that of
    the small run; `{dir}` in its texts and in texts of files stands for the case's folder;
    says: parts of the message, which together tell place, value and mend; at: `parse` where it is
    told before any job, `job` where only a job can see it.
    """

    name: str
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    says: tuple[str, ...] = ()
    at: Literal["parse", "job"] = "parse"


def all_cases() -> list[Case]:
    """Return the cases of all files cases_*.py beside this one."""
    found: list[Case] = []
    for path in sorted(HERE.glob("cases_*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found += module.CASES
    twice = [name for name, n in Counter(case.name for case in found).items() if n > 1]
    assert not twice, f"cases of one name: {twice}"
    return found


def write_case(case: Case, folder: Path, genome: Path) -> Path:
    """Write the case's files and its config into its folder; return the config's path."""
    folder.mkdir(parents=True)
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content.replace("{dir}", str(folder)))
    overlay = folder / "overlay.yaml"
    if "overlay.yaml" not in case.files:
        data = laid_over(small_config(genome), _placed(case.config, folder))
        if isinstance(data["models"], Mapping):  # null takes the small run's model out
            data["models"] = {k: v for k, v in data["models"].items() if v is not None}
        overlay.write_text(yaml.safe_dump(data, sort_keys=False))
    return overlay


def laid_over(base: Any, over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with the values of `over` in place of its own, mapping by mapping."""
    made = dict(base) if isinstance(base, Mapping) else {}
    for key, value in over.items():
        made[key] = laid_over(made.get(key), value) if isinstance(value, Mapping) else value
    return made


def _placed(value: Any, folder: Path) -> Any:
    if isinstance(value, str):
        return value.replace("{dir}", str(folder))
    if isinstance(value, Mapping):
        return {_placed(k, folder): _placed(v, folder) for k, v in value.items()}
    return [_placed(v, folder) for v in value] if isinstance(value, list) else value


def snapshot(*folders: Path) -> dict[str, str]:
    """Return path -> checksum of all files in the folders, but for Snakemake's own."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if ".snakemake" not in path.parts
    }
