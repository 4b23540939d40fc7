"""docs/output.md, from what cisweep.products declares."""

from collections.abc import Iterable

from cisweep.products import Field, Product, all_products
from cisweep.products.base import ATTRIBUTES
from cisweep.steps import all_steps

_INTRO = """\
# Output

<!-- Written by `make documents` from workflow/src/cisweep/products. -->

Everything that a run writes, under `results/<run>/`. Names in <> stand for yours: the run, the
model, the target, the track.

- Coordinates are 0-based half-open (`start` is the first base, `end` the base behind the last one),
  as in BED. A 1-based value ends in `_1based`; VCF is 1-based, as it must be.
- Sequence and values per base are those of the + strand, from left to right, also for regions on
  the `-` strand.
- *Scale of the target*: what `scale` in model.yaml says, such as logit or log counts.
- *Missing* is NaN in TSV and null in Parquet.
- In HDF5, N windows of L bases stand in genome order; a dataset per target is named after it. All
  such files have the attributes below, and Parquet files have them in their metadata. In Parquet
  the metadata of each column hold its meaning and unit too.
- `.<name>.origin` beside a product holds its checksum, settings and weights; `logs/` and
  `benchmarks/` are Snakemake's, `<model>/chunks/` holds the parts that a merge has joined, and
  `.inputs/` the indices that could not be written beside your files.
"""
_HEAD = ["| name | type | unit | what it is |", "|---|---|---|---|"]


def output_document() -> str:
    """Return docs/output.md: every product with its columns, datasets and keys."""
    lines = [_INTRO, "## Attributes of every HDF5 file", "", *_rows(ATTRIBUTES), ""]
    told: dict[tuple[Field, ...], str] = {}
    titles = {"run": "The run"} | {name: f"{name}: {s.title}" for name, s in all_steps().items()}
    for name, title in titles.items():
        products = all_products().get(name, ())
        lines += [f"## {title}", ""] if products else []
        for product in products:
            lines += _product(product, told)
    return "\n".join(lines).rstrip("\n") + "\n"


def _product(product: Product, told: dict[tuple[Field, ...], str]) -> list[str]:
    """Return a product's part; told: fields -> path of the product that they were told of."""
    what = _plain(product.what) + (f" Only if {_plain(product.when)}." if product.when else "")
    lines = [f"### `{product.path}`", "", what, ""]
    if product.fields in told:
        lines += [f"The same columns as `{told[product.fields]}`.", ""]
    elif product.fields:
        lines += [*_rows(product.fields), ""]
        told[product.fields] = product.path
    if product.attributes:
        lines += ["Attributes beside those of every HDF5 file:", "", *_rows(product.attributes), ""]
    return lines


def _rows(fields: Iterable[Field]) -> list[str]:
    return [*_HEAD, *map(_row, fields)]


def _row(field: Field) -> str:
    about = field.about + (f" (only if {field.when})" if field.when else "")
    cells = (f"`{field.name}`", field.type, field.unit, about)
    return f"| {' | '.join(_plain(cell) for cell in cells)} |"


def _plain(text: str) -> str:
    """Return text for a cell of a table; outside of code, < would begin an HTML tag."""
    parts = text.replace("|", "\\|").split("`")
    return "`".join(p if i % 2 else p.replace("<", "&lt;") for i, p in enumerate(parts))
