"""Models that bpnet-lite saved: pickles of whole modules, of which only data is read.

Every class in the pickle becomes a stub that keeps its attributes and runs nothing; torch's own
reader of weights fills it. Tensors and sizes are then read from the stubs into cisweep's own BPNet
or ChromBPNet. Source of the layout: bpnet-lite 0.5 to 1.1.
"""

import collections
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch._utils
from torch import Tensor, nn

from cisweep.config.model import FoldConfig, ModelConfig
from cisweep.errors import ModelError
from cisweep.models.modules import BPNet, ChromBPNet
from cisweep.models.weights import (
    broken,
    check_expansion,
    check_present,
    fill,
    is_torchscript,
    named,
    pickle_error,
    read_pickle,
)

_RENAMED = {
    "iconv": "first_conv",
    "rconvs": "dilated_convs",
    "fconv": "profile_conv",
    "linear": "count_linear",
}


class _Stub:
    """Stands for an object of a class that is not imported; holds its pickled attributes."""

    def __init__(self, *args: Any, **kwargs: Any):
        pass

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)

    def __call__(self, *args: Any, **kwargs: Any) -> "_Stub":
        return self


def load(config: ModelConfig, fold: FoldConfig) -> nn.Module:
    """Return the BPNet or ChromBPNet of a bpnet-lite file, or one filled from its state dict."""
    path = fold.weights
    check_present(path)
    check_expansion(path)
    if is_torchscript(path):
        raise _not_bpnet(path, "TorchScript")
    content = _read(path)
    if not isinstance(content, _Stub):
        raise _not_bpnet(path, type(content).__name__)
    return _model(content, path)


def _read(path: Path) -> Any:
    """Return what the file holds, with a stub for each class and function that it names.

    What torch itself allows in weights (tensors, their parts, ordered dicts) it takes before a
    stub of the same name, and what it never allows (os, sys) stays refused.
    """
    with open(path, "rb") as file:
        archive = file.read(4) == b"PK\x03\x04"  # so torch decides how it reads the file
    if not archive:
        return _read_legacy(path)
    return read_pickle(path, allowed=[(_stub(name), name) for name in named(path)])


def _stub(name: str) -> type[_Stub]:
    return type(name.rpartition(".")[2] or "Stub", (_Stub,), {})


# ---- files from before torch 1.6, whose modules torch's own reader of weights does not take ------


class _Sealed:
    """A function that a pickle may call and not change: it could set a function's defaults."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]):
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError(f"Unsupported: it changes {self._function.__name__}")


class _Unpickler(pickle.Unpickler):
    """Rebuilds tensors and containers, a subset of what torch allows; all else is a stub."""

    KNOWN = {
        "collections.OrderedDict": collections.OrderedDict,
        "torch._utils._rebuild_tensor_v2": _Sealed(torch._utils._rebuild_tensor_v2),
        "torch._utils._rebuild_parameter": _Sealed(torch._utils._rebuild_parameter),
        "builtins.set": set,
        "__builtin__.set": set,
    }

    def find_class(self, module: str, name: str) -> Any:
        """Return the class or function if it only rebuilds data, else a stub of its name."""
        return self.KNOWN.get(f"{module}.{name}") or _stub(name)


class _StubPickle:
    """What torch.load needs of a pickle module."""

    __name__ = "cisweep.stub_pickle"
    Unpickler = _Unpickler
    UnpicklingError = pickle.UnpicklingError

    @staticmethod
    def load(file: Any, **kwargs: Any) -> Any:
        return _Unpickler(file, **kwargs).load()


def _read_legacy(path: Path) -> Any:
    try:
        if tarfile.is_tarfile(path):  # of torch 0.1, and torch would unpack it
            raise _not_bpnet(path, "a tar archive")
        return torch.load(path, "cpu", weights_only=False, pickle_module=_StubPickle())
    except ModelError:
        raise
    except pickle.UnpicklingError as error:
        raise pickle_error(path, error) from None
    except Exception as error:  # whatever a broken pickle makes of the stubs
        raise broken(path, error) from None


def _model(stub: _Stub, path: Path) -> nn.Module:
    name = type(stub).__name__
    parts = stub.__dict__.get("_modules") or {}
    if name in ("ControlWrapper", "CountWrapper", "ProfileWrapper") and "model" in parts:
        raise ModelError(
            f"the file holds a {name} around the model",
            where=str(path),
            mend="save the model itself (wrapper.model); targets in model.yaml do what the "
            "wrapper did",
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
