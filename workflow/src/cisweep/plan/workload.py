"""A guess at the work of a chunk's job, to say when starting the jobs takes longest."""

from math import ceil

from cisweep.config.model import ModelConfig
from cisweep.plan.accounting import n_regions
from cisweep.plan.plan import Plan

BASES_A_SECOND = 1e6
"""Bases of windows that a small network reads in a second on one core, about."""
SHORT_SECONDS, GOOD_SECONDS = 10, 60
"""A job costs several seconds beyond its work: less than the first is told, the second sought."""
FEW = 20
"""So many chunks are over soon, whatever they hold."""
_PASSES_OF_A_REFERENCE = 3  # forward and back through example and reference


def passes(plan: Plan, model: str, n_windows: int) -> float:
    """Return how often a window of the run goes through the network, about, over all its steps.

    Once for its prediction; where it is attributed, three times for each reference and target; all
    of that for each fold, and for both strands if they are averaged. How many windows are selected
    is known after the run: here it is the most that steps.select allows, which is all of them where
    it asks for a rate or a threshold alone.
    """
    config: ModelConfig = plan.models[model]
    found = float(plan.is_on("predict"))
    if plan.is_on("attribute"):
        share = 1.0
        top_n = plan.step_config("select").top_n if plan.is_on("select") else None
        if top_n is not None:
            share = min(1.0, top_n * len(config.targets) / max(n_windows, 1))
        references = plan.step_config("attribute").n_references
        found += share * _PASSES_OF_A_REFERENCE * references * len(config.targets)
    return found * len(config.folds) * (2 if config.rc.average else 1)


def small_chunks(plan: Plan, model: str) -> str | None:
    """Return what to tell where the average job of a model's chunks would work for seconds.

    Its work is guessed as windows × bases of a window × `passes`, at BASES_A_SECOND: an upper bound
    where windows are selected. None where there are few chunks, or their jobs may work long enough.
    """
    n_chunks, n_windows = len(plan.chunks(model)), n_regions(plan, model)
    total = n_windows * plan.models[model].window_bp * passes(plan, model, n_windows)
    seconds = total / BASES_A_SECOND / max(n_chunks, 1)
    if n_chunks <= FEW or not total or seconds >= SHORT_SECONDS:
        return None
    n_good = max(1, ceil(total / BASES_A_SECOND / GOOD_SECONDS))
    bound = plan.is_on("select") and plan.is_on("attribute")
    most, why = ("at most ", " and as if steps.select took the most it may") if bound else ("", "")
    all_bp = sum(plan.source.lengths.values())
    return (
        f"{n_chunks} chunks of model {model} hold {n_windows / n_chunks:,.0f} windows on average, "
        f"which is {most}about {seconds:.1g} s of work for a small network (a guess from their "
        f"bases{why}), "
        "and a job costs several seconds beyond its work. Larger chunks are faster: chunk_bp: "
        f"{_rounded(all_bp / n_good)} gives {most}about {n_good} (it is {plan.config.chunk_bp})"
    )


def _rounded(bp: float) -> int:
    """Return bp with two digits, rounded up."""
    unit = 10 ** max(len(str(int(bp))) - 2, 0)
    return int(ceil(bp / unit) * unit)
