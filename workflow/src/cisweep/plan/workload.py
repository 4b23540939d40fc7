"""A guess at the work of a chunk's job: it chooses chunk_bp where the config does not, and says
when starting the jobs takes longer than their work."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from cisweep.config.model import ModelConfig
from cisweep.genome.regions import Regions
from cisweep.plan.accounting import n_regions
from cisweep.plan.contents import own_regions
from cisweep.steps import all_steps

if TYPE_CHECKING:
    from cisweep.plan.plan import Plan

BASES_A_SECOND = 1e6
"""Bases of windows that a small network reads in a second on one core, about."""
SHORT_SECONDS, GOOD_SECONDS = 10, 60
"""A job costs several seconds beyond its work: less than the first is told, the second sought."""
FEW = 20
"""So many chunks are over soon, whatever they hold."""

JOB_SECONDS = 600
"""Work that a chosen chunk gives its costliest job, at most; rounding takes up to 60 % off."""
JOB_BASES = 100_000_000
"""Bases of the windows of a chosen chunk, at most: a job holds them, a byte each."""
READ_BP = 50_000_000
"""Bases that one job of an experiment reads where chunk_bp is chosen: it has no regions."""
ITEMS_BP = 100_000_000
"""The largest chosen chunk of a run with variants: they lie densely where regions may be few."""
_EXPLAINED = 1 / 20
_STEPS = [n * 10**power for power in range(1, 15) for n in (1, 2, 5)]


def passes(plan: "Plan", model: str, n_windows: int) -> float:
    """Return how often a window of the run goes through the network, about, over all its steps.

    As often as each step says, for each fold, and for both strands if they are averaged. How many
    windows are selected is known after the run: here it is the most that the selecting step allows.
    """
    config: ModelConfig = plan.models[model]
    found, share = 0.0, 1.0
    for name, step in plan.steps.items():
        own = plan.step_config(name)
        found += share * step.passes(own, config, _selects(plan))
        if step.share is not None:
            share *= step.share(own, config, n_windows)
    return found * len(config.folds) * (2 if config.rc.average else 1)


def _selects(plan: "Plan") -> bool:
    """Is there a step that selects windows."""
    return any(step.share is not None for step in plan.steps.values())


def small_chunks(plan: "Plan", model: str) -> str | None:
    """Return what to tell where the average job of a model's chunks would work for seconds.

    Its work is guessed as windows × bases of a window × `passes`, at BASES_A_SECOND: an upper bound
    where windows are selected. None where there are few chunks, their jobs may work long enough, or
    chunk_bp is chosen.
    """
    if plan.config.chunk_bp is None:
        return None
    n_chunks, n_windows = len(plan.chunks(model)), n_regions(plan, model)
    total = n_windows * plan.models[model].window_bp * passes(plan, model, n_windows)
    seconds = total / BASES_A_SECOND / max(n_chunks, 1)
    if n_chunks <= FEW or not total or seconds >= SHORT_SECONDS:
        return None
    n_good = max(1, ceil(total / BASES_A_SECOND / GOOD_SECONDS))
    selecting = _selecting_step(plan, model)
    most = "" if selecting is None else "at most "
    why = (
        "" if selecting is None else f" and for the most windows that steps.{selecting} may select"
    )
    all_bp = sum(plan.source.lengths.values())
    return (
        f"{n_chunks} chunks of model {model} hold {n_windows / n_chunks:,.0f} windows on average, "
        f"which is {most}about {seconds:.1g} s of work for a small network (a guess from their "
        f"bases{why}), and each job takes several seconds to start and to end. Larger chunks are "
        "faster: chunk_bp: "
        f"{_rounded(all_bp / n_good)} gives {most}about {n_good} (it is {plan.config.chunk_bp})"
    )


def _selecting_step(plan: "Plan", model: str) -> str | None:
    """Return the step that leaves windows out before another one reads them, if there is one."""
    names = list(plan.steps)
    for i, name in enumerate(names):
        behind = (
            plan.steps[n].passes(plan.step_config(n), plan.models[model], True) for n in names[i:]
        )
        if plan.steps[name].share is not None and any(behind):
            return name
    return None


def _rounded(bp: float) -> int:
    """Return bp with two digits, rounded up."""
    unit = 10 ** max(len(str(int(bp))) - 2, 0)
    return int(ceil(bp / unit) * unit)


@dataclass(frozen=True)
class _Load:
    """What is done with windows: their number, the bases over which they lie, the bases of each,
    and how often each goes through the network."""

    n_windows: int
    over_bp: int
    window_bp: int
    passes: float

    def seconds(self, bp: float) -> float:
        """Return the work that lies in `bp` bases of the genome."""
        return self.n_windows * self.window_bp * self.passes / BASES_A_SECOND / self.over_bp * bp

    @property
    def most_bp(self) -> float:
        """Bases of the genome that one job should handle, at most."""
        bp = JOB_BASES * self.over_bp / (self.n_windows * self.window_bp)
        return min(bp, JOB_SECONDS / self.seconds(1))


def chosen_chunk_bp(plan: "Plan") -> int:
    """Return the bases of the genome that one job handles, where the config leaves it open.

    So many that the costliest job of a chunk works JOB_SECONDS on one core, as guessed from the
    number of regions, the windows, targets, folds and strands of the models, and from which steps
    run: predictions of all windows; attributions of all, or of a twentieth where a step selects
    (or nothing is attributed: then predictions are that much shorter); mutagenesis of all windows;
    designs. Not less than two windows, and not more than JOB_BASES of windows.

    It follows from the config, .fai and BED alone, so that each job finds the same, and from no
    option of a step but a BED of its own. It is rounded down to 1, 2 or 5 times a power of ten: a
    row more in the BED changes it only where it crosses such a step. Where it changes, the jobs of
    all chunks run again; merged products stay the same.
    """
    most = min((load.most_bp for load in _loads(plan)), default=READ_BP)
    if plan.steps_that_drop("items"):
        most = min(most, ITEMS_BP)
    return _between(plan, most)


def _between(plan: "Plan", most: float) -> int:
    """Return 1, 2 or 5 times a power of ten of at most `most`, of at least two windows and not
    beyond the genome."""
    widest = max((model.window_bp for model in plan.models.values()), default=1)
    all_bp = sum(plan.source.lengths.values())
    enough = next(step for step in _STEPS if step >= min(all_bp, _STEPS[-1]))
    least = next(step for step in _STEPS if step >= max(2 * widest, 100))
    fitting = [step for step in _STEPS if least <= step <= min(most, enough)]
    return max(fitting, default=least)


def bases_of_job(plan: "Plan") -> int:
    """Return the bases that one job reads of items without a place: experiments, pairs, nulls."""
    return plan.config.chunk_bp or READ_BP


def measured_chunk_bp(plan: "Plan", seconds: float) -> int:
    """Return the bases of the genome that one job should handle, for a run whose costliest step
    was found to take so many seconds in all: JOB_SECONDS of them, within the bounds of
    `chosen_chunk_bp`."""
    loads = [load for load in _loads(plan) if load.n_windows]
    over = max((load.over_bp for load in loads), default=READ_BP)
    held = min((JOB_BASES * x.over_bp / (x.n_windows * x.window_bp) for x in loads), default=over)
    return _between(plan, min(held, over * JOB_SECONDS / max(seconds, 1e-9)))


def chosen_notice(plan: "Plan") -> str | None:
    """Return what to tell of a chosen chunk_bp; None where the config has it, or nothing sweeps."""
    loads = [] if plan.config.chunk_bp else list(_loads(plan))
    if not loads:
        return None
    n = max(len(plan.chunks(model)) for model in plan.models)
    seconds = max(load.seconds(min(plan.chunk_bp, load.over_bp)) for load in loads)
    jobs = "1 job" if n == 1 else f"{n:,} jobs"
    minutes = "less than a minute" if seconds < 60 else f"about {seconds / 60:.0f} minutes"
    return (
        f"chunk_bp {plan.chunk_bp:,} is chosen: {jobs} per step, the longest takes {minutes} on "
        "one "
        f"core (a guess, for a small network); set chunk_bp: {plan.chunk_bp} to keep it"
    )


def _loads(plan: "Plan") -> Iterator[_Load]:
    """Yield what the steps do with windows, for each model."""
    lengths = {c: bp for c, bp in plan.source.lengths.items() if plan.wanted(c)}
    selects = _selects(plan)
    explains = any(step.explains for step in plan.steps.values())
    share = 1 if explains and not selects else _EXPLAINED
    for name, model in plan.models.items():
        ways = len(model.folds) * (2 if model.rc.average else 1)
        # By its default options, whether it is on or not, so that no option moves the chunks.
        usual = (s.passes(s.config(), model, selects) for s in all_steps().values() if s.explains)
        passes = max(1.0, share * max(usual))
        sweeps = plan.first_map_step is not None
        for step_name, step in plan.steps.items():
            if step.heavy is None:
                continue
            rows = own_regions(plan, step_name)
            if rows is not None:
                over_bp = _over(plan, rows, lengths)
                yield from _load(len(rows), over_bp, model, step.heavy(model) * ways)
            elif step.drops(plan.step_config(step_name)) == "regions" and not selects:
                passes, sweeps = max(passes, step.heavy(model)), True
        if sweeps:
            over_bp = _over(plan, plan.given, lengths)
            yield from _load(n_regions(plan, name), over_bp, model, passes * ways)


def _load(n: int, over_bp: int, model: ModelConfig, passes: float) -> Iterator[_Load]:
    if n and over_bp:
        yield _Load(n, over_bp, model.window_bp, passes)


def _over(plan: "Plan", rows: Regions | None, lengths: dict[str, int]) -> int:
    """Return the bases over which regions lie: of tiled parts, or of the chromosomes of rows."""
    if rows is None:
        parts = [plan.config.regions.tile.part(0, bp) for bp in lengths.values()]
        return sum(high - low for low, high in filter(None, parts))
    return sum(lengths.get(chrom, 0) for chrom in set(rows.chrom.tolist()))
