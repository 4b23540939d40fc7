"""What the scripts of marginalize, space and ablate share: a model as a function, backgrounds."""

from pathlib import Path

import numpy as np

from cisweep.analysis.perturbation.experiments import Backgrounds, Predict
from cisweep.analysis.prediction.windows import predict_windows
from cisweep.contracts import Windows
from cisweep.models.ensemble import Ensemble
from cisweep.plan.contents.backgrounds import gc_share, random_windows, region_sample
from cisweep.plan.plan import Plan
from cisweep.steps.marginalize import BackgroundConfig


def predictor(plan: Plan, model: str, device: str, batch_size: int) -> Predict:
    """Return the function (windows, tokens (N, W) uint8) -> (N, T) of a model of the run.

    What the model reads beside the bases (bigWig) is that of the windows' places.
    """
    folded = Ensemble.load(plan.models[model], device)

    def predict(windows: Windows, tokens: np.ndarray) -> np.ndarray:
        inputs = plan.inputs(model, windows)
        return predict_windows(folded, windows, tokens, inputs, batch_size=batch_size).mean

    return predict


def make_backgrounds(
    predict: Predict, plan: Plan, model: str, step: BackgroundConfig, peaks: Path | None
) -> Backgrounds:
    """Return the backgrounds that a step's config asks for."""
    kind, n = step.backgrounds, step.n_backgrounds
    seed, width = plan.config.seed, plan.models[model].window_bp
    chroms = [c for c in plan.source.lengths if plan.wanted(c)]
    if kind == "random":
        return Backgrounds.of(predict, *random_windows(plan.source, chroms, width, n, seed))
    windows, tokens = region_sample(plan, model, n, peaks)
    if kind == "shuffled":
        return Backgrounds.shuffled(predict, windows, tokens, n, seed)
    gc = gc_share(tokens)[np.arange(n) % len(tokens)]
    return Backgrounds.of(predict, *random_windows(plan.source, chroms, width, n, seed, gc))
