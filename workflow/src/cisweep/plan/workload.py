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


def passes(plan: Plan, model: str, n_windows: int) -> float:
    """Return how often a window of the run goes through the network, about, over all its steps.

    As often as each step says, for each fold, and for both strands if they are averaged. How many
    windows are selected is known after the run: here it is the most that the selecting step allows.
    """
    config: ModelConfig = plan.models[model]
    found, share = 0.0, 1.0
    for name, step in plan.steps.items():
        own = plan.step_config(name)
        found += share * step.passes(own, config)
        if step.share is not None:
            share *= step.share(own, config, n_windows)
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
    selecting = _selecting_step(plan, model)
    most = "" if selecting is None else "at most "
    why = "" if selecting is None else f" and as if steps.{selecting} took the most it may"
    all_bp = sum(plan.source.lengths.values())
    return (
        f"{n_chunks} chunks of model {model} hold {n_windows / n_chunks:,.0f} windows on average, "
        f"which is {most}about {seconds:.1g} s of work for a small network (a guess from their "
        f"bases{why}), "
        "and a job costs several seconds beyond its work. Larger chunks are faster: chunk_bp: "
        f"{_rounded(all_bp / n_good)} gives {most}about {n_good} (it is {plan.config.chunk_bp})"
    )


def _selecting_step(plan: Plan, model: str) -> str | None:
    """Return the step that leaves windows out before another one reads them, if there is one."""
    names = list(plan.steps)
    for i, name in enumerate(names):
        behind = (plan.steps[n].passes(plan.step_config(n), plan.models[model]) for n in names[i:])
        if plan.steps[name].share is not None and any(behind):
            return name
    return None


def _rounded(bp: float) -> int:
    """Return bp with two digits, rounded up."""
    unit = 10 ** max(len(str(int(bp))) - 2, 0)
    return int(ceil(bp / unit) * unit)
