"""What every config model shares: unknown keys are errors, values are frozen, names are checked."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
Name = Annotated[str, StringConstraints(pattern=NAME)]
"""Names of runs, models and targets stand in paths: letters, digits, _, and - and . behind them."""


def check_distinct(names: Iterable[str], what: str) -> None:
    """Raise ValueError if two names are equal, or would be one file where case does not count."""
    seen: dict[str, str] = {}
    for name in names:
        if name.lower() in seen:
            other = seen[name.lower()]
            how = "stands twice" if other == name else f"and {other} differ only in case"
            raise ValueError(f"{what} must differ: {name} {how} (they name files)")
        seen[name.lower()] = name


class Strict(BaseModel):
    """Base of all config models. A typo is an error, never a silently ignored key.

    The text below each field is its documentation; cisweep.config.document reads it. Pydantic would
    read it too, from the source files in each process, a tenth of the start of a job.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
