"""The user's or a built-in module, by name."""

from collections.abc import Callable
from typing import Any

from torch import nn

from cisweep.config.model import ModelConfig
from cisweep.errors import ModelError, first_line
from cisweep.lazy import from_path
from cisweep.models.modules import BUILT_IN
from cisweep.models.own_code import own_object


def module_class(name: str) -> type[nn.Module]:
    """Return the class of a built-in module, or of import path `package.module:Class`.

    Raises
    ------
    ModelError: no such built-in, the import fails, or what is there is not an nn.Module class.
    """
    if ":" not in name:
        return _built_in(name)
    found = from_path(name, ModelError, "module")
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise ModelError(
            f"{name!r} is not a class of torch.nn.Module",
            where="module",
            mend="name the class itself",
        )
    return found


def _built_in(name: str) -> type[nn.Module]:
    if name not in BUILT_IN:
        raise ModelError(
            f"there is no built-in module {name!r}",
            where="module",
            mend=f"use one of {', '.join(BUILT_IN)}, or an import path nets.py:Class or "
            "package.module:Class",
        )
    return BUILT_IN[name]


def module_maker(config: ModelConfig) -> Callable[..., Any]:
    """Return what makes `config.module`: a class of torch.nn.Module, or the user's function.

    Raises
    ------
    ModelError: no such built-in, the import fails, or what is there is neither.
    """
    if ":" not in config.module:
        return _built_in(config.module)
    found = own_object(config.module, config.folder)
    is_class = isinstance(found, type)
    if isinstance(found, nn.Module) or not callable(found) or is_class != _is_module(found):
        raise ModelError(
            f"{config.module!r} is {_kind(found)}, and no class of torch.nn.Module",
            where="module",
            mend="name the class itself, or a function that returns a module",
        )
    return found


def _is_module(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, nn.Module)


def _kind(found: Any) -> str:
    return (
        f"the class {found.__qualname__}"
        if isinstance(found, type)
        else (f"an object of class {type(found).__qualname__}")
    )


def build_module(config: ModelConfig) -> nn.Module:
    """Return a fresh module of `config.module` with `config.module_args`.

    Raises ModelError where it cannot be made, or a function returns something else.
    """
    made = module_maker(config)
    try:
        module = made(**config.module_args)
    except Exception as error:
        # A class may refuse its arguments by any error: torch's are RuntimeErrors.
        raise ModelError(
            f"{config.module} cannot be made with {config.module_args} ({first_line(error)})",
            where="module_args",
            mend="give the arguments that the class takes",
        ) from None
    if not isinstance(module, nn.Module):
        raise ModelError(
            f"{config.module} returned {type(module).__name__}, and no torch.nn.Module",
            where="module",
            mend="return the module from that function",
        )
    return module
