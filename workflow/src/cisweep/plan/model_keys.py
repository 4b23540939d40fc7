"""Hashes of what a model's config says, by which jobs rerun."""

from cisweep.config.model import ModelConfig
from cisweep.contracts import digest


def model_key(config: ModelConfig, rounded: bool) -> str:
    """Return a hash of a model's config without its paths, but with names in a hub.

    rounded: does it run with the precision of TF32 on a GPU.
    """
    # How good a model is does not change what it gives, nor what targets are grouped by.
    told = {"group": True, "color": True, "annotation": True}
    data = config.model_dump(mode="json", exclude={"quality": True, "targets": {"__all__": told}})
    if not data["custom_objects"]:  # a key that came later changes no other model
        data.pop("custom_objects")
    for fold, known in zip(data["folds"], config.folds):
        fold.pop("extra_weights")
        if known.hub is None:
            fold.pop("weights")
    return digest(data, *(["tf32"] if rounded else []))


def targets_key(config: ModelConfig) -> str:
    """Return a hash of all that is known of a model's targets and tracks."""
    return digest(config.model_dump(mode="json", include={"targets": True, "tracks": True}))
