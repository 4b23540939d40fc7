"""What a step declares about itself, without torch: config, version, products, report section."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cisweep.config.base import Strict
from cisweep.config.model import ModelConfig


class StepConfig(Strict):
    """Base of a step's config; `steps: {name: {}}` turns a step on with its defaults."""


@dataclass(frozen=True)
class Package:
    """An optional dependency: the module, its package, and the extra of cisweep that brings it."""

    module: str
    name: str
    extra: str


@dataclass(frozen=True)
class Step:
    """One step of a run.

    name: its key under `steps`; version: raised only when results change, so that finished jobs
    rerun then and only then; config: its config model; order: its place in the run and the report;
    products: (step config, model config) -> paths under results/<run>/<model>/; run_products: paths
    under results/<run>/; needs: steps that must be on; needs_motifs: must the run name
    a motif file; title: heading of its part of the report;
    faults: (config of the run, id -> model config) -> what its own config cannot know to be wrong;
    unscoped: config fields that do not determine results (sizes of batches); genome_only: products
    that a run on sequences does not have (tracks/ never is one of these);
    package: an optional dependency that it needs.
    """

    name: str
    version: int
    order: int
    config: type[StepConfig]
    title: str
    products: Callable[[StepConfig, ModelConfig], list[str]] = lambda config, model: []
    run_products: Callable[[StepConfig], list[str]] = lambda config: []
    needs: tuple[str, ...] = ()
    needs_motifs: bool = False
    faults: Callable[[Any, dict[str, ModelConfig]], list[str]] = lambda run, models: []
    unscoped: frozenset[str] = field(default_factory=lambda: frozenset({"batch_size"}))
    genome_only: frozenset[str] = frozenset()
    package: Package | None = None

    def settings(self, config: StepConfig) -> dict:
        """Return the part of the step's config that determines its results."""
        return config.model_dump(mode="json", exclude=set(self.unscoped))
