"""The registry of steps: one file a step, found by being here."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from cisweep.steps.base import Step, StepConfig

__all__ = ["Step", "StepConfig", "all_steps"]


@cache
def all_steps() -> dict[str, Step]:
    """Return name -> step of every file in this folder that defines STEP, in run order."""
    modules = [m.name for m in iter_modules(__path__) if m.name != "base"]
    steps = [import_module(f"cisweep.steps.{name}").STEP for name in modules]
    return {step.name: step for step in sorted(steps, key=lambda s: (s.order, s.name))}
