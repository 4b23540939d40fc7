"""The parts of the page, one file a step: its name is the step's.

A file has `of_model(view)`, called for each model, or `of_run(view)`, called once; both return a
Section, or None where there is nothing to say, and may have `methods(view)`, which says what was
done in the words of a paper. A step without a file has a part that shows its figures and lists its
products.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

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


def methods_of(view: View) -> str:
    """Return what a step did, with its sources; "" if its file does not say."""
    if view.step.name not in _NAMES:
        return ""
    tell = getattr(import_module(f"{__name__}.{view.step.name}"), "methods", None)
    return tell(view) if tell is not None and view.products else ""


def _plain(view: View) -> Section:
    pictures = [p for p in view.products if p.endswith((".svg", ".png"))]
    names = [p.rsplit("/", 1)[-1].rsplit(".", 1)[0].replace("_", " ") for p in pictures]
    return Section([view.figure(p, n, f"{n}.") for p, n in zip(pictures, names)])
