"""Whatever the file is: it is looked at, and read by the adapter of its kind.

A state dict fills `module`; in a checkpoint (Lightning's, a training's) the one that fits the
module is taken, whatever key and prefix it stands below, unless `key` and `strip_prefix` say them.
A pickle of a whole module and TorchScript can run code, and need `trust_pickle: true`.
"""

import logging
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from cisweep.config.import_paths import beside
from cisweep.config.model import FoldConfig, ModelConfig
from cisweep.errors import ModelError, first_line
from cisweep.models.building import build_module
from cisweep.models.own_code import importing_from, own_module
from cisweep.models.recognition import (
    BPNET,
    CHROMBPNET,
    EXPORT,
    KERAS,
    SCRIPT,
    STATE,
    recognise,
)
from cisweep.models.weights import broken, fill, read_file, state_of

ADAPTER = {"reads_objects": True, "recognises": True}

_log = logging.getLogger("cisweep.models.auto")
_SHOWN = 4


class Scripted(nn.Module):
    """A TorchScript program as a module with all of a module's methods, which scripts lack.

    Predictions, mutagenesis, gradients and designs go through it; its operations are hidden, so
    that DeepLIFT/SHAP refuses it.
    """

    def __init__(self, program: Any):
        super().__init__()
        self.program = program

    def forward(self, X: Tensor, *args: Tensor) -> Any:
        """Return what the program returns."""
        return self.program(X, *args)


def load(config: ModelConfig, fold: FoldConfig) -> nn.Module:
    """Return the model of a file of any kind."""
    found = recognise(fold.weights)
    _log.info(f"{fold.weights}: {found.says}")
    if found.kind in (KERAS, CHROMBPNET, BPNET, EXPORT):
        return _adapter(found.kind).load(config, fold)
    if found.kind == SCRIPT:
        return _script(config, fold.weights)
    if found.kind == STATE or not config.trust_pickle:
        # Of a pickle that is not trusted, torch's reader of weights says what it names.
        return _filled(config, read_file(fold.weights), fold.weights)
    return _module_in(config, _unpickled(config, fold.weights), fold.weights)


def check(fold: FoldConfig) -> None:
    """Look at a fold's file as the adapter of its kind does before it is first loaded."""
    kind = recognise(fold.weights).kind
    if kind in (KERAS, CHROMBPNET):
        _adapter(kind).check(fold)


def _adapter(name: str) -> ModuleType:
    from importlib import import_module

    return import_module(f"cisweep.models.adapters.{name}")


