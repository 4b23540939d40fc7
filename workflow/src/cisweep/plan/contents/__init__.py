"""What the plan asks of one step alone: a file with the step's name, found by being here.

Each function may be left out:

chunks(plan, model): ids of the step's chunks in order; without it those of the run's regions.
chunk_key(plan, model, chunk): hash of what the chunk holds; without it that of the run's regions.
MOST_CHUNKS: about how many chunks a genome has at most, of a step whose jobs are short (or of what
has a folder below chunks/ beside that of its step): those of the run's regions are joined.
dropped_files(plan): tables of what the step dropped; without it one of each chunk.
checks(plan): what is to be looked at before any job; each raises a CisweepError.
target_seconds(plan, model): how long the products of one target take, about, and JOB_SECONDS: those
of a job of several; without them values of all windows are read and written.
notices(plan): lines on what is odd before any job, and may be meant so.
own_regions(plan): the rows that the step reads beside the run's regions, or in place of them; None
for those of the run, or where their file cannot be read, which a check tells.

They are called for steps that are on, the last two by the process that plans the run alone. Files
whose name is no step's are shared by several.
"""

from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from cisweep.errors import stop_at_faults
from cisweep.plan.chunks import chunk_id, chunk_index

if TYPE_CHECKING:
    from cisweep.genome.regions import Regions
    from cisweep.plan.plan import Plan

Check = Callable[[], object]
_NAMES = frozenset(m.name for m in iter_modules(__path__))


@cache
def _of(step: str, function: str) -> Any:
    module = import_module(f"{__name__}.{step}") if step in _NAMES else None
    return getattr(module, function, None)


def target_work(plan: "Plan", step: str, model: str) -> tuple[float, float] | None:
    """Return the seconds that a target's products take, and those of a job of several; None where
    the step does not say it."""
    seconds = _of(step, "target_seconds")
    return None if seconds is None else (seconds(plan, model), _of(step, "JOB_SECONDS"))


def step_chunks(plan: "Plan", step: str, model: str) -> list[str]:
    """Return the ids of a step's chunks for a model, in order."""
    own = _of(step, "chunks")
    return step_plan(plan, step).chunks(model) if own is None else list(own(plan, model))


def step_plan(plan: "Plan", step: str) -> "Plan":
    """Return the plan whose chunks are the step's, if they are regions of the run."""
    most = _of(step, "MOST_CHUNKS")
    return plan if most is None else plan.joined(most)


def chunks_in(plan: "Plan", step: str, model: str, chunk: str, beside: int = 0) -> list[str]:
    """Return the chunks of the run that a step's chunk joins, and those in some bins beside it."""
    times = step_plan(plan, step).chunk_bp // plan.chunk_bp
    first = chunk_index(chunk) * times
    return plan.chunks_of(model, range(first - beside, first + times + beside))


def chunk_over(plan: "Plan", step: str, other: str, chunk: str) -> str:
    """Return the chunk of another step, of larger ones, that holds a step's chunk."""
    times = step_plan(plan, other).chunk_bp // step_plan(plan, step).chunk_bp
    return chunk_id(chunk_index(chunk) // times)


def step_chunk_key(plan: "Plan", step: str, model: str, chunk: str) -> str:
    """Return a hash of what a step's chunk holds: the `params` by which its job reruns."""
    own = _of(step, "chunk_key")
    return plan.chunk_key(model, chunk) if own is None else own(plan, model, chunk)


def dropped_files(plan: "Plan", step: str) -> list[str]:
    """Return the tables of what a step dropped, of all models that it takes."""
    own = _of(step, "dropped_files")
    return chunk_tables(plan, step) if own is None else own(plan)


def chunk_tables(plan: "Plan", step: str) -> list[str]:
    """Return the tables of what each chunk of a step dropped, of all models that it takes."""
    return [
        f"{plan.results}/{model}/chunks/{step}/{chunk}.dropped.tsv"
        for model in plan.models_of(step)
        for chunk in step_chunks(plan, step, model)
    ]


def step_checks(plan: "Plan") -> list[Check]:
    """Return one check for each step that is on and has some; it tells all faults of the step."""
    found = (_of(step, "checks") for step in plan.steps)
    return [partial(_look, checks, plan) for checks in found if checks is not None]


def _look(checks: Callable[["Plan"], list[Check]], plan: "Plan") -> None:
    stop_at_faults(checks(plan))


def own_regions(plan: "Plan", step: str) -> "Regions | None":
    """Return the rows that a step reads in place of the run's regions, if it has some."""
    own = _of(step, "own_regions")
    return None if own is None else own(plan)


def step_notices(plan: "Plan") -> list[str]:
    """Return the notices of all steps that are on."""
    found = (_of(step, "notices") for step in plan.steps)
    return [line for notices in found if notices is not None for line in notices(plan)]
