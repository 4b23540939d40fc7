"""How much disk a run takes, told before it."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cisweep.plan.accounting import n_regions

if TYPE_CHECKING:
    from cisweep.plan.plan import Plan

SMALL = 20e6
"""Tables, figures, logs and the page of a small run."""


def disk_notice(plan: "Plan", selected: Mapping[str, float] | None = None) -> str:
    """Return a line: how much disk the run takes, its chunks with it, and how much is free.

    selected: model -> share of its windows that is attributed; where it is not known, the most
    that the selecting step allows.
    """
    given = selected or {}
    need = SMALL + sum(run_bytes(plan, name, given.get(name)) for name in plan.models)
    folder = Path(plan.results)
    while not folder.is_dir():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    warn = ": too little" if need > free else ""
    most = "about" if selected else "at most about"
    return f"disk: {most} {size_text(need)} for {plan.results}; {size_text(free)} are free{warn}"


def run_bytes(plan: "Plan", name: str, selected: float | None = None) -> float:
    """Return the bytes of a model's products that grow with the windows, in all files of the run.

    Chunks stay beside what is merged of them, so that a run goes on where it ended; so both count.
    selected: as of disk_notice, of this model.
    """
    model, n = plan.models[name], n_regions(plan, name)
    found, left = 0.0, float(n)
    for step_name, step in plan.steps.items():
        own = plan.step_config(step_name)
        found += left * step.disk(own, model, plan.is_genome)
        if step.share is not None:
            left = left * selected if selected is not None else left * step.share(own, model, n)
    return found


def size_text(n_bytes: float) -> str:
    """Return a size as a reader wants it."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:,.1f} TB"
