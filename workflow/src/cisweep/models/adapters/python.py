"""The user's own class, or function that returns a module, by import path.

Where the class has a classmethod `from_file(path, **module_args)`, that reads the weights, in
whatever format; otherwise it is made and filled as by the adapter state_dict.
"""

from torch import nn

from cisweep.config.model import FoldConfig, ModelConfig
from cisweep.errors import ModelError
from cisweep.models.adapters import state_dict
from cisweep.models.building import module_maker
from cisweep.models.weights import check_present

ADAPTER = {"needs_module": True}


def load(config: ModelConfig, fold: FoldConfig) -> nn.Module:
    """Return the user's module with the fold's weights."""
    made = module_maker(config)
    if not hasattr(made, "from_file"):
        return state_dict.load(config, fold)
    check_present(fold.weights)
    model = made.from_file(fold.weights, **config.module_args)
    if not isinstance(model, nn.Module):
        raise ModelError(
            f"{config.module}.from_file returned {type(model).__name__}, not a module",
            where=str(fold.weights),
            mend="return the model from from_file",
        )
    return model
