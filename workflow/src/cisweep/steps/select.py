"""select: the predicted peaks of a sweep, on which the later steps work."""

from typing import Any, Self

from pydantic import Field, model_validator

from cisweep.config.model import ModelConfig
from cisweep.steps.base import Shown, Step, StepConfig

FDR = 0.1
"""The false discovery rate at which a peak counts as above chance where the config gives none."""


class SelectConfig(StepConfig):
    """Local maxima of each target's predictions that shuffled sequence does not give; without this
    step all regions are used. p-values and rates of the steps behind it are given this selection.
    """

    fdr: float | None = Field(FDR, gt=0, lt=1)
    """Largest false discovery rate of each target's peaks. They are compared with the peaks that
    the model predicts on dinucleotide-shuffled sequence. null = peaks are chosen by top_n and
    threshold alone, and their rate is only reported."""
    top_n: int | None = Field(None, ge=1)
    """Keep the strongest n peaks of each target (of those that pass fdr, where it is given)."""
    threshold: float | None = None
    """Keep peaks whose prediction is at least this, in the target's unit."""
    min_distance_bp: int | None = Field(None, ge=1)
    """A peak is the highest window within this distance; null = window_bp."""
    targets: list[str] | None = None
    """Targets whose peaks are wanted; null = all."""
    null_windows: int = Field(100_000, ge=0)
    """Largest number of windows of shuffled sequence that are predicted. If the run has more
    windows, stretches are drawn from all over it; if it has fewer, each is shuffled up to 1 / fdr
    times (10 times without fdr). 0 = no shuffled sequence and no rates (needs fdr: null)."""

    @property
    def draws(self) -> int:
        """How often a stretch is shuffled at most: so often that one peak alone can pass."""
        return int(-(-1 // (self.fdr or FDR)))

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.fdr is None and self.top_n is None and self.threshold is None:
            raise ValueError("give fdr, top_n or threshold")
        if self.fdr is not None and not self.null_windows:
            raise ValueError(
                "fdr needs shuffled windows: set steps.select.null_windows above 0, or "
                "steps.select.fdr: null"
            )
        return self


def _faults(run: Any, models: dict[str, ModelConfig]) -> list[str]:
    known = {t for model in models.values() for t in model.target_names}
    return [
        f"steps.select.targets: no model has the target {t!r} (there are: "
        f"{', '.join(sorted(known))})"
        for t in run.steps.select.targets or []
        if models and t not in known
    ]


def _share(config: SelectConfig, model: ModelConfig, n_windows: int) -> float:
    """How many windows pass a rate or a threshold is known after the run: at most all of them."""
    if config.top_n is None:
        return 1.0
    return min(1.0, config.top_n * len(model.targets) / max(n_windows, 1))


STEP = Step(
    name="select",
    version=3,
    order=20,
    config=SelectConfig,
    title="Predicted peaks",
    products=lambda config, model: ["peaks.bed", "peaks.tsv", "peaks_summary.tsv"],
    browser={
        "peaks.bed": Shown(
            "peaks",
            "91,107,122",
            "Predicted peaks, named by their targets. Score: of each target the lowest selected "
            "prediction is 0, the highest 1000.",
        )
    },
    needs=("predict",),
    faults=_faults,
    share=_share,
)
