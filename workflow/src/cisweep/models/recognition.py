"""What a file of a model is, told by its bytes alone: nothing of it is loaded or run."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

from cisweep.errors import ModelError
from cisweep.models.weights import broken, check_expansion, check_present, named

STATE, WHOLE, SCRIPT = "state dict", "module", "TorchScript"
EXPORT, KERAS, CHROMBPNET, BPNET = "export", "keras", "chrombpnet", "bpnet"

_HDF5 = b"\x89HDF\r\n\x1a\n"
_SAFE = ("torch.", "collections.", "numpy.", "builtins.", "argparse.", "pathlib.", "functools.")
_LAYER = ("torch.nn.modules.", "torch._dynamo.", "torch.nn.parallel.")


@dataclass(frozen=True)
class Recognised:
    """kind: one of the words above; says: what the file is, to be read by people."""

    kind: str
    says: str


def recognise(path: Path) -> Recognised:
    """Return what a file of a model is.

    Raises
    ------
    ModelError: it is absent, broken, or of a kind that no adapter reads; it says which it is.
    """
    if path.is_dir():
        raise _folder(path)
    check_present(path)
    check_expansion(path)
    with open(path, "rb") as file:
        first = file.read(16)
    if zipfile.is_zipfile(path):
        return _archive(path)
    if first.startswith(_HDF5):
        return _hdf5(path)
    if path.suffix == ".safetensors" or first[8:9] == b"{":
        return Recognised(STATE, "a state dict in safetensors")
    if path.suffix == ".onnx" or b"pytorch" in first or b"onnx" in first.lower():
        raise _unknown(path, "an ONNX graph", "give the model that it was exported from")
    if first[:1] == b"\x80":
        # Torch's format before 1.6, whose names only its own reader sees.
        return Recognised(WHOLE, "a pickle in torch's format before 1.6")
    raise _unknown(path, "no model file that is known", "give a file of torch or Keras")


def _archive(path: Path) -> Recognised:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception as error:
        raise broken(path, error) from None
    last = {name.rpartition("/")[2] for name in names}
    if "model.weights.h5" in last:
        return Recognised(KERAS, "a model of Keras 3")
    if last & {"archive_format", "serialized_exported_program.json"} and "data.pkl" not in last:
        return Recognised(EXPORT, "a program of torch.export")
    if "constants.pkl" in last:
        return Recognised(SCRIPT, "TorchScript")
    if "data.pkl" not in last:
        raise _unknown(path, "a zip archive without a model", "give a file of torch or Keras")
    found = named(path)
    own = [name for name in found if not name.startswith(_SAFE)]
    if any(name.startswith("bpnetlite.") for name in own):
        return Recognised(BPNET, "a pickle of bpnet-lite, of which data alone is read")
    layers = [name for name in found if name.startswith(_LAYER)]
    if own or layers:
        shown = ", ".join((own or layers)[:4])
        return Recognised(WHOLE, f"a pickle that names {shown}")
    return Recognised(STATE, "tensors of torch.save: a state dict or checkpoint")


def _hdf5(path: Path) -> Recognised:
    import h5py

    groups: set[str] = set()
    try:
        with h5py.File(path, "r") as file:
            file.visit(lambda name: groups.update(name.split("/")))
            whole = "model_config" in file.attrs
    except Exception as error:
        raise broken(path, error) from None
    if any(name.endswith("bpnet_1st_conv") for name in groups):
        return Recognised(CHROMBPNET, "ChromBPNet of Keras, in HDF5")
    if not whole:
        raise _unknown(
            path,
            "HDF5 without the layers of a model",
            "save the whole model: model.save('model.keras')",
        )
    return Recognised(KERAS, "a model of Keras in HDF5")


def _folder(path: Path) -> ModelError:
    if (path / "config.json").is_file():
        return _unknown(
            path, "a folder of transformers", "use the adapter hf_lm, for a language model of DNA"
        )
    if (path / "saved_model.pb").is_file():
        return _unknown(
            path,
            "a SavedModel of TensorFlow",
            "save the model with Keras 3 (model.save('model.keras')), or its weights as a state "
            "dict of the same network in torch",
        )
    return _unknown(path, "a folder", "give a file of torch or Keras")


def _unknown(path: Path, what: str, mend: str) -> ModelError:
    return ModelError(
        f"it is {what}, which the adapter auto does not read", where=str(path), mend=mend
    )
