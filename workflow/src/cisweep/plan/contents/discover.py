"""How long the motif discovery of a target takes, by which targets are dealt to jobs."""

from cisweep.plan.accounting import n_regions
from cisweep.plan.plan import Plan
from cisweep.steps.attribute import all_of_a_window

JOB_SECONDS = 3600
"""Work of one job of several targets, about: more would be lost where it is killed."""
START_SECONDS = 10.0
"""Of a target, whatever its number of seqlets: names, logos, the graph of few seqlets."""
SEQLETS_OF_WINDOW = 2
"""Seqlets in the window of a region, about."""
SEQLET_SECONDS = 0.1
"""Of a clustered seqlet (benchmarks/DISCOVER.md)."""


def target_seconds(plan: Plan, model: str) -> float:
    """Return how long the motifs of one target take, about, at the most."""
    step, attribute = plan.step_config("discover"), plan.step_config("attribute")
    n, select = n_regions(plan, model), plan.step_config("select")
    if select is not None and not all_of_a_window(attribute, True) and select.top_n is not None:
        n = min(n, select.top_n)  # a target is explained at its own peaks
    seqlets = min(SEQLETS_OF_WINDOW * min(n, step.max_regions), 2 * step.max_seqlets)
    return START_SECONDS + SEQLET_SECONDS * seqlets
