"""The parts of the page, one file a step: its name is the step's.

A file has `of_model(view)`, called for each model, or `of_run(view)`, called once; both return a
Section, or None where there is nothing to say. A step without a file has a part that shows its
figures and lists its products.

A file may also have, for a model: `methods(view)`, what was done in the words of a paper; and for
the table of the explorer `regions(view)`, windows that it can list, `columns(view, windows)`, name
-> values of them (`what: T` for a number of target T), `chosen(view, windows)`, target -> which
windows stand before the others; and of a model with many targets `across(view)`, figures that
compare them, and `target_columns(view)`, columns of the table of targets, each with its cells by
target.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from cisweep.report.blocks import Section
from cisweep.report.view import View

_NAMES = frozenset(m.name for m in iter_modules(__path__))


@cache
def _maker(step: str, scope: str) -> Callable[[View], Section | None] | None:
    if step not in _NAMES:
        return _plain
    return getattr(import_module(f"{__name__}.{step}"), scope, None)


def section_of(view: View) -> Section | None:
    """Return a step's part of the page; None if it has no product or nothing to say."""
    maker = _maker(view.step.name, "of_model" if view.model else "of_run")
    return maker(view) if maker is not None and view.products else None


def hook_of(view: View, name: str) -> Callable[..., Any] | None:
    """Return what a step's file has under this name, None if it has not or has no product."""
    if view.step.name not in _NAMES or not view.products:
        return None
    return getattr(import_module(f"{__name__}.{view.step.name}"), name, None)


def _plain(view: View) -> Section:
    pictures = [p for p in view.products if p.endswith((".svg", ".png"))]
    names = [p.rsplit("/", 1)[-1].rsplit(".", 1)[0].replace("_", " ") for p in pictures]
    return Section([view.figure(p, n, f"{n}.") for p, n in zip(pictures, names)])
