"""What each file of a run holds: one file per step, and `run` for what belongs to no step.

The writers take names and order of columns from here, and refuse what is not declared;
docs/output.md is made of it.
"""

import re
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from cisweep.products.base import Field, Product

__all__ = ["Field", "Product", "all_products", "product_at"]


@cache
def all_products() -> dict[str, tuple[Product, ...]]:
    """Return step (or `run`) -> its products, of every file in this folder."""
    names = [m.name for m in iter_modules(__path__) if m.name != "base"]
    return {name: import_module(f"cisweep.products.{name}").PRODUCTS for name in names}


def product_at(path: str) -> Product | None:
    """Return the product whose path this is (under results/<run>/), None for none."""
    found = [p for products in all_products().values() for p in products if p.matches(path)]
    # The one with more letters of its own: x.plus.pred.bw is not the x.pred.bw of a target.
    return max(found, key=lambda p: len(re.sub(r"<\w+>", "", p.path))) if found else None
