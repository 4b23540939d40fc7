"""Models that Keras saved (.keras and .h5), on its torch backend: every analysis goes through them.

Keras reads one-hot windows with the letters last, (N, length, 4), and so do most of its models;
tracks of inputs and of outputs have their channels last too. They are turned around here, so that
the module reads (N, 4, length) and gives (N, tasks) or (N, tasks, positions), as all others do.
Layers run in float32, also where the file says that they were trained in half precision.
"""

import json
import logging
import os
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from cisweep.config.model import FoldConfig, ModelConfig
from cisweep.errors import ModelError, first_line
from cisweep.models.hdf5 import check_readable
from cisweep.models.own_code import own_object
from cisweep.models.weights import broken, check_expansion, check_present

ADAPTER = {"package": ("keras", "keras", "keras"), "reads_objects": True}

_CODE = {
    "Lambda": "a Lambda layer, which is Python code",
    "__lambda__": "a Python function",
    "TFSMLayer": "a program of TensorFlow",
    "JaxLayer": "a program of JAX",
    "FlaxLayer": "a program of JAX",
    "TorchModuleWrapper": "a pickle of a torch module",
    **dict.fromkeys(
        ("TextVectorization", "StringLookup", "IntegerLookup", "IndexLookup"),
        "a vocabulary, which may be any file",
    ),
}
_log = logging.getLogger("cisweep.models.keras")


class KerasModel(nn.Module):
    """A Keras model of the torch backend that reads and gives channels before positions.

    Parameters
    ----------
    model: keras.Model with one input of one-hot DNA, (length, 4) or (4, length), and any others.
    path: its file, for messages.
    """

    def __init__(self, model: Any, path: Path):
        super().__init__()
        self.model = model
        shapes = [tuple(each.shape[1:]) for each in model.inputs]
        found = [i for i, shape in enumerate(shapes) if len(shape) == 2 and 4 in shape]
        if not found:
            raise ModelError(
                f"no input of the model is one-hot DNA, (length, 4); its inputs are {shapes}",
                where=str(path),
                mend="give a model that reads one-hot windows",
            )
        self.shapes, self.sequence = shapes, found[0]
        self.letters_last = shapes[self.sequence][1] == 4

    @property
    def length_bp(self) -> int | None:
        """The window that it reads; None where it reads any."""
        return self.shapes[self.sequence][0 if self.letters_last else 1]

    def forward(self, X: Tensor, *args: Tensor) -> Any:
        """Return the outputs of windows X (N, 4, length), in the model's order; those of a dict
        in the order of their names.

        args: its other inputs in order, (N, channels, positions) or (N, columns).
        """
        if len(args) != len(self.shapes) - 1:
            others = [s for i, s in enumerate(self.shapes) if i != self.sequence]
            raise ModelError(
                f"the model has {len(others)} inputs beside the sequence, of shapes {others} in "
                f"Keras, and {len(args)} are given",
                where="inputs",
                mend="declare each of them under inputs, in this order",
            )
        given = [_turned(each) for each in args]
        given.insert(self.sequence, _turned(X) if self.letters_last else X)
        import keras

        # Keras moves its inputs to the device that it thinks the current one.
        with keras.device(str(X.device) if X.device.index is not None else f"{X.device.type}:0"):
            output = self.model(given if len(given) > 1 else given[0], training=False)
        if isinstance(output, Tensor):
            return _turned(output)
        values = [output[n] for n in sorted(output)] if isinstance(output, Mapping) else output
        return tuple(map(_turned, values))


def _turned(value: Tensor) -> Tensor:
    return value.transpose(1, 2) if value.ndim == 3 else value


def load(config: ModelConfig, fold: FoldConfig) -> nn.Module:
    """Return the model of a .keras or HDF5 file."""
    path = fold.weights
    check_present(path)
    check_expansion(path)
    if not config.trust_pickle:
        _refuse_code(_config_of(path), path)
    keras = _keras()
    objects = {
        name: own_object(each, config.folder, f"custom_objects.{name}")
        for name, each in config.custom_objects.items()
    }
    try:
        model = keras.saving.load_model(
            _named(path), objects, compile=False, safe_mode=not config.trust_pickle
        )
    except Exception as error:  # Keras has many for what it does not know
        raise _unread(error, path) from None
    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        raise ModelError(
            f"the file holds a {type(model).__name__} whose inputs have no shape",
            where=str(path),
            mend="call the model once on data before it is saved",
        )
    _use_float32(model, path)
    return KerasModel(model, path)


