"""The user's own code beside a model.yaml, imported without PYTHONPATH.

Nothing goes onto `sys.path`. While code of a folder is imported, the module that model.yaml names
is looked for there first, and what it imports after all that is installed, so that a file which
happens to lie there takes no package's place. Modules of two models may have one name.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from cisweep.config.import_paths import Beside, beside, split_path
from cisweep.errors import ModelError
from cisweep.lazy import from_path

_loaded: dict[Path, dict[str, ModuleType]] = {}
"""Folder -> name -> module, of all that was imported from beside a model.yaml."""


class _Finder:
    """Finds modules of a folder at one end of the search: `first` alone, or all."""

    def __init__(self, folder: Path, first: str | None = None):
        self.folder, self.first = folder, first

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a top module lies in the folder; what is below it, it says itself."""
        if path is not None or self.first not in (None, name):
            return None
        return PathFinder.find_spec(name, [str(self.folder)])


def own_object(path: str, folder: Path | None, where: str = "module") -> Any:
    """Return what an import path, nets.py:MyNet or package.module:MyNet, names.

    folder: of the model.yaml that names it; where: the key that does. Raises ModelError with what
    the user's module raises while it is imported.
    """
    found = beside(path, folder)
    if found is None:
        return from_path(path, ModelError, where)
    try:
        return getattr(own_module(found), split_path(path)[1])
    except Exception as fault:
        raise ModelError(
            f"{path!r} cannot be imported ({type(fault).__name__}: {fault})",
            where=str(found.file),
            mend="correct that file, or name what it defines; what it imports is looked for on "
            "Python's path, then beside it",
        ) from fault


def own_module(found: Beside) -> ModuleType:
    """Return a module that lies beside a model.yaml; it is imported once."""
    with importing_from(found.folder, found.module):
        if found.module in sys.modules:
            return sys.modules[found.module]
        if found.module.isidentifier() or "." in found.module:
            return import_module(found.module)
        # A file as my-net.py, which no import statement could name.
        spec = spec_from_file_location(found.module, found.file.absolute())
        module = sys.modules[found.module] = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


@contextmanager
def importing_from(folder: Path, module: str | None = None) -> Iterator[None]:
    """Within, modules of a folder can be imported: `module` before any other of its name, all else
    where Python finds none."""
    folder = folder.absolute()
    first = None if module is None else module.split(".")[0]
    own = _loaded.setdefault(folder, {})
    others = {name for known in _loaded.values() for name in known}
    hidden = {
        name: sys.modules.pop(name)
        for name in [*sys.modules]
        if name in others or name.split(".")[0] == first
    }
    sys.modules.update(own)
    finders = [_Finder(folder, first)] if first else []
    last = _Finder(folder)
    sys.meta_path[:0] = finders
    sys.meta_path.append(last)
    before = set(sys.modules)
    try:
        yield
    finally:
        for finder in (*finders, last):
            sys.meta_path.remove(finder)
        made = {n: m for n, m in sys.modules.items() if n not in before and _lies_in(m, folder)}
        own |= made
        for name in own:
            sys.modules.pop(name, None)
        # What was there keeps its place; else pickle and inspect find the classes by their module.
        sys.modules.update(own | hidden)


def _lies_in(module: Any, folder: Path) -> bool:
    paths = [getattr(module, "__file__", None), *(getattr(module, "__path__", None) or ())]
    return any(isinstance(path, str) and folder in Path(path).parents for path in paths)
