"""Import paths `package.module:name` of the user's own code, looked at without running it."""

import ast
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path

from cisweep.errors import ConfigError
from cisweep.lazy import IMPORT_MEND


def module_file(path: str) -> Path | None:
    """Return the file of the module that an import path names; None if there is none.

    What it imports in turn is not seen.
    """
    spec = _spec_of(path.split(":")[0])
    return Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None


def check_import(path: str, where: str) -> None:
    """Raise a ConfigError for an import path that leads nowhere; where: the key that names it.

    A module that is not on Python's path, and a name that a module's text does not define, are
    told. What goes wrong while it runs, the job that imports it says.
    """
    module, _, name = path.partition(":")
    if _spec_of(module) is None:
        raise ConfigError(
            f"{path!r} cannot be imported: there is no module {module!r} on Python's path",
            where=where,
            mend=IMPORT_MEND,
        )
    file = module_file(path)
    if file is None or file.suffix != ".py":
        return
    try:
        defined = _defined(ast.parse(file.read_bytes()))
    except (SyntaxError, ValueError, OSError) as error:
        raise ConfigError(
            f"{path!r} cannot be imported: {file} cannot be read as Python ({error})",
            where=where,
            mend="correct it",
        ) from None
    if defined is not None and name not in defined:
        raise ConfigError(
            f"{path!r} cannot be imported: {file} has no {name!r}",
            where=where,
            mend=f"name what it defines: {', '.join(sorted(defined)[:20]) or 'it defines nothing'}",
        )


def _spec_of(module: str) -> ModuleSpec | None:
    """Return where a module would come from; nothing of it is run."""
    top, *others = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):  # of a module that was made by hand
        spec = None
    for part in others:
        if spec is None:
            return None
        spec = PathFinder.find_spec(part, spec.submodule_search_locations or [])
    return spec


def _defined(tree: ast.Module) -> set[str] | None:
    """Return all names that a module's text may bind; None where that cannot be told from it."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Name) and node.id in ("globals", "setattr", "exec", "vars"):
            return None
    return None if {"*", "__getattr__"} & names else names
