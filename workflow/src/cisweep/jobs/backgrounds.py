"""The windows into which marginalize and space put motifs."""

from pathlib import Path

from cisweep.outputs.experiments import (
    write_backgrounds,
)
from cisweep.scope import ModelScope


def experiment_backgrounds(
    of: ModelScope, experiment: str, peaks: Path | None, device: str, backgrounds: Path
) -> None:
    """Draw the backgrounds of an experiment and predict them as they are.

    experiment: "marginalize" or "space"; peaks: peaks.bed, from which they are drawn, or all
    regions. Writes windows, tokens and predictions as npz.
    """
    from cisweep.analysis.perturbation.windows import make_backgrounds, predictor

    step = of.plan.step_config(experiment)
    if peaks is not None and not peaks.stat().st_size:
        print("no peak is selected: the backgrounds come from all regions")
    found = make_backgrounds(
        predictor(of.plan, of.model, device, step.batch_size), of.plan, of.model, step, peaks
    )
    print(f"{len(found.windows)} backgrounds ({step.backgrounds})")
    write_backgrounds(backgrounds, found.windows, found.tokens, found.before)
