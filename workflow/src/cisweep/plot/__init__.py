"""Figures of arrays and tables; matplotlib is imported when one is drawn.

Functions that tangermeme 1.6 or Ledidi 2.2 have too take their main arguments. Each draws on
`ax`, or on the current axes, and returns them. Tensors are taken as arrays, without torch.
"""

from importlib import import_module
from typing import Any

_MODULE_OF = {
    "plot_logo": "logo",
    "plot_pwm": "logo",
    "plot_track": "curves",
    "plot_loss": "curves",
    "plot_parity": "curves",
    "plot_edits": "edits",
    "plot_history": "edits",
    "plot_filters": "filters",
    "logo_svg": "svg",
    "logo_symbols": "svg",
    "pwm_information": "letters",
}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'cisweep.plot' has no attribute {name!r}")
    return getattr(import_module(f"cisweep.plot.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
