"""select: the predicted peaks of a sweep, on which the later steps work."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from cisweep.config.model import ModelConfig
from cisweep.config.target_table import shortened
from cisweep.steps.base import Shown, Step, StepConfig, unknown_targets

FDR = 0.1
"""The false discovery rate at which a peak counts as above chance where the config gives none."""


_UNITS = {"logit": "probability", "log_counts": "counts", "log1p_counts": "counts"}
"""What a scale becomes before predictions are compared by proportion or gini."""


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
    """Targets whose peaks are wanted: their names, groups, or patterns of names (`*`, `?`, `[…]`);
    null = all."""
    by: Literal["value", "specificity"] = "value"
    """Which of the peaks that pass fdr and threshold top_n keeps: those of the highest predictions,
    or those that are most specific for the target among all of `among`."""
    specificity: Literal["proportion", "z", "gini"] = "proportion"
    """How specific a prediction is: `proportion`: its share of the sum over targets; `z`: standard
    deviations above their mean; `gini`: the Gini index of the window, where the target is its
    highest. For proportion and gini a logit becomes its probability and a log count its count; z is
    of the predictions as they are."""
    among: list[str] | None = None
    """Targets that a prediction is compared with by specificity, as in `targets`; null = all."""
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
        if self.by == "specificity" and self.top_n is None:
            raise ValueError("by: specificity needs top_n: how many peaks each target keeps")
        for key in ("specificity", "among"):
            if self.by == "value" and key in self.model_fields_set:
                raise ValueError(f"{key} has no effect without by: specificity")
        if self.fdr is not None and not self.null_windows:
            raise ValueError(
                "fdr needs shuffled windows: set steps.select.null_windows above 0, or "
                "steps.select.fdr: null"
            )
        return self


def _faults(run: Any, models: dict[str, ModelConfig]) -> list[str]:
    step = run.steps.select
    found = unknown_targets("steps.select.targets", step.targets, models)
    found += unknown_targets("steps.select.among", step.among, models)
    if step.by == "specificity" and not found:
        found += [fault for name, model in models.items() for fault in _mixed(step, name, model)]
    return found


def _mixed(step: SelectConfig, name: str, model: ModelConfig) -> list[str]:
    """Return why the targets of a model cannot be compared."""
    scale_of, among = {t.name: t.scale for t in model.targets}, model.chosen(step.among)
    where = f"steps.select.among: model {name}"
    compared = set(among)
    outside = [t for t in model.chosen(step.targets) if t not in compared]
    if outside:
        return [f"{where}: leaves out {shortened(outside)}, whose specificity is asked for"]
    if len(among) < 2:
        return [f"{where}: specificity compares targets, and there is one; name two at least"]
    units = dict.fromkeys(_UNITS.get(scale_of[t], scale_of[t]) for t in among)
    if step.specificity == "z":
        units = dict.fromkeys(scale_of[t] for t in among)
    if len(units) > 1:
        return [f"{where}: targets of different scales ({', '.join(units)}) are not compared; name "
                "those of one"]  # fmt: skip
    if step.specificity != "z" and "value" in units:
        return [f"{where}: of targets of scale value, which may be below 0, there is no "
                f"{step.specificity}; use specificity: z"]  # fmt: skip
    return []


def _share(config: SelectConfig, model: ModelConfig, n_windows: int) -> float:
    """How many windows pass a rate or a threshold is known after the run: at most all of them."""
    if config.top_n is None:
        return 1.0
    return min(1.0, config.top_n * len(model.chosen(config.targets)) / max(n_windows, 1))


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
