"""The user's or a built-in module class, by name."""

from torch import nn

from cisweep.config.model import ModelConfig
from cisweep.errors import ModelError, first_line
from cisweep.lazy import from_path
from cisweep.models.modules import BUILT_IN


def module_class(name: str) -> type[nn.Module]:
    """Return the class of a built-in module, or of import path `package.module:Class`.

    Raises
    ------
    ModelError: no such built-in, the import fails, or what is there is not an nn.Module class.
    """
    if ":" not in name:
        if name not in BUILT_IN:
            raise ModelError(
                f"there is no built-in module {name!r}",
                where="module",
                mend=f"use one of {', '.join(BUILT_IN)}, or an import path package.module:Class",
            )
        return BUILT_IN[name]
    found = from_path(name, ModelError, "module")
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise ModelError(
            f"{name!r} is not a class of torch.nn.Module",
            where="module",
            mend="name the class itself",
        )
    return found


def build_module(config: ModelConfig) -> nn.Module:
    """Return a fresh module of `config.module` with `config.module_args`."""
    made = module_class(config.module)
    try:
        return made(**config.module_args)
    except Exception as error:
        # A class may refuse its arguments by any error: torch's are RuntimeErrors.
        raise ModelError(
            f"{config.module} cannot be made with {config.module_args} ({first_line(error)})",
            where="module_args",
            mend="give the arguments that the class takes",
        ) from None
