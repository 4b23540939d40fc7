"""How a product is declared: its path, what it is, and each column, dataset or key in it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from cisweep.errors import ProductError


class Field(NamedTuple):
    """A column of a table, a dataset or attribute of an HDF5 file, or a key of a JSON file.

    name: `<target>` and other names in <> stand for any name; type: `text`, `int64`, `int32`,
    `float64`, `float32`, `bool`, `list of int64`, of HDF5 also the shape; about: what it is; unit:
    of its values, or nothing; when: what it needs to be there, or nothing where it always is.
    """

    name: str
    type: str
    about: str
    unit: str = ""
    when: str = ""


@dataclass(frozen=True)
class Product:
    """A file of a run.

    path: under results/<run>/ (`<model>/...` for a product of a model), with names in <>; what:
    what it holds, one row of what; fields: in the file's order; attributes: of an HDF5 file, beside
    those that all have; when: what it needs to be there, or nothing where its step always makes it;
    any_fields: does it hold more than is declared, which others define.
    """

    path: str
    what: str
    fields: tuple[Field, ...] = ()
    attributes: tuple[Field, ...] = ()
    when: str = ""
    any_fields: bool = False

    def matches(self, path: str) -> bool:
        """Return whether a path under results/<run>/ is one of this product."""
        return _fits(self.path, path)

    def names(self, **values: Iterable[str]) -> list[str]:
        """Return the columns that are always there, in order.

        values: as `target`: the names that <target> stands for; neighbouring columns with the same
        <> are repeated together, name by name.
        """
        return [f.name for f in self.expanded(**values) if not f.when]

    def expanded(self, **values: Iterable[str]) -> list[Field]:
        """Return the fields with names in the place of <>, as `names` does."""
        found: list[Field] = []
        for key, group in _grouped(self.fields):
            if key is None or key not in values:
                found += group
            else:
                found += [
                    f._replace(name=f.name.replace(f"<{key}>", name))
                    for name in values[key]
                    for f in group
                ]
        return found

    def check(self, found: Iterable[str], where: str, attributes: bool = False) -> None:
        """Raise ProductError where a name is not declared, or a declared one is not there.

        found: columns, datasets or keys; attributes: are they attributes of an HDF5 file.
        """
        found = list(found)
        fields = (*self.attributes, *ATTRIBUTES) if attributes else self.fields
        unknown = [n for n in found if not any(_fits(f.name, n) for f in fields)]
        missing = [
            f.name for f in fields if not f.when and not any(_fits(f.name, n) for n in found)
        ]
        if missing or unknown and not self.any_fields:
            told = [f"{', '.join(unknown)} not described"] * bool(unknown)
            told += [f"{', '.join(missing)} not there"] * bool(missing)
            raise ProductError(
                f"its columns are not those of {self.path}: {'; '.join(told)}",
                where=where,
                mend="describe what is written in cisweep/products, and write what is described",
            )


ATTRIBUTES = (
    Field("schema_version", "int", "version of the layout of HDF5 files"),
    Field("cisweep_version", "text", "version of cisweep"),
    Field("settings", "text", "hash of the settings that determine the results"),
    Field("seed", "int", "seed of the run"),
    Field("model_sha256", "text", "SHA-256 of the model's weights", when="it is of one model"),
)
"""Attributes of every HDF5 product, and entries of the metadata of every Parquet product."""

PLACE = (
    Field("chrom", "text", "chromosome, as in the FASTA"),
    Field("start", "int64", "first base", "bp"),
    Field("end", "int64", "base behind the last one", "bp"),
)
STRAND = Field("strand", "text", "`+`, `-` or `.`")
WINDOWS = (
    Field("regions/chrom", "text (N)", "chromosome of the window"),
    Field("regions/start", "int64 (N)", "first base of the window", "bp"),
    Field("regions/end", "int64 (N)", "base behind the window", "bp"),
    Field("regions/strand", "text (N)", "strand of the region: `+`, `-` or `.`"),
    Field("regions/name", "text (N)", "name that the region has in its BED"),
)
"""Where the N windows of an HDF5 file are, in genome order."""
REGIONS = (
    *WINDOWS,
    Field("tokens", "uint8 (N, L)", "bases of the window, + strand: 0 1 2 3 are A C G T, 4 is N"),
)
"""The same with their bases; L is the length of a window."""

DROPPED = (
    Field("step", "text", "step that dropped it"),
    Field("model", "text", "id of the model"),
    *PLACE,
    STRAND,
    Field("name", "text", "name of the region, variant or sequence"),
    Field("reason", "text", "why, in one word"),
    Field("detail", "text", "more of it: the share of N, the file and line"),
)
"""Columns of every table of what was dropped."""

MOTIF_NAME = (
    Field("motif", "text", "name of the closest known motif (Tomtom); missing: no name"),
    Field("motif_id", "text", "its id in the motif file"),
    Field("motif_p_value", "float64", "Tomtom's p-value of the match"),
    Field("motif_q_value", "float64", "its q-value over all known motifs (Benjamini-Hochberg)"),
    Field("motif_strand", "text", "strand on which the motif is alike"),
)

EFFECT = (
    Field("target", "text", "target that is predicted"),
    Field("n", "int64", "windows or hits that the mean is over"),
    Field("effect", "float64", "mean change of the prediction", "scale of the target"),
    Field("effect_sd", "float64", "its standard deviation over them", "scale of the target"),
    Field("ci_low", "float64", "lower end of the 95 % interval of the mean (Student's t)",
          "scale of the target"),
    Field("ci_high", "float64", "upper end of it", "scale of the target"),
)  # fmt: skip
"""A mean effect of an experiment."""


def _grouped(fields: Iterable[Field]) -> list[tuple[str | None, list[Field]]]:
    groups: list[tuple[str | None, list[Field]]] = []
    for field in fields:
        inside = re.search(r"<(\w+)>", field.name)
        key = inside[1] if inside else None
        if not groups or groups[-1][0] != key:
            groups.append((key, []))
        groups[-1][1].append(field)
    return groups


def _fits(pattern: str, name: str) -> bool:
    return _expression(pattern).fullmatch(name) is not None


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    # A column that is called as the user calls it may be called anything.
    if re.fullmatch(r"<\w+>", pattern):
        return re.compile(".+")
    return re.compile("[^/]+".join(map(re.escape, re.split(r"<\w+>", pattern))))
