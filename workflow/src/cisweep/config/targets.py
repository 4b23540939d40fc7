"""Targets and tracks of a model.yaml: scalars that analyses explain, and outputs along a window."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from cisweep.config.base import Strict, TargetName

Scale = Literal["logit", "probability", "log_counts", "log1p_counts", "counts", "value"]
Reduce = Literal["none", "sum", "mean", "max", "center", "profile", "profile_bpnetlite"]
Transform = Literal["none", "log1p"]


class TargetConfig(Strict):
    """One scalar that analyses explain: a task's logit, log count or profile score."""

    name: TargetName
    """Name of the target: one line of any printable text. Names of files, datasets and columns are
    made of it; targets.tsv says which."""
    head: int = Field(0, ge=0)
    """Which of the model's outputs, if it returns several."""
    tasks: list[int] | None = None
    """Which tasks (the axis after the batch) of that output; null = all."""
    positions: tuple[int, int] | None = None
    """Output positions [start, end) to use; null = all."""
    reduce: Reduce = "none"
    """How tasks and positions become one scalar. `profile`: Σ w·z with w = softmax of the
    window's own centred logits held fixed (ChromBPNet); `profile_bpnetlite`: Σ z·softmax(z)."""
    transform: Transform = "none"
    """Applied to the reduced value."""
    scale: Scale = "logit"
    """Unit of the target; it decides how variants are reported. `value`: any other number (that of
    a regression, a profile score); of its change only the difference is reported."""
    group: str | None = None
    """Group of the target, as a kind of cell; steps choose targets by it."""
    color: str | None = None
    """Colour of the target in figures: #rrggbb."""
    annotation: dict[str, str] = {}
    """What else is known of it: column of targets.tsv: value."""

    @field_validator("color")
    @classmethod
    def _color(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"#[0-9A-Fa-f]{6}", value):
            raise ValueError(f"give a colour as #rrggbb, got {value!r}")
        return value

    @model_validator(mode="after")
    def _check(self) -> Self:
        tasks = self.tasks
        if tasks is not None and (not tasks or min(tasks) < 0 or len({*tasks}) < len(tasks)):
            raise ValueError(f"tasks {tasks}: give different whole numbers from 0, or null")
        if self.positions is not None and not 0 <= self.positions[0] < self.positions[1]:
            raise ValueError(f"positions {list(self.positions)} are not 0 <= start < end")
        return self


class TargetTable(Strict):
    """Targets from a table: tab-separated, its first line names the columns, a row is a target.

    Columns: its name; `index` or `track`, the number of the model's output, from 0 (without such a
    column a row's own number); if wanted `group` and `color`. Further columns go into targets.tsv.
    """

    table: Path
    """The table (TSV)."""
    name: str = "name"
    """Its column with the names of the targets."""
    index: str | None = None
    """Its column with the number of the model's output; null = `index` or `track`, if there."""
    where: dict[str, str | list[str]] = {}
    """Which rows are targets: column: pattern, or patterns of which one must match (`*`, `?` and
    `[…]` as in names of files); all columns that are named must match."""
    head: int = Field(0, ge=0)
    """As of one target; so are the keys below. They hold for all rows."""
    positions: tuple[int, int] | None = None
    """Output positions [start, end) to use; null = all."""
    reduce: Reduce = "none"
    """How positions become one scalar."""
    transform: Transform = "none"
    """Applied to the reduced value."""
    scale: Scale = "logit"
    """Unit of the targets."""


if TYPE_CHECKING:  # a table becomes a list before it is checked
    Targets = list[TargetConfig]
else:
    Targets = Annotated[
        Annotated[list[TargetConfig], Field(min_length=1), Tag("TargetConfig")]
        | Annotated[TargetTable, Tag("TargetTable")],
        Discriminator(
            lambda given: "TargetTable" if isinstance(given, Mapping) else "TargetConfig"
        ),
    ]


def check_scalars(targets: Iterable[TargetConfig]) -> None:
    """Raise ValueError for a target that is more than one number per window."""
    for i, target in enumerate(targets):
        tasks = target.tasks or []
        if len(tasks) > 1 and target.reduce in ("none", "center"):
            raise ValueError(
                f"targets.{i}: tasks {tasks} with reduce: {target.reduce} are {len(tasks)} values, "
                "and a target is one; give one task, or reduce: sum, mean or max"
            )


class TrackConfig(Strict):
    """A per-base (or per-bin) output, written as bigWig; it covers the middle of the window."""

    name: TargetName
    """Name of the track, as of a target; it names its bigWig and its dataset."""
    head: int = Field(0, ge=0)
    """Which of the model's outputs, if it returns several: (N, tasks, positions)."""
    tasks: list[int] = Field([0], min_length=1, max_length=2)
    """Tasks of that output: one, or the plus and the minus strand."""
    counts: list[TargetName] = []
    """Targets that give the counts of the window: the track is then softmax(output) × counts. One
    target: the total of both strands, with one softmax over both (bpnet-lite, ChromBPNet); two: one
    per strand, each with its own softmax. Empty: the output as it is."""
    bin_bp: int = Field(1, ge=1)
    """Number of bases that one position of the output covers."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if min(self.tasks) < 0 or len(set(self.tasks)) < len(self.tasks):
            raise ValueError(f"tasks {self.tasks}: give different whole numbers from 0")
        return self

    @property
    def strands(self) -> tuple[str, ...]:
        """Suffixes of the tracks of the strands: plus and minus, or none."""
        return ("plus", "minus") if len(self.tasks) == 2 else ("",)
