"""Models: built-in modules, adapters of model files, targets, wrappers, fast convolutions."""

from importlib import import_module
from typing import Any

_MODULE_OF = {
    "load_model": "loading",
    "Linear": "modules",
    "CNN": "modules",
    "BPNet": "modules",
    "ChromBPNet": "modules",
    "TargetModule": "targets",
    "TrackModule": "targets",
    "target_module": "targets",
    "track_module": "targets",
    "ControlWrapper": "wrappers",
    "CountWrapper": "wrappers",
    "ProfileWrapper": "wrappers",
    "EnformerWrapper": "wrappers",
    "fast_convolutions": "convolution",
}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'cisweep.models' has no attribute {name!r}")
    return getattr(import_module(f"cisweep.models.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
