"""Names that are imported when they are first used: those of a package, and the user's own.

Importing a package stays cheap: motif scanning does not pay for torch, a table not for matplotlib.
"""

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

from cisweep.errors import CisweepError

IMPORT_MEND = (
    "name it as package.module:function or package.module:Class, with the folder of the package "
    "on PYTHONPATH"
)


def exports(
    package: str, module_of: dict[str, str], modules: Iterable[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return __getattr__, __dir__ and __all__ of `package`.

    module_of: public name -> the submodule that defines it; modules: submodules that are public
    themselves, by the last part of their path ("data.datasets": `datasets`).

    A name whose module fails is an ImportError that tells what failed: of an AttributeError the
    statement `from package import name` would say no more than "cannot import name".
    """
    public = {path.rpartition(".")[2]: path for path in modules}
    names = sorted({*module_of, *public})

    def getattr_(name: str) -> Any:
        if name in public:
            return import_module(f"{package}.{public[name]}")
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = f"{package}.{module_of[name]}"
        try:
            return getattr(import_module(module), name)
        except AttributeError as fault:
            raise ImportError(
                f"{module} does not provide {name!r}: {fault}", name=module
            ) from fault

    return getattr_, lambda: names, names


def from_path(path: str, error: type[CisweepError], where: str) -> Any:
    """Return what the user's import path `package.module:name` names; raises `error`.

    Whatever the user's module raises while it is imported is told, and chained.
    """
    module, _, name = path.partition(":")
    try:
        return getattr(import_module(module), name)
    except Exception as fault:
        raise error(
            f"{path!r} cannot be imported ({type(fault).__name__}: {fault})",
            where=where,
            mend=IMPORT_MEND,
        ) from fault
