"""ChromBPNet's Keras HDF5 files: nobias, scaled bias, and the full model, without TensorFlow.

`weights` is `chrombpnet_nobias.h5`, `bias_model_scaled.h5`, or the full `chrombpnet.h5`, which
holds both networks; with `extra_weights: {bias: bias_model_scaled.h5}` a nobias file becomes
the full model. Layers are found by name (Pampari et al. 2024, kundajelab/chrombpnet), in whatever
group the file nests them.
"""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cisweep.config.model import FoldConfig, ModelConfig
from cisweep.errors import ModelError
from cisweep.models.hdf5 import check_readable, check_size
from cisweep.models.modules import BPNet, ChromBPNet
from cisweep.models.weights import broken, check_present, fill, say_casts

_ACCESSIBILITY = "wo_bias_bpnet_"
_NAMES = {
    "bpnet_1st_conv": "first_conv",
    "prof_out_precrop": "profile_conv",
    "logcount_predictions": "count_linear",
}

Layers = dict[str, Tensor]


def load(config: ModelConfig, fold: FoldConfig) -> nn.Module:
    """Return a BPNet of a nobias or bias file, or the ChromBPNet of a full one."""
    models = _read(fold.weights)
    extra = fold.extra_weights.get("bias")
    if extra is not None:
        models["bias"] = _only(_read(extra), "bias", extra)
        models = {"accessibility": _only(models, "accessibility", fold.weights), **models}
    if len(models) == 2:
        return ChromBPNet(models["accessibility"], models["bias"])
    return next(iter(models.values()))


def check(fold: FoldConfig) -> None:
    """Raise a ModelError for a file at which the HDF5 library ends the process, or never ends."""
    for path in (fold.weights, fold.extra_weights.get("bias")):
        if path is not None:
            check_present(path)
            check_readable(path, path.stat().st_size)


def _only(models: dict[str, BPNet], kind: str, path: Path) -> BPNet:
    if kind not in models:
        raise ModelError(
            f"the file holds no {kind} model",
            where=str(path),
            mend="weights is chrombpnet_nobias.h5, extra_weights.bias is bias_model_scaled.h5",
        )
    return models[kind]


def _read(path: Path) -> dict[str, BPNet]:
    """Return the networks of a file by kind: accessibility, bias."""
    check_present(path)
    import h5py

    arrays: dict[str, dict[str, Any]] = {}
    crops: dict[str, int] = {}

    def collect(name: str, item: Any) -> None:
        parts = name.split("/")
        if isinstance(item, h5py.Dataset) and "optimizer_weights" not in parts and len(parts) > 1:
            weight = parts[-1].split(":")[0]
            if weight in ("kernel", "bias"):
                check_size(item, path)
                arrays.setdefault(parts[-2], {})[weight] = item[()]

    try:
        with h5py.File(path, "r") as file:
            file.visititems(collect)
            _profile_crops(json.loads(file.attrs.get("model_config", "{}")), crops)
    except ModelError:
        raise
    except Exception as error:  # h5py has many for a damaged file, and the config may be any JSON
        raise broken(path, error) from None
    kinds = {
        "accessibility": {
            name.removeprefix(_ACCESSIBILITY): layer
            for name, layer in arrays.items()
            if name.startswith(_ACCESSIBILITY)
        },
        "bias": {n: layer for n, layer in arrays.items() if not n.startswith("wo_bias")},
    }
    models = {
        kind: _bpnet(layers, crops.get(kind, 0), path) for kind, layers in kinds.items() if layers
    }
    if not models:
        raise _no_layers(path, arrays)
    return models


def _profile_crops(value: Any, crops: dict[str, int]) -> None:
    """Fill `crops` with the cropping of each network's profile, from the Keras config."""
    if isinstance(value, list):
        for item in value:
            _profile_crops(item, crops)
    elif isinstance(value, dict):
        if value.get("class_name") == "Cropping1D":
            layer = value["config"]
            kind = "accessibility" if layer["name"].startswith("wo_bias") else "bias"
            crops[kind] = int(layer["cropping"][0])
        for item in value.values():
            _profile_crops(item, crops)


def _no_layers(path: Path, found: dict[str, Any]) -> ModelError:
    return ModelError(
        f"the file has no ChromBPNet layers (bpnet_1st_conv, bpnet_1conv, prof_out_precrop, "
        f"logcount_predictions); it has {', '.join(sorted(found)[:8]) or 'none'}",
        where=str(path),
        mend="give a Keras HDF5 file of ChromBPNet (model.save, .h5)",
    )


def _bpnet(layers: dict[str, dict[str, Any]], profile_crop: int, path: Path) -> BPNet:
    state: Layers = {}
    kinds: list[tuple[str, torch.dtype, torch.dtype]] = []
    for layer, weights in layers.items():
        name = _name(layer)
        if name is not None:
            for kind, array in weights.items():
                try:
                    tensor = _tensor(array)
                    dtype = torch.from_numpy(array[:0]).dtype
                except (TypeError, ValueError, IndexError) as error:  # of texts, of one number
                    raise broken(path, f"{layer}/{kind}: {error}") from None
                state[f"{name}.{'weight' if kind == 'kernel' else 'bias'}"] = tensor
                kinds.append((f"{layer}/{kind}", dtype, torch.float32))
    say_casts(kinds, path)
    needed = [f"{name}.weight" for name in _NAMES.values()]
    if any(name not in state for name in needed):
        raise _no_layers(path, layers)
    n_layers = sum(n.startswith("dilated_convs.") and n.endswith("weight") for n in state)
    model = BPNet(
        n_filters=state["first_conv.weight"].shape[0],
        n_layers=n_layers,
        n_outputs=state["profile_conv.weight"].shape[0],
        first_width=state["first_conv.weight"].shape[2],
        profile_width=state["profile_conv.weight"].shape[2],
        profile_bias="profile_conv.bias" in state,
        count_bias="count_linear.bias" in state,
        profile_crop=profile_crop,
    )
    return fill(model, state, path)


def _name(layer: str) -> str | None:
    """Return the module's name of a Keras layer; None for a layer of no network."""
    for known in (layer, f"bpnet_{layer}"):
        if known in _NAMES:
            return _NAMES[known]
        dilated = re.fullmatch(r"bpnet_(\d+)conv", known)
        if dilated:
            return f"dilated_convs.{int(dilated[1]) - 1}"
    return None


def _tensor(array: np.ndarray) -> Tensor:
    """Return a Keras array in PyTorch's layout: (width, in, out) or (in, out) turned round."""
    return torch.from_numpy(np.ascontiguousarray(np.asarray(array, np.float32).T))
