"""Training and evaluation: from sequences or signal to a model that the other steps can use.

`data` makes the examples of a recipe, `judging` says how good a model is; what fits it and what it
leaves behind stand here. Modules carry nouns because the functions carry the verbs; loading is
lazy, so that a script which only needs metrics does not pay for torch.
"""

from cisweep.lazy import exports

_MODULE_OF = {
    "Split": "data.splitting",
    "split": "data.splitting",
    "split_regions": "data.splitting",
    "near_duplicate_groups": "data.splitting",
    "check_leak": "data.splitting",
    "FitConfig": "fitting",
    "FitResult": "fitting",
    "fit": "fitting",
    "evaluate": "judging.evaluation",
    "predict_dataset": "judging.evaluation",
    "TableDataset": "data.datasets",
    "SignalDataset": "data.datasets",
    "read_table": "data.tables",
    "all_kmers": "data.tables",
    "gc_matched_windows": "data.negatives",
    "uniform_windows": "data.negatives",
    "filter_matrices": "judging.filters",
    "match_filters": "judging.filters",
    "train_fold": "recipes",
    "RunOptions": "recipes",
    "train_model": "products",
}
_MODULES = {"data.datasets", "losses", "judging.metrics", "judging.baselines", "products"}

__getattr__, __dir__, __all__ = exports(__name__, _MODULE_OF, _MODULES)
