"""Models: built-in modules, adapters of model files, targets, wrappers."""

from cisweep.lazy import exports

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
    "SignalModule": "tracks",
    "signal_module": "tracks",
    "ControlWrapper": "wrappers",
    "CountWrapper": "wrappers",
    "ProfileWrapper": "wrappers",
    "EnformerWrapper": "wrappers",
}

__getattr__, __dir__, __all__ = exports(__name__, _MODULE_OF)
