"""Models that bpnet-lite saved: pickles of whole modules, of which only data is read.

Every class in the pickle becomes a stub that keeps its attributes and runs nothing; tensors and
sizes are then read from the stubs into cisweep's own BPNet or ChromBPNet. Source of the layout:
bpnet-lite 0.5 to 1.1.
"""

import collections
import pickle
from pathlib import Path
from typing import Any

import torch
import torch._utils
from torch import Tensor, nn

from cisweep.config.model import FoldConfig, ModelConfig
from cisweep.errors import ModelError
from cisweep.models.modules import BPNet, ChromBPNet
from cisweep.models.weights import broken, check_present, fill, is_torchscript

_RENAMED = {
    "iconv": "first_conv",
    "rconvs": "dilated_convs",
    "fconv": "profile_conv",
    "linear": "count_linear",
}


class _Stub:
    """Stands for an object of a class that is not imported; holds its pickled attributes."""

    kind = ""

    def __init__(self, *args: Any, **kwargs: Any):
        pass

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)

    def __call__(self, *args: Any, **kwargs: Any) -> "_Stub":
        return self

    # A pickle may fill a stub of a list, set or dict subclass.
    def append(self, item: Any) -> None:
        """Ignore an item."""

    extend = add = append

    def __setitem__(self, key: Any, value: Any) -> None:
        pass


class _Unpickler(pickle.Unpickler):
    """Rebuilds tensors and containers; every other global is a stub."""

    _KNOWN = {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
        ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
        ("builtins", "set"): set,
        ("builtins", "dict"): dict,
        ("builtins", "list"): list,
    }

    def find_class(self, module: str, name: str) -> Any:
        """Return the class or function if it only rebuilds data, else a stub of its name."""
        module = "builtins" if module == "__builtin__" else module
        if (module, name) in self._KNOWN:
            return self._KNOWN[module, name]
        return type(name.rpartition(".")[2] or "Stub", (_Stub,), {"kind": f"{module}.{name}"})


class _StubPickle:
    """What torch.load needs of a pickle module."""

    __name__ = "cisweep.stub_pickle"
    Unpickler = _Unpickler
    UnpicklingError = pickle.UnpicklingError

    @staticmethod
    def load(file: Any, **kwargs: Any) -> Any:
        return _Unpickler(file, **kwargs).load()


def load(config: ModelConfig, fold: FoldConfig) -> nn.Module:
    """Return the BPNet or ChromBPNet of a bpnet-lite file, or one filled from its state dict."""
    path = fold.weights
    check_present(path)
    if is_torchscript(path):
        raise _not_bpnet(path, "TorchScript")
    try:
        content = torch.load(
            path, map_location="cpu", weights_only=False, pickle_module=_StubPickle()
        )
    except Exception as error:  # whatever a broken pickle makes of the stubs
        raise broken(path, error) from None
    if not isinstance(content, _Stub):
        raise _not_bpnet(path, type(content).__name__)
    return _model(content, path)


def _model(stub: _Stub, path: Path) -> nn.Module:
    name = type(stub).__name__
    parts = stub.__dict__.get("_modules") or {}
    if name in ("ControlWrapper", "CountWrapper", "ProfileWrapper") and "model" in parts:
        raise ModelError(
            f"the file holds a {name} around the model",
            where=str(path),
            mend="save the model itself (wrapper.model); targets take the wrapper's part",
        )
    if name == "ChromBPNet" and {"accessibility", "bias"} <= set(parts):
        return ChromBPNet(_model(parts["accessibility"], path), _model(parts["bias"], path))
    if name != "BPNet" or not set(_RENAMED) <= set(parts):
        raise _not_bpnet(path, name)
    return _bpnet(stub, path)


def _not_bpnet(path: Path, found: str) -> ModelError:
    return ModelError(
        f"the file holds {found}, and this adapter reads bpnet-lite's BPNet and ChromBPNet",
        where=str(path),
        mend="save the state dict and use the adapter state_dict",
    )


def _bpnet(stub: _Stub, path: Path) -> BPNet:
    state = {}
    for name, tensor in _tensors(stub):
        first, _, rest = name.partition(".")
        state[f"{_RENAMED.get(first, first)}.{rest}"] = tensor
    count = state["count_linear.weight"]
    n_filters = state["first_conv.weight"].shape[0]
    n_controls = state["profile_conv.weight"].shape[1] - n_filters
    if n_controls == 0 and count.shape[1] == n_filters + 1:
        # Before 1.0 the count head always read log(1 + controls), which is 0 without controls.
        state["count_linear.weight"] = count[:, :n_filters].contiguous()
    model = BPNet(
        n_filters=n_filters,
        n_layers=sum(n.startswith("dilated_convs.") and n.endswith("weight") for n in state),
        n_outputs=state["profile_conv.weight"].shape[0],
        n_control_tracks=n_controls,
        first_width=state["first_conv.weight"].shape[2],
        profile_width=state["profile_conv.weight"].shape[2],
        trimming=stub.__dict__["trimming"],
        profile_bias="profile_conv.bias" in state,
        count_bias="count_linear.bias" in state,
    )
    return fill(model, state, path)


def _tensors(stub: _Stub, prefix: str = "") -> list[tuple[str, Tensor]]:
    """Return the parameters and buffers of a stubbed module under their dotted names."""
    found = []
    for kind in ("_parameters", "_buffers"):
        for name, tensor in (stub.__dict__.get(kind) or {}).items():
            if isinstance(tensor, Tensor):
                found.append((prefix + name, tensor.detach()))
    for name, part in (stub.__dict__.get("_modules") or {}).items():
        if isinstance(part, _Stub):
            found += _tensors(part, f"{prefix}{name}.")
    return found
