"""Names of a package that are imported when they are first used.

Importing a package stays cheap: motif scanning does not pay for torch, a table not for matplotlib.
"""

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any


def exports(
    package: str, module_of: dict[str, str], modules: Iterable[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return __getattr__, __dir__ and __all__ of `package`.

    module_of: public name -> the submodule that defines it; modules: submodules that are public
    themselves.
    """
    public = frozenset(modules)
    names = sorted({*module_of, *public})

    def getattr_(name: str) -> Any:
        if name in public:
            return import_module(f"{package}.{name}")
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{module_of[name]}"), name)

    return getattr_, lambda: names, names
