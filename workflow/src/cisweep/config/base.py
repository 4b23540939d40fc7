"""What every config model shares: unknown keys are errors, values are frozen, names are checked."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

NAME = r"^[a-z0-9_]+$"
Name = Annotated[str, StringConstraints(pattern=NAME)]
"""Names of runs, models and targets stand in paths: lower case letters, digits, underscore."""


class Strict(BaseModel):
    """Base of all config models. A typo is an error, never a silently ignored key."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
