"""Readers of model files. A new adapter is one new file here.

The file `<name>.py` defines `load(config, fold) -> nn.Module` and is used by `adapter: <name>`. Its
`ADAPTER` declares what is known of its models without loading them: cisweep.config.adapters. It may
define `check(fold)`, which raises ModelError for a file that could end or hold up the process that
reads it: it is called once for the bytes of a file, before they are first loaded.
"""

import importlib
import pkgutil
from collections.abc import Callable
from types import ModuleType

from torch import nn

from cisweep.config.model import FoldConfig, ModelConfig
from cisweep.errors import ModelError

Load = Callable[[ModelConfig, FoldConfig], nn.Module]


def adapter(name: str) -> Load:
    """Return the loading function of an adapter."""
    return _module(name).load


def check_files(name: str, fold: FoldConfig) -> None:
    """Look at a fold's files as the adapter wants before it first loads them."""
    check = getattr(_module(name), "check", None)
    if check is not None:
        check(fold)


def _module(name: str) -> ModuleType:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    if name not in names:
        raise ModelError(
            f"there is no adapter {name!r}", where="adapter", mend=f"use one of {', '.join(names)}"
        )
    return importlib.import_module(f"{__name__}.{name}")
