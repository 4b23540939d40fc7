"""What every config model shares: unknown keys are errors, values are frozen, names are checked,
numbers are finite and no truth values."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Self, get_args

import annotated_types
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

from cisweep.contracts import stored_name

NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
Name = Annotated[str, StringConstraints(pattern=NAME, max_length=100)]
"""Names of runs and models are parts of file names, of which most systems take 255 bytes:
letters, digits, _, and, after the first, - and . too."""

_MAX_LETTERS, _MAX_STORED = 100, 140


def _check_target_name(name: str) -> str:
    """Raise ValueError for a name that is no line of text that people read, or is too long."""
    if not name.strip(" "):
        raise ValueError(f"a name is empty, got {name!r}; write one letter at least")
    if not name.isprintable():
        bad = next(letter for letter in name if not letter.isprintable())
        raise ValueError(
            f"the name {name!r} has the letter U+{ord(bad):04X}, which cannot be printed; take it "
            "out"
        )
    if name != name.strip():
        raise ValueError(f"the name {name!r} begins or ends with a space; take it out")
    if len(name) > _MAX_LETTERS:
        raise ValueError(
            f"the name {name[:20]!r} … has {len(name)} letters, and {_MAX_LETTERS} is the most; "
            "shorten it"
        )
    if (n := len(stored_name(name))) > _MAX_STORED:
        raise ValueError(
            f"the name {name!r} takes {n} letters in names of files, where each byte of other "
            f"letters than A-Z a-z 0-9 _ . - takes three, and {_MAX_STORED} is the most; shorten it"
        )
    return name


TargetName = Annotated[str, AfterValidator(_check_target_name)]
"""Names of targets, tracks and tasks: one line of any printable text. `contracts.file_names` makes
names of files of them."""


def check_distinct(names: Iterable[str], what: str) -> None:
    """Raise ValueError if two names are equal, or would be one file where case does not count."""
    seen: dict[str, str] = {}
    for name in names:
        if name.lower() in seen:
            other = seen[name.lower()]
            how = "occurs twice" if other == name else f"and {other} differ only in case"
            raise ValueError(f"{what} must differ: {name} {how} (they name files)")
        seen[name.lower()] = name


@dataclass(frozen=True)
class Package:
    """An optional dependency: the module, its package, and the extra of cisweep that brings it."""

    module: str
    name: str
    extra: str


LARGEST = 10**15
"""Largest whole number of a key without a bound of its own: a thousand times the bases of the
largest genome, and far from the end of 64 bits."""


def _check_arguments(value: dict[str, Any]) -> dict[str, Any]:
    for name, item in value.items():
        for number in _inside(item):
            if isinstance(number, float) and not math.isfinite(number):
                raise ValueError(f"{name}: give a finite number, got {number}")
            if isinstance(number, int) and abs(number) > LARGEST:
                raise ValueError(f"{name}: {number} is larger than {LARGEST:.0e}")
    return value


Arguments = Annotated[dict[str, Any], AfterValidator(_check_arguments)]
"""Keyword arguments of the user's or a built-in class; their numbers are finite."""


def _inside(value: Any) -> Iterator[Any]:
    """Yield the values that stand in lists and mappings, or the one value."""
    if isinstance(value, str | int | float | None):
        yield value
        return
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _inside(item)
    else:
        yield value


_LONGEST_PATH, _LONGEST_NAME = 4096, 255  # bytes, of Linux; Python raises above them


def _is_too_long(path: str) -> bool:
    """Is this longer than any path or name of a file?"""
    names = path.encode(errors="replace").split(b"/")
    return sum(map(len, names)) + len(names) > _LONGEST_PATH or max(map(len, names)) > _LONGEST_NAME


def _plain_types(annotation: Any) -> set[Any]:
    """Return the types at the ends of an annotation: {int, NoneType} of `list[int] | None`."""
    parts = get_args(annotation)
    return set().union(*map(_plain_types, parts)) if parts else {annotation}


@cache
def _numbers_and_paths(model: type[BaseModel]) -> dict[str, set[Any]]:
    """Return field -> the types at the ends of its annotation, of those with a number or a path."""
    found = {name: _plain_types(field.annotation) for name, field in model.model_fields.items()}
    return {name: types for name, types in found.items() if types & {int, float, Path}}


@cache
def _bounded(model: type[BaseModel]) -> set[str]:
    """Return the fields that have a largest value of their own."""
    ends = annotated_types.Le | annotated_types.Lt
    fields = model.model_fields.items()
    return {name for name, field in fields if any(isinstance(m, ends) for m in field.metadata)}


def _again(error: Any) -> InitErrorDetails:
    """Return an error of pydantic as what makes it again."""
    known = error["type"] in get_args(core_schema.ErrorType)
    kind = error["type"] if known else PydanticCustomError(error["type"], error["msg"])
    return InitErrorDetails(
        type=kind, loc=error["loc"], input=error["input"], ctx=error.get("ctx", {})
    )


class Strict(BaseModel):
    """Base of all config models. A typo is an error, never a silently ignored key.

    `true` is no number, though Python takes it for 1; nan and inf are no numbers of a config; an
    empty text is no path, though Python takes it for the working folder, and no path is longer
    than a file system takes.

    The text below each field is its documentation; cisweep.plan.document reads it. Pydantic would
    read it too, from the source files in each process, a tenth of the start of a job.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    # Not by validators of fields: those may not stand before the key that chooses among models.
    @model_validator(mode="wrap")
    @classmethod
    def _no_other_kind(cls, data: Any, check: ModelWrapValidatorHandler[Self]) -> Self:
        wrong = {} if not isinstance(data, Mapping) else cls._other_kinds(data)
        details = [
            InitErrorDetails(type="value_error", loc=(k,), input=data[k], ctx={"error": error})
            for k, error in wrong.items()
        ]
        try:
            made = check(data)
        except ValidationError as error:
            details += [_again(e) for e in error.errors() if not wrong.keys() & set(e["loc"][:1])]
        if details:
            raise ValidationError.from_exception_data(cls.__name__, details)
        return made

    @classmethod
    def _other_kinds(cls, data: Mapping[str, Any]) -> dict[str, ValueError]:
        """Return key -> what is wrong, of values that pydantic would turn into something else."""
        found = {}
        for name in _numbers_and_paths(cls).keys() & data.keys():
            types, values = _numbers_and_paths(cls)[name], [*_inside(data[name])]
            truth = next((item for item in values if isinstance(item, bool)), None)
            if types & {int, float} and bool not in types and truth is not None:
                found[name] = ValueError(f"give a number, got {str(truth).lower()}")
            elif Path in types and "" in values:
                found[name] = ValueError("give a path, got an empty text")
            elif Path in types and any(isinstance(v, str) and _is_too_long(v) for v in values):
                found[name] = ValueError("no file system takes so long a path or name of a file")
        return found

    @field_validator("*", mode="after")
    @classmethod
    def _no_endless_number(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, str | float) or info.field_name in _bounded(cls):
            return value
        for item in _inside(value):
            if isinstance(item, int) and abs(item) > LARGEST:
                raise ValueError(f"give at most {LARGEST:.0e}, got {item}")
        return value
