"""`cisweep estimate`: a run on paper, from its plan and a short calibration on its own models."""

import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from snakemake.common.configfile import load_configfile

from cisweep.cli.calibrating import Speed, calibrated, start_seconds
from cisweep.cli.folder import workflow_folder
from cisweep.cli.progress import duration
from cisweep.cli.running import snakemake_command
from cisweep.errors import ConfigError
from cisweep.plan.accounting import n_regions
from cisweep.plan.checks import checked_plan, notices
from cisweep.plan.contents.null_stretches import NullStretches
from cisweep.plan.disk import disk_notice
from cisweep.plan.made_inputs import make_inputs
from cisweep.plan.plan import Plan
from cisweep.plan.workload import measured_chunk_bp

LIGHT = "cisweep.job, cisweep.outputs.h5, cisweep.outputs.tables"
HEAVY = f"{LIGHT}, torch, cisweep.models.ensemble, cisweep.analysis.prediction.windows"
"""What jobs import, without and with a network."""

SCANNED = 1.6e-8
"""Seconds that a base and a motif take in a scan, its copies and counts with it, on one core."""
READ = 2e-5
"""Seconds that a base of an attributed window takes for each target in all that reads it: merge,
track, export, seqlets, on one core."""
PAGE_SECONDS = 10.0
"""Seconds that the page takes beyond the start of its job."""


@dataclass
class Jobs:
    """What Snakemake would run: number of jobs and memory (MB) of each rule, and which ask for a
    device."""

    counts: Counter[str] = field(default_factory=Counter)
    mem_mb: dict[str, int] = field(default_factory=dict)
    on_device: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, config: Path) -> "Jobs":
        """Return all jobs of a run, finished ones too; raises ConfigError if it has no plan."""
        options = ["--dry-run", "--forceall", "--nolock", "--cores", "1"]
        command = snakemake_command(config, options, verbose=True)
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise ConfigError(
                "the run cannot be planned", where=str(config), mend=done.stderr[-2000:].strip()
            )
        return cls.read([*done.stdout.splitlines(), *done.stderr.splitlines()])

    @classmethod
    def read(cls, lines: Iterable[str]) -> "Jobs":
        """Return the jobs that a dry run lists."""
        found, rule = cls(), ""
        for line in lines:
            if begins := re.match(r"(?:local)?(?:rule|checkpoint) (\w+):", line):
                rule = begins[1]
                found.counts[rule] += rule != "all"
            elif rule and line.startswith("    resources: "):
                given = dict(re.findall(r"(\w+)=(\d+)", line))
                if "mem_mb" in given:
                    found.mem_mb[rule] = int(given["mem_mb"])
                if "gpu" in given:
                    found.on_device.add(rule)
        found.counts = +found.counts
        return found

    @property
    def n(self) -> int:
        """Number of all jobs."""
        return sum(self.counts.values())

    @property
    def n_on_device(self) -> int:
        """Number of those that load a network."""
        return sum(self.counts[rule] for rule in self.on_device | {"prepare"})


@dataclass(frozen=True)
class Work:
    """Seconds of one model's steps: on its device, and beside it on one core."""

    device: dict[str, float]
    cores: dict[str, float]
    n_selected: int


def work(plan: Plan, name: str, speed: Speed) -> Work:
    """Return the work of a model's steps, at the speed that was measured."""
    from cisweep.analysis.seqlets.fdr import NullSize

    model, n = plan.models[name], n_regions(plan, name)
    device, cores, left = {}, {}, float(n)
    once = len(model.folds) * (2 if model.rc.average else 1)
    for step_name, step in plan.steps.items():
        own = plan.step_config(step_name)
        if step_name == "predict":
            device["predict"] = n * speed.predicted
        elif step_name == "select":
            null = NullStretches(plan, name)
            n_null = null.draws * min(null.n_windows, own.null_windows)
            device["select"] = n_null * speed.shuffled
            # Of a sample without any there may be some.
            left = max(min(n * speed.share, n * step.share(own, model, n)), 1.0)
        elif step_name == "attribute":
            device["attribute"] = left * speed.attributed
            cores["attribute"] = left * model.window_bp * speed.targets * READ
        elif step_name == "seqlets":
            n_targets = len(model.targets)
            of_target = round(left * speed.targets / n_targets)
            size = NullSize.of(of_target, own.fdr, own.null_windows, n_targets)
            device["seqlets"] = left * size.fraction * size.draws * speed.attributed
        elif step_name == "hits":
            all_bp = sum(bp for c, bp in plan.source.lengths.items() if plan.wanted(c))
            bases = all_bp if own.over == "sweep" else min(left * model.window_bp, all_bp)
            cores["hits"] = bases * len(plan.known_motifs) * SCANNED
        elif times := step.passes(own, model, plan.is_on("select")):
            device[step_name] = left * times * speed.predicted / once
    return Work(device, cores, round(left))


def estimate(config: Path) -> Iterator[str]:
    """Yield lines: jobs, work, memory and disk of a run, and the chunk size that fits it.

    Some windows of the run are predicted, shuffled and explained for it, on its device. Raises a
    CisweepError with every fault of the config and its files.
    """
    data = load_configfile(str(config))
    yield from make_inputs(data, workflow_folder())
    plan = checked_plan(data, workflow_folder(), [config])
    jobs = Jobs.of(config)
    own = PAGE_SECONDS if plan.is_on("report") else 0.0
    heavy, light = start_seconds(HEAVY), start_seconds(LIGHT)
    own += jobs.n_on_device * heavy + (jobs.n - jobs.n_on_device) * light
    on_gpu, longest, shares = 0.0, 0.0, {}
    for name in plan.models:
        # What the jobs say of their progress is not asked for here.
        with redirect_stderr(StringIO()):
            speed = calibrated(plan, name)
        found = work(plan, name, speed)
        yield from _told(plan, name, speed, found)
        shares[name] = found.n_selected / max(n_regions(plan, name), 1)
        seconds = sum(found.device.values())
        on_gpu += seconds if speed.device != "cpu" else 0
        own += sum(found.cores.values()) + (seconds if speed.device == "cpu" else 0)
        longest = max(longest, *found.device.values(), 0.0)
    mb = max(jobs.mem_mb.items(), key=lambda item: item[1], default=("none", 0))
    yield f"jobs: {jobs.n:,}, of which {jobs.n_on_device:,} load a network"
    yield f"work: {_hours(own)} of CPU" + (f", {_hours(on_gpu)} of GPU" if on_gpu else "")
    yield f"memory: at most {mb[1]:,} MB a job ({mb[0]}), as its rule asks for"
    yield disk_notice(plan, shares)
    bp = measured_chunk_bp(plan, longest)
    yield f"chunk_bp: {bp:,} is suggested (it is {plan.chunk_bp:,})"
    # The disk was told.
    yield from notices(plan)[1:]


def _told(plan: Plan, name: str, speed: Speed, found: Work) -> Iterator[str]:
    n, parts = n_regions(plan, name), {**found.device}
    for step, seconds in found.cores.items():
        parts[step] = parts.get(step, 0.0) + seconds
    text = ", ".join(f"{step} {duration(seconds)}" for step, seconds in parts.items())
    selected = f", about {found.n_selected:,} selected" if plan.is_on("select") else ""
    yield (
        f"model {name} on {speed.device}: {n:,} windows of {plan.models[name].window_bp:,} bp"
        f"{selected}; {text or 'no work'}"
    )


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.3g} h ({seconds:,.0f} s)"
