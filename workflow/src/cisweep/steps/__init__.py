"""The registry of steps: one file per step, found by being here."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from cisweep.steps.base import Step, StepConfig

__all__ = ["Step", "StepConfig", "all_steps", "step_of"]


@cache
def all_steps() -> dict[str, Step]:
    """Return name -> step of every file in this folder that defines STEP, in run order."""
    modules = [m.name for m in iter_modules(__path__) if m.name != "base"]
    steps = [import_module(f"cisweep.steps.{name}").STEP for name in modules]
    return {step.name: step for step in sorted(steps, key=lambda s: (s.order, s.name))}


def step_of(rule: str) -> Step | None:
    """Return the step of a rule, whose name is the step's, or begins with it and `_`."""
    names = [name for name in all_steps() if f"{rule}_".startswith(f"{name}_")]
    return all_steps()[max(names, key=len)] if names else None
