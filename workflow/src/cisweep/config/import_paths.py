"""Import paths of the user's own code, looked at without running it.

`package.module:name` is looked for beside the file that names it first, where there is one
(model.yaml), then on Python's path; `nets.py:name` is a file, relative to that folder.
"""

import ast
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path

from cisweep.errors import ConfigError
from cisweep.lazy import IMPORT_MEND

BESIDE_MEND = (
    "name it as nets.py:MyNet (a file, relative to the model.yaml), or as package.module:MyNet of "
    "a package beside it or on PYTHONPATH"
)


_NAMES = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*\Z")


@dataclass(frozen=True)
class Beside:
    """Where code that lies beside a model.yaml is imported from.

    folder: what its modules are looked for in; module: its name there; file: its text.
    """

    folder: Path
    module: str
    file: Path


def split_path(path: str) -> tuple[str, str]:
    """Return (module or file, name) of an import path."""
    module, _, name = path.rpartition(":")
    return module, name


def is_import_path(path: str) -> bool:
    """Is it `package.module:name`, or `file.py:name`?"""
    module, name = split_path(path)
    return _is_name(name) and (names_file(path) or _NAMES.match(module) is not None)


def names_file(path: str) -> bool:
    """Does an import path name a file, as nets.py:MyNet?"""
    return split_path(path)[0].endswith(".py")


def _is_name(text: str) -> bool:
    return "." not in text and _NAMES.match(text) is not None


def beside(path: str, folder: Path | None) -> Beside | None:
    """Return where an import path leads beside a file of `folder`; None if nothing is there.

    A path that names a file leads there whether or not there is one; without a folder it is
    relative to the working folder.
    """
    module, _ = split_path(path)
    if names_file(path):
        file = Path(os.path.normpath((folder or Path()) / module))
        return Beside(file.parent, file.stem, file)
    if folder is None or (found := _file_in(folder, module)) is None:
        return None
    return Beside(folder, module, found)


def module_file(path: str, folder: Path | None = None) -> Path | None:
    """Return the file of the module that an import path names; None if there is none.

    folder: of the model.yaml that names it. What it imports in turn is not seen.
    """
    found = beside(path, folder)
    if found is not None:
        return found.file
    spec = _spec_of(split_path(path)[0])
    return Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None


def module_files(path: str, folder: Path | None = None) -> list[Path]:
    """Return the file of the module that an import path names, and what it imports from beside it.

    Of code on Python's path the file alone: what that imports belongs to packages.
    """
    found = beside(path, folder)
    if found is None:
        file = module_file(path)
        return [] if file is None else [file]
    # To import a.b is to run a/__init__.py too.
    parts = found.module.split(".")
    above = [".".join(parts[:n]) for n in range(1, len(parts))]
    packages = [(name, file) for name in above if (file := _file_in(found.folder, name))]
    files, waiting = [], [(found.module, found.file), *packages]
    while waiting:
        module, file = waiting.pop(0)
        if file in files:
            continue
        files.append(file)
        if file.suffix == ".py" and file.is_file():
            package = module if file.name == "__init__.py" else module.rpartition(".")[0]
            waiting += _imported_from(found.folder, package, file)
    return [found.file, *sorted(files[1:])]


def _imported_from(folder: Path, package: str, file: Path) -> Iterator[tuple[str, Path]]:
    """Yield (name, file) of the modules of a folder that a text in `package` imports."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return  # `check_import` tells it
    for name in _imports(tree, package):
        if (inside := _file_in(folder, name)) is not None:
            yield name, inside


def _imports(tree: ast.Module, package: str) -> Iterator[str]:
    """Yield the dotted names that a text's imports may mean, each with the packages above it."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: max(0, len(package.split(".")) + 1 - node.level)]
            base = ".".join([*(above if node.level else []), *filter(None, [node.module])])
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    for name in sorted(names):
        parts = name.strip(".").split(".")
        yield from (".".join(parts[: n + 1]) for n in range(len(parts)))


def check_import(path: str, where: str, folder: Path | None = None) -> None:
    """Raise a ConfigError for an import path that leads nowhere; where: the key that names it;
    folder: of the model.yaml that names it.

    A module that is not on Python's path, and a name that a module's text does not define, are
    told. What goes wrong while it runs, the job that imports it says.
    """
    module, name = split_path(path)
    found = beside(path, folder)
    if found is not None and not found.file.is_file():
        raise ConfigError(
            f"{path!r} cannot be imported: there is no file {found.file}",
            where=where,
            mend="correct its path, which is relative to the model.yaml",
        )
    if found is None and _spec_of(module) is None:
        near = "" if folder is None else f" in {folder.absolute()} or"
        raise ConfigError(
            f"{path!r} cannot be imported: there is no module {module!r}{near} on Python's path",
            where=where,
            mend=IMPORT_MEND if folder is None else BESIDE_MEND,
        )
    file = module_file(path, folder)
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
    return _below(spec, others)


def _file_in(folder: Path, module: str) -> Path | None:
    """Return the file of a module if only `folder` were on Python's path, as its path is given."""
    top, *others = module.split(".")
    root = folder.absolute()
    spec = _below(PathFinder.find_spec(top, [str(root)]) if top else None, others)
    if spec is None or not spec.has_location or not spec.origin:
        return None
    return folder / Path(spec.origin).relative_to(root)


def _below(spec: ModuleSpec | None, parts: Iterable[str]) -> ModuleSpec | None:
    for part in parts:
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
