"""`cisweep check`: is the config right, and what do the models do with real windows?"""

import resource
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from snakemake.common.configfile import load_configfile

from cisweep.cli.folder import workflow_folder
from cisweep.cli.progress import duration
from cisweep.config.model import ModelConfig
from cisweep.config.target_table import shortened
from cisweep.errors import CisweepError
from cisweep.genome.fasta import window_tokens
from cisweep.plan.accounting import n_regions
from cisweep.plan.checks import checked_plan, notices
from cisweep.plan.made_inputs import make_inputs
from cisweep.plan.plan import Plan
from cisweep.plan.run_config import read_model_config
from cisweep.plan.workload import passes

TRIED = 16
"""Windows that each model is tried with."""


@dataclass
class Checked:
    """What was found: lines to read, and what is wrong."""

    lines: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def add_fault(self, error: CisweepError) -> None:
        """Add a fault, or those that it lists."""
        self.faults += [str(each) for each in error.faults or (error,)]


@dataclass(frozen=True)
class _Tried:
    """What trying a model gave: how many windows a second, and what it took."""

    windows_a_second: float
    device: str
    memory_mb: float


def check(config: Path) -> Checked:
    """Return what is wrong with a run, all at once, and what each model does with real windows."""
    found, plan = Checked(), None
    data = load_configfile(str(config))
    try:
        found.lines += make_inputs(data, workflow_folder())
        plan = checked_plan(data, workflow_folder(), [config])
    except CisweepError as error:
        found.add_fault(error)
    models = dict(plan.models) if plan is not None else _readable(data)
    for name, model in models.items():
        try:
            tried = _try(plan, name, model)
        except CisweepError as error:
            found.add_fault(error)
        except Exception as error:  # what a network of the user's own may raise
            text = " ".join(str(error).split())
            found.faults.append(f"models.{name}: {type(error).__name__}: {text}")
        else:
            found.lines += _told(plan, name, model, tried)
    if plan is not None:
        found.lines += notices(plan)
    return found


def _readable(data: dict) -> dict[str, ModelConfig]:
    """Return the models whose model.yaml is right, of a config that is not."""
    given, found = data.get("models"), {}
    for name, path in given.items() if isinstance(given, dict) else ():
        try:
            text = str(path).replace("{workflow}", str(workflow_folder()), 1)
            found[str(name)] = read_model_config(text)
        except CisweepError:
            continue  # the config's faults tell it
    return found


def _try(plan: Plan | None, name: str, model: ModelConfig) -> _Tried | None:
    """Load all folds of a model and predict some windows of the run; without a plan load alone."""
    import torch

    from cisweep.analysis.prediction.windows import predict_windows
    from cisweep.models import load_model
    from cisweep.models.ensemble import Ensemble

    for fold in range(len(model.folds)):
        load_model(model, fold)
    if plan is None or not plan.chunks(name):
        return None
    windows = plan.windows(name, plan.chunks(name)[0])[0]
    windows = windows.take(np.arange(min(len(windows), TRIED)))
    if not len(windows):
        return None
    wanted = plan.config.device
    device = wanted if wanted == "cpu" or torch.cuda.is_available() else "cpu"
    ensemble = Ensemble.load(model, device)
    tokens = window_tokens(plan.source, windows.chrom, windows.start, windows.end)
    inputs = plan.inputs(name, windows)
    seconds = 0.0
    for _ in range(2):  # the first call sets up what the others use
        begin = time.perf_counter()
        predict_windows(ensemble, windows, tokens, inputs, batch_size=len(windows))
        seconds = time.perf_counter() - begin
    if device == "cpu":
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    else:
        memory = torch.cuda.max_memory_allocated() / 2**20
    return _Tried(len(windows) / seconds, device, memory)


def _told(plan: Plan | None, name: str, model: ModelConfig, tried: _Tried | None) -> list[str]:
    folds = f", {len(model.folds)} folds" if len(model.folds) > 1 else ""
    lines = [
        f"model {name}: reads {model.window_bp:,} bp{folds}; targets "
        f"{shortened(model.target_names, 20)}"
    ]
    if plan is None or tried is None:
        return [*lines, "  it loads, and gives what its model.yaml says"]
    n = n_regions(plan, name)
    # A window's prediction goes through all folds and strands, as `passes` counts them.
    once = len(model.folds) * (2 if model.rc.average else 1)
    seconds = n * passes(plan, name, n) / once / tried.windows_a_second
    lines.append(
        f"  on {tried.device}: {tried.windows_a_second:,.0f} windows a second, "
        f"{tried.memory_mb:,.0f} MB of memory; all {n:,} windows with all steps at most about "
        f"{duration(seconds)} of one {'core' if tried.device == 'cpu' else 'GPU'}"
    )
    if tried.device != plan.config.device:
        lines.append(f"  device is {plan.config.device}, and no GPU is seen here: tried on the CPU")
    return lines
