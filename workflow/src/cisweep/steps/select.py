"""select: the predicted peaks of a sweep, on which the later steps work."""

from typing import Any, Self

from pydantic import Field, model_validator

from cisweep.config.model import ModelConfig
from cisweep.steps.base import Step, StepConfig


class SelectConfig(StepConfig):
    """Local maxima of each target's predictions; without this step all regions are used."""

    top_n: int | None = Field(None, ge=1)
    """Keep the strongest n peaks of each target."""
    threshold: float | None = None
    """Keep peaks with a prediction of at least this (in the target's unit)."""
    min_distance_bp: int | None = Field(None, ge=1)
    """A peak is the highest window within this distance; null = window_bp."""
    targets: list[str] | None = None
    """Targets whose peaks are wanted; null = all."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.top_n is None and self.threshold is None:
            raise ValueError("give top_n, threshold, or both")
        return self


def _faults(run: Any, models: dict[str, ModelConfig]) -> list[str]:
    known = {t for model in models.values() for t in model.target_names}
    return [
        f"steps.select.targets: no model has the target {t!r} (there are: "
        f"{', '.join(sorted(known))})"
        for t in run.steps.select.targets or []
        if models and t not in known
    ]


STEP = Step(
    name="select",
    version=1,
    order=20,
    config=SelectConfig,
    title="Predicted peaks",
    products=lambda config, model: ["peaks.bed"],
    needs=("predict",),
    faults=_faults,
)
