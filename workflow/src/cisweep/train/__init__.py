"""Training and evaluation: from sequences or signal to a model that the other steps can use.

Modules carry nouns because the functions carry the verbs; loading is lazy, so that a script
which only needs metrics does not pay for torch.
"""

from importlib import import_module
from typing import Any

_MODULE_OF = {
    "Split": "splitting",
    "split": "splitting",
    "split_regions": "splitting",
    "near_duplicate_groups": "splitting",
    "check_leak": "splitting",
    "FitConfig": "fitting",
    "FitResult": "fitting",
    "fit": "fitting",
    "evaluate": "evaluation",
    "predict_dataset": "evaluation",
    "TableDataset": "datasets",
    "SignalDataset": "datasets",
    "read_table": "tables",
    "all_kmers": "tables",
    "gc_matched_windows": "negatives",
    "uniform_windows": "negatives",
    "filter_matrices": "filters",
    "match_filters": "filters",
    "train_fold": "recipes",
    "RunOptions": "recipes",
    "train_model": "products",
}
_MODULES = {"datasets", "losses", "metrics", "baselines", "products"}

__all__ = sorted(_MODULE_OF) + sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"cisweep.train.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'cisweep.train' has no attribute {name!r}")
    return getattr(import_module(f"cisweep.train.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
