"""Training and evaluation: from sequences or signal to a model that the other steps can use.

Modules carry nouns because the functions carry the verbs; loading is lazy, so that a script
which only needs metrics does not pay for torch.
"""

from cisweep.lazy import exports

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

__getattr__, __dir__, __all__ = exports(__name__, _MODULE_OF, _MODULES)
