"""Weights from files: tensors only, nothing in a file is run."""

import logging
import pickle
import pickletools
import re
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cisweep.config.model import ModelConfig
from cisweep.errors import ModelError

EXPANSION_MAX = 4
"""A compressed archive of weights may expand to this many times its size …"""
EXPANDED_MAX_BYTES = 256 << 20
"""… or to this many bytes, whichever is more."""
HEADER_MAX_BYTES = 16 << 20
"""Names and shapes of a safetensors file; a tensor takes about a hundred bytes."""
_SHOWN = 6
_log = logging.getLogger("cisweep.models.weights")


def read_file(path: Path, *, trust_pickle: bool = False) -> Any:
    """Return what a safetensors or torch.save file holds, on the CPU.

    Raises
    ------
    ModelError: the file is absent, truncated, TorchScript, or a pickle that would run code and
        is not trusted.
    """
    check_present(path)
    check_expansion(path)
    if is_torchscript(path):
        raise ModelError(
            "the file is TorchScript, whose operations cannot be attributed",
            where=str(path),
            mend="save the state dict of the module, or use torch.export and the adapter export",
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            _check_header(path)
            return load_file(path)
    except ModelError:
        raise
    except Exception as error:  # each format has its own exceptions for a broken file
        raise broken(path, error) from None
    return read_pickle(path, trust=trust_pickle)


def read_pickle(
    path: Path, *, trust: bool = False, allowed: Sequence[tuple[type, str]] = ()
) -> Any:
    """Return what a torch.save file holds, on the CPU, read by torch's own `weights_only`.

    trust: read it with Python's pickle instead, which runs what the file says; allowed: (class,
    full name in the file) of what may be made beside what torch allows, the class in its place.

    Raises
    ------
    ModelError: the file is truncated, or names what is not allowed.
    """
    try:
        with torch.serialization.safe_globals(list(allowed)):
            return torch.load(path, map_location="cpu", weights_only=not trust)
    except pickle.UnpicklingError as error:
        raise pickle_error(path, error) from None
    except Exception as error:
        raise broken(path, error) from None


def named(path: Path) -> list[str]:
    """Return the full names of the classes and functions that a torch.save archive names, sorted.

    Nothing is imported or run. Raises ModelError if the file cannot be read.
    """
    found: set[str] = set()
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                if member.endswith("/data.pkl"):
                    found |= _globals(archive.read(member))
    except Exception as error:  # of zip and pickletools
        raise broken(path, error) from None
    return sorted(found)


def _globals(pickled: bytes) -> set[str]:
    found = set()
    for code, argument, _ in pickletools.genops(pickled):
        if code.name == "GLOBAL":
            # Names of Python 2, which those of protocol 2 are, as torch reads them.
            module, name = argument.split(" ", 1)
            module, name = NAME_MAPPING.get(
                (module, name), (IMPORT_MAPPING.get(module, module), name)
            )
            found.add(f"{module}.{name}")
    return found


def check_expansion(path: Path) -> None:
    """Raise a ModelError if a zip archive would expand to more than torch ever makes of it.

    torch.save compresses nothing, so the parts together are no larger than the file; up to
    EXPANDED_MAX_BYTES, or EXPANSION_MAX times the file, is taken of what was compressed later.
    """
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            expanded = sum(part.file_size for part in archive.infolist())
    except Exception as error:
        raise broken(path, error) from None
    if expanded > max(EXPANDED_MAX_BYTES, EXPANSION_MAX * path.stat().st_size):
        raise ModelError(
            f"the archive expands from {path.stat().st_size:,} to {expanded:,} bytes, more than "
            f"{EXPANSION_MAX} times its size",
            where=str(path),
            mend="save the model with torch.save or as safetensors, which do not compress",
        )


def check_present(path: Path) -> None:
    """Raise a ModelError if there is no file at `path`, or it is empty."""
    if not path.is_file():
        raise ModelError("there is no such model file", where=str(path), mend="correct its path")
    if path.stat().st_size == 0:
        raise broken(path, "it is empty")


def _check_header(path: Path) -> None:
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
    if HEADER_MAX_BYTES < size < path.stat().st_size:
        raise ModelError(
            f"the header takes {size:,} bytes, more than {HEADER_MAX_BYTES:,}",
            where=str(path),
            mend="save the state dict again: a header holds the names and shapes of tensors",
        )


def is_torchscript(path: Path) -> bool:
    """Return whether a file is a TorchScript archive, which torch.load would hand on."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def broken(path: Path, error: object) -> ModelError:
    """Return the error of a file that is truncated or of another format."""
    reason = str(error).strip().split("\n")[0] or type(error).__name__
    return ModelError(
        f"the model file cannot be read; it is truncated or of another format ({reason})",
        where=str(path),
        mend="copy the file again and compare checksums, or choose the adapter of its format",
    )


def pickle_error(path: Path, error: Exception) -> ModelError:
    """Return the error of a pickle that torch's reader of weights refuses, by the name in it."""
    text = str(error)
    name = re.search(r"GLOBAL ([\w.<>]+)", text)
    if name is None and not re.search("Unsupported|Can only|Trying to call|persistent", text):
        return broken(path, error)
    if name is not None:
        detail = f"it names {name[1]}"
    else:
        detail = next(
            line for line in text.split("\n") if re.search("Unsup|Can only|Try|pers", line)
        )
    return ModelError(
        f"the file is a pickle that can run code, and is refused ({detail.strip()[:160]})",
        where=str(path),
        mend="save only the state dict (safetensors, or torch.save(model.state_dict(), path)), use "
        "the adapter bpnet for a bpnet-lite model, or set trust_pickle: true if you made the file",
    )


def state_of(content: Any, path: Path, config: ModelConfig) -> dict[str, Tensor]:
    """Return the parameters in a file's content, under the names that the module gives them.

    `key` picks the state dict in a checkpoint; `strip_prefix` picks the parameters whose names
    have that prefix and takes it off; `rename_prefix` then replaces prefixes.
    """
    if isinstance(content, nn.Module):  # only a trusted pickle can be one
        content = content.state_dict()
    if config.key is not None:
        if not isinstance(content, Mapping) or config.key not in content:
            raise ModelError(
                f"the checkpoint has no key {config.key!r}; it has {_keys(content)}",
                where=str(path),
                mend="set `key` to the one that holds the state dict",
            )
        content = content[config.key]
    if not isinstance(content, Mapping) or not content or not _all_tensors(content):
        raise ModelError(
            f"the file holds no state dict at its top level; it has {_keys(content)}",
            where=str(path),
            mend="set `key` to the one that holds the state dict (Lightning: state_dict)",
        )
    state = dict(content)
    if config.strip_prefix:
        prefix = config.strip_prefix
        state = {n[len(prefix) :]: t for n, t in state.items() if n.startswith(prefix)}
        if not state:
            raise ModelError(
                f"no parameter has the prefix {prefix!r}; names are {_some(content)}",
                where=str(path),
                mend="correct strip_prefix",
            )
    return {_rename(name, config.rename_prefix): tensor for name, tensor in state.items()}


def _all_tensors(content: Mapping[str, Any]) -> bool:
    return all(isinstance(value, Tensor) for value in content.values())


def _keys(content: Any) -> str:
    return _some(content) if isinstance(content, Mapping) else type(content).__name__


def _some(names: Any) -> str:
    names = list(names)
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(str, names[:_SHOWN])) + more