def check(fold: FoldConfig) -> None:
    """Raise a ModelError for a file at which the HDF5 library ends the process, or never ends."""
    check_present(fold.weights)
    check_expansion(fold.weights)
    check_readable(fold.weights, fold.weights.stat().st_size)


def _named(path: Path) -> str:
    """Return the path of a file; Keras chooses the format by the end of its name."""
    if path.suffix in (".keras", ".h5", ".hdf5"):
        return str(path)
    raise ModelError(
        f"Keras tells a model's format by its name, and this one ends in {path.suffix!r}",
        where=str(path),
        mend="name the file model.keras or model.h5",
    )


def _keras() -> Any:
    """Return Keras on its torch backend; raises ModelError where it has another, or is absent."""
    loaded = sys.modules.get("keras")
    if loaded is None:
        os.environ["KERAS_BACKEND"] = "torch"
    try:
        import keras
    except ImportError:
        raise ModelError(
            "the adapter keras needs the package keras, which is not installed",
            where="adapter",
            mend="pip install 'cisweep[keras]', or make install-extras",
        ) from None
    if keras.backend.backend() != "torch":
        raise ModelError(
            f"keras was imported with the backend {keras.backend.backend()}, and models are read "
            "with its torch backend",
            where="adapter",
            mend="set KERAS_BACKEND=torch before anything imports keras",
        )
    return keras


def _config_of(path: Path) -> Any:
    """Return what a file says of its layers; nothing of it is run."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return json.loads(archive.read("config.json"))
        import h5py

        with h5py.File(path, "r") as file:
            found = file.attrs.get("model_config")
        if found is not None:
            return json.loads(found)
    except Exception as error:  # of zip, HDF5 and JSON
        raise broken(path, error) from None
    raise ModelError(
        "the file holds weights alone, without the layers that they belong to",
        where=str(path),
        mend="save the whole model, in Keras by `save('whole.keras')`",
    )


def _refuse_code(config: Any, path: Path) -> None:
    """Raise a ModelError for a layer that is code, or that reads files which the config names.

    Of all else Keras' own `safe_mode` imports only what is Keras', and what `custom_objects` name.
    """
    for value in _mappings(config):
        name = value.get("class_name")
        if name not in _CODE:
            continue
        told = value.get("config")
        layer = told.get("name") if isinstance(told, dict) else None
        named = f" named {layer!r}" if isinstance(layer, str) else ""
        raise ModelError(
            f"the file can run code or read files, and is refused (it holds {_CODE[name]}{named})",
            where=str(path),
            mend="write that layer as a class of your own (custom_objects), or set trust_pickle: "
            "true if you made the file",
        )


def _mappings(value: Any) -> Iterator[dict]:
    waiting = [value]
    while waiting:
        at = waiting.pop()
        if isinstance(at, dict):
            yield at
            waiting += at.values()
        elif isinstance(at, list):
            waiting += at


def _unread(error: Exception, path: Path) -> ModelError:
    if isinstance(error, ModelError):
        return error
    said = str(error)
    if "could not locate" in said.lower() or "unknown layer" in said.lower():
        return ModelError(
            f"the model has a layer or function of its own ({first_line(error)[:200]})",
            where=str(path),
            mend="name it in model.yaml: custom_objects: {Name: layers.py:Name}",
        )
    return broken(path, error)


def _use_float32(model: Any, path: Path) -> None:
    """Let layers compute in float32, as analyses compare differences of outputs."""
    half = [x for x in model._flatten_layers() if x.compute_dtype in ("float16", "bfloat16")]
    for layer in half:
        layer.dtype_policy = "float32"
    if half:
        _log.warning(f"{path}: {len(half)} layers compute in float32 instead of half precision")
