"""Which products of single targets one job writes: a few jobs a model, however many its targets.

A track of a small run takes tenths of a second, and the start of a job one; a track of a large
genome takes minutes, and the tracks of five thousand targets fit into no job.
"""

from math import ceil

from cisweep.plan.accounting import n_regions
from cisweep.plan.contents import target_work
from cisweep.plan.plan import Plan

FEW_JOBS = 8
"""Jobs that the targets of a model are dealt to where each is short work."""
TARGETS_OF_JOB = 16
"""Targets below which more jobs gain nothing, where the products of a target take less than the
start of a job; where they take longer (`target_seconds` in plan/contents) few have one each."""
MOST_OF_JOB = 256
"""Products of one job, at most: of each file that is asked for Snakemake looks which of a rule's
products it is, one by one."""
JOB_SECONDS = 1800
"""Work of one job, about: a quarter of what its rule asks for."""
BASES_A_SECOND = 10e6
"""Bases of windows whose values are read and written in a second, about (benchmarks/SCALE.md)."""


def target_groups(plan: Plan, step: str, ending: str) -> list[tuple[str, list[str]]]:
    """Return (model, products) for each job that writes a step's products of single targets.

    Of a step that is on; products: those of the model with this ending, as `Plan.products_of` gives
    them. How many go together follows from the run's regions and the model alone.
    """
    found = []
    for model in plan.models if step in plan.steps else ():
        files = [path for path in plan.products_of(step, model) if path.endswith(ending)]
        if files:
            size = _size(plan, step, model, len(files))
            found += [(model, files[i : i + size]) for i in range(0, len(files), size)]
    return found


def _size(plan: Plan, step: str, model: str, n: int) -> int:
    """Return how many of n products one job writes."""
    work, fewest = target_work(plan, step, model), 1
    if work is None:
        bases = n_regions(plan, model) * plan.models[model].window_bp
        work, fewest = (bases / BASES_A_SECOND, JOB_SECONDS), TARGETS_OF_JOB
    seconds, of_job = work
    at_most = max(1, int(of_job / max(seconds, 1e-9)))
    return min(at_most, MOST_OF_JOB, max(fewest, ceil(n / FEW_JOBS)))