def _rename(name: str, prefixes: Mapping[str, str]) -> str:
    fitting = [old for old in prefixes if name.startswith(old)]
    if not fitting:
        return name
    longest = max(fitting, key=len)
    return prefixes[longest] + name[len(longest) :]


def fill(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> nn.Module:
    """Return the module with the tensors of `state` as its parameters and buffers.

    Raises
    ------
    ModelError: names all missing and unexpected parameters, or both shapes of each that differs.
    """
    own = module.state_dict()
    missing = [name for name in own if name not in state]
    unexpected = [name for name in state if name not in own]
    if missing or unexpected:
        parts = [f"the module needs {_some(missing)}"] if missing else []
        parts += [f"the file has {_some(unexpected)} too many"] if unexpected else []
        raise ModelError(
            "the parameters do not fit the module: " + "; ".join(parts),
            where=str(path),
            mend="correct module and module_args, or map names with strip_prefix, rename_prefix",
        )
    wrong = [
        f"{name} is {tuple(state[name].shape)} in the file and {tuple(own[name].shape)} in the "
        "module"
        for name in own
        if state[name].shape != own[name].shape
    ]
    if wrong:
        raise ModelError(
            "; ".join(wrong[:_SHOWN]),
            where=str(path),
            mend="set module_args to the sizes of the file",
        )
    kinds = {name: (tensor.dtype, own[name].dtype) for name, tensor in state.items()}
    unreal = [n for n, (given, kept) in kinds.items() if given.is_complex and not kept.is_complex]
    if unreal:
        raise ModelError(
            f"{_some(unreal)} has complex numbers, and the module real ones",
            where=str(path),
            mend="save the real parameters of the module",
        )
    say_casts(((n, given, kept) for n, (given, kept) in kinds.items()), path)
    module.load_state_dict(dict(state))
    return module


def say_casts(kinds: Iterable[tuple[str, torch.dtype, torch.dtype]], path: Path) -> None:
    """Write a line to the log that names the tensors whose numbers lose digits as they are read.

    kinds: name, type in the file, type in the module. Half precision in float32 loses none.
    """
    cast: dict[tuple[torch.dtype, torch.dtype], list[str]] = {}
    for name, given, kept in kinds:
        whole = not given.is_floating_point and not given.is_complex
        if kept.is_floating_point and (whole or torch.promote_types(given, kept) != kept):
            cast.setdefault((given, kept), []).append(name)
    for (given, kept), names in cast.items():
        types = f"{_type(given)} in the file and {_type(kept)} in the model"
        _log.warning(f"{path}: {len(names)} tensors are {types}: {_some(names)}")


def _type(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def check_finite(module: nn.Module, files: Iterable[str]) -> None:
    """Raise a ModelError that names the tensors with NaN or infinite numbers.

    −∞ in a buffer is taken: masks of attention hold it. files: what the weights came from.
    """
    bad = [
        f"{name} has {int(wrong.sum())} of {wrong.numel()} numbers that are NaN or infinite"
        for name, wrong in _not_finite(module)
    ]
    if bad:
        more = f", and {len(bad) - _SHOWN} more tensors" if len(bad) > _SHOWN else ""
        raise ModelError(
            "; ".join(bad[:_SHOWN]) + more,
            where=", ".join(files),
            mend="copy the file again and compare checksums, or take weights of an epoch before "
            "the training diverged",
        )


def _not_finite(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield name and mask of the wrong numbers of each tensor that has some."""
    for kind, tensors in (("", module.named_parameters()), ("buffer", module.named_buffers())):
        for name, tensor in tensors:
            # One sum reads a tensor faster than a mask, and is finite where all numbers are.
            if not tensor.is_floating_point() or bool(torch.isfinite(tensor.detach().sum())):
                continue
            wrong = ~torch.isfinite(tensor.detach())
            if kind == "buffer":
                wrong &= tensor != -torch.inf
            if bool(wrong.any()):
                yield name, wrong
