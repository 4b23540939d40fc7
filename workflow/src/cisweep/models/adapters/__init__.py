"""Readers of model files. A new adapter is one new file here.

The file `<name>.py` defines `load(config, fold) -> nn.Module` and is used by `adapter: <name>`. Its
`ADAPTER` declares what is known of its models without loading them: cisweep.config.adapters.
"""

import importlib
import pkgutil
from collections.abc import Callable

from torch import nn

from cisweep.config.model import FoldConfig, ModelConfig
from cisweep.errors import ModelError

Load = Callable[[ModelConfig, FoldConfig], nn.Module]


def adapter(name: str) -> Load:
    """Return the loading function of an adapter."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    if name not in names:
        raise ModelError(
            f"there is no adapter {name!r}", where="adapter", mend=f"use one of {', '.join(names)}"
        )
    return importlib.import_module(f"{__name__}.{name}").load
