"""A state dict (safetensors or torch.save) for a module that is built by its class."""

from torch import nn

from cisweep.config.model import FoldConfig, ModelConfig
from cisweep.models.building import build_module
from cisweep.models.weights import fill, read_file, state_of

ADAPTER = {"needs_module": True}


def load(config: ModelConfig, fold: FoldConfig) -> nn.Module:
    """Return the module with the fold's weights."""
    content = read_file(fold.weights, trust_pickle=config.trust_pickle)
    return fill(build_module(config), state_of(content, fold.weights, config), fold.weights)
