"""What one job of the workflow is about: the run, one of its models, a chunk or a target of it.

`Job` makes the scope from Snakemake's wildcards; the functions of `jobs` take it first, so that
they know nothing of Snakemake.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cisweep.config.model import ModelConfig
from cisweep.plan.plan import Plan


@dataclass(frozen=True, kw_only=True)
class RunScope:
    """A job of the whole run.

    origin: what its products say of where they come from, as `Job.provenance` gives it.
    threads: cores that it may use.
    """

    plan: Plan
    origin: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 1


@dataclass(frozen=True, kw_only=True)
class ModelScope(RunScope):
    """A job of one model; model: its id; step: the step whose targets of it are meant."""

    model: str
    step: str | None = None

    @property
    def config(self) -> ModelConfig:
        """What model.yaml says of the model, with the targets that the step is about; a model that
        is yet to be trained has none."""
        whole = self.plan.models[self.model]
        return whole if self.step is None else self.plan.model_of(self.step, self.model)

    def of_target(self, file_name: str) -> "TargetScope":
        """Return the scope of the target or track whose files have this name."""
        return TargetScope(
            plan=self.plan,
            origin=self.origin,
            threads=self.threads,
            model=self.model,
            step=self.step,
            target=self.config.named(file_name),
        )


@dataclass(frozen=True, kw_only=True)
class ChunkScope(ModelScope):
    """A job of one chunk of a model's work; chunk: its id, as c000012."""

    chunk: str


@dataclass(frozen=True, kw_only=True)
class TargetScope(ModelScope):
    """A job of one target or track of a model; target: its name."""

    target: str