def _script(config: ModelConfig, path: Path) -> nn.Module:
    if not config.trust_pickle:
        raise ModelError(
            "the file is TorchScript, which can write files as it runs, and is refused",
            where=str(path),
            mend="give a state dict with its module (DeepLIFT/SHAP goes through that alone), or "
            "set trust_pickle: true if you made the file",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return Scripted(torch.jit.load(path, map_location="cpu"))
    except Exception as error:
        raise broken(path, error) from None


def _unpickled(config: ModelConfig, path: Path) -> Any:
    """Return what a trusted pickle holds; its classes are looked for beside model.yaml too.

    Those of the script or notebook that saved it (`__main__`) are taken from the file of `module`.
    """
    at = None if config.module is None else beside(config.module, config.folder)
    home = None if at is None else own_module(at)

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if module == "__main__" and home is not None and hasattr(home, name.split(".")[0]):
                found: Any = home
                for part in name.split("."):
                    found = getattr(found, part)
                return found
            try:
                return super().find_class(module, name)
            except Exception as fault:
                raise _unfound(path, module, name, fault) from fault

    reader = SimpleNamespace(
        __name__="cisweep.own_pickle",
        Unpickler=Unpickler,
        UnpicklingError=pickle.UnpicklingError,
        load=lambda file, **more: Unpickler(file, **more).load(),
    )
    try:
        with importing_from(config.folder or Path()):
            return torch.load(path, "cpu", weights_only=False, pickle_module=reader)
    except ModelError:
        raise
    except Exception as error:
        raise broken(path, error) from None


def _unfound(path: Path, module: str, name: str, fault: Exception) -> ModelError:
    if module == "__main__":
        mend = (
            f"it is a class of the script that saved it: name the file that defines it, "
            f"module: nets.py:{name}"
        )
    else:
        mend = f"put {module.split('.')[0]} beside the model.yaml, or on PYTHONPATH"
    return ModelError(
        f"the file needs {module}.{name}, which cannot be imported ({first_line(fault)})",
        where=str(path),
        mend=mend,
    )


def _module_in(config: ModelConfig, content: Any, path: Path) -> nn.Module:
    """Return the module that a trusted pickle is or holds, else one filled from its tensors."""
    if config.key is not None and isinstance(content, Mapping) and config.key in content:
        content = content[config.key]
    if isinstance(content, Mapping):
        modules = {key: v for key, v in content.items() if isinstance(v, nn.Module)}
        if len(modules) > 1:
            raise ModelError(
                f"the file holds {len(modules)} modules: {', '.join(map(str, modules))}",
                where=str(path),
                mend="set `key` to the one to read",
            )
        content = next(iter(modules.values()), content)
    if not isinstance(content, nn.Module):
        return _filled(config, content, path)
    wrappers = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    return content.module if isinstance(content, wrappers) else content


def _filled(config: ModelConfig, content: Any, path: Path) -> nn.Module:
    """Return the module with the state dict in `content` that fits it."""
    if config.module is None:
        raise ModelError(
            f"the file holds {_told(content)}, and not the network that they belong to",
            where=str(path),
            mend="name the class, or a function that makes it: module: nets.py:MyNet",
        )
    module = build_module(config)
    if config.key is not None or config.strip_prefix or config.rename_prefix:
        return fill(module, state_of(content, path, config), path)
    states = _states(content)
    own = module.state_dict().keys()
    fitting = [(key, prefix) for key, state in states.items() for prefix in _prefixes(state, own)]
    if len(fitting) > 1:
        said = ", ".join(f"key {k or '(none)'} with prefix {p or '(none)'}" for k, p in fitting)
        raise ModelError(
            f"{len(fitting)} sets of parameters fit the module: {said}",
            where=str(path),
            mend="set `key` and strip_prefix",
        )
    if not fitting:
        # What is missing and too many is told by that of the most tensors.
        state = max(states.values(), key=len, default=None)
        return fill(module, state or state_of(content, path, config), path)
    key, prefix = fitting[0]
    if key or prefix:
        _log.info(f"{path}: parameters below key {key or '(none)'}, prefix {prefix or '(none)'}")
    state = {n[len(prefix) :]: t for n, t in states[key].items() if n.startswith(prefix)}
    return fill(module, {name: state[name] for name in own} if prefix else state, path)


def _states(content: Any) -> dict[str, Mapping[str, Tensor]]:
    """Return key -> state dict of what a checkpoint holds; "" is the content itself."""
    if not isinstance(content, Mapping):
        return {}
    if content and all(isinstance(v, Tensor) for v in content.values()):
        return {"": content}
    return {
        str(key): value
        for key, value in content.items()
        if isinstance(value, Mapping)
        and value
        and all(isinstance(v, Tensor) and isinstance(k, str) for k, v in value.items())
    }


def _prefixes(state: Mapping[str, Tensor], own: Any) -> list[str]:
    """Return the prefixes below which a state dict has all of a module's names: with none it has
    no other, with one others may stand beside it (a loss's, an average's)."""
    own = set(own)
    if own == set(state):
        return [""]
    first = min(own, default=None)
    if first is None:
        return []
    ends = [name[: -len(first)] for name in state if name.endswith("." + first)]
    return [
        prefix
        for prefix in ends
        if {name[len(prefix) :] for name in state if name.startswith(prefix)} == own
    ]


def _told(content: Any) -> str:
    states = _states(content)
    if not states:
        return type(content).__name__
    names = [name for state in states.values() for name in state]
    shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    return f"{len(names)} tensors ({shown})"
