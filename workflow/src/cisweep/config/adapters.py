"""What each adapter says about itself. It is read from the file's text: adapters import torch."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cisweep.config.base import Package

FOLDER = Path(__file__).parent.parent / "models" / "adapters"
ADAPTERS = sorted(p.stem for p in FOLDER.glob("*.py") if not p.stem.startswith("_"))
"""Names of the adapters: the files of that folder."""


@dataclass(frozen=True)
class Adapter:
    """What an adapter declares, as `ADAPTER = {"needs_module": True, …}` in its file; each is off
    where it is not named.

    is_language_model: `load` returns a DNA language model, which reads sequences and not windows;
    needs_module: model.yaml must name a `module`; reads_hub: weights may be `hub:owner/name`;
    reads_objects: it takes `custom_objects`; recognises: it finds out what the file is, and can say
    so; package: (module, package, extra of cisweep) of an
    optional dependency.
    """

    is_language_model: bool = False
    needs_module: bool = False
    reads_hub: bool = False
    reads_objects: bool = False
    recognises: bool = False
    package: Package | None = None


@cache
def declared(name: str) -> Adapter:
    """Return what the adapter of this name declares."""
    path = FOLDER / f"{name}.py"
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ADAPTER":
            fields = ast.literal_eval(node.value)
            if "package" in fields:
                fields["package"] = Package(*fields["package"])
            return Adapter(**fields)
    return Adapter()


def adapters_that(field: str) -> list[str]:
    """Return the names of the adapters that declare a field, in order."""
    return [name for name in ADAPTERS if getattr(declared(name), field)]
