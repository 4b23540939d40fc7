"""Figures of arrays and tables; matplotlib is imported when one is drawn.

Functions that tangermeme 1.6 or Ledidi 2.2 have too take their main arguments. Each draws on
`ax`, or on the current axes, and returns them. Tensors are taken as arrays, without torch.
"""

from cisweep.lazy import exports

_MODULE_OF = {
    "plot_logo": "logo",
    "plot_pwm": "logo",
    "plot_attributions": "attributions",
    "plot_categorical_scatter": "attributions",
    "interactive_logo": "pointing",
    "interactive_html": "pointing",
    "plot_track": "curves",
    "plot_loss": "curves",
    "plot_parity": "curves",
    "plot_edits": "edits",
    "plot_history": "edits",
    "plot_filters": "filters",
    "plot_mutagenesis": "mutagenesis",
    "logo_svg": "svg",
    "logo_symbols": "svg",
    "pwm_information": "letters",
}

__getattr__, __dir__, __all__ = exports(__name__, _MODULE_OF)
