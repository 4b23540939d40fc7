"""All that can be known to be wrong before any job: the config, and the files that it names.

The Snakefile calls `checked_plan` once, in the process that plans the run. No torch here.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from cisweep.config.import_paths import check_import
from cisweep.config.yaml_files import check_repeated_keys
from cisweep.errors import ConfigError, GenomeError, RegionError, stop_at_faults
from cisweep.plan.accounting import check_share_of, dropped_table, n_regions
from cisweep.plan.chunk_windows import usable_windows
from cisweep.plan.contents import Check, step_checks, step_notices
from cisweep.plan.disk import disk_notice
from cisweep.plan.input_files import check_source, file_checks
from cisweep.plan.plan import Plan
from cisweep.plan.run_config import needless_nulls, paths_in
from cisweep.plan.workload import chosen_notice, small_chunks

READ_BP = 20_000_000
"""Bases whose reading before any job takes about a second, or less."""


def checked_plan(data: Mapping[str, Any], root: Path, files: Iterable[Path] = ()) -> Plan:
    """Return the plan of a run, once all that it reads was looked at.

    data: the config as Snakemake has merged it; root: the workflow's folder; files: the YAML files
    that the config was read from.

    Raises a CisweepError that lists every fault: of the config, else of the files that it names.
    """
    plans: list[Plan] = []
    stop_at_faults(
        [
            *(partial(check_repeated_keys, Path(file)) for file in files),
            lambda: plans.append(Plan.from_config(data, root)),
        ]
    )
    plan = plans[0]
    missing = plan.missing_files()
    checks: list[Check] = [plan.check_inputs, partial(_check_files, plan, missing)]
    checks += [
        partial(check_import, path, f"models.{name}.{key}", model.folder)
        for name, model in plan.models.items()
        for key, path in model.import_paths().items()
    ]
    checks += [partial(_check_names, plan), partial(_check_lengths, plan)]
    checks += [partial(_check_n, plan, model) for model in plan.models]
    checks += step_checks(plan)
    stop_at_faults(checks, told=missing)
    return plan


def notices(plan: Plan) -> list[str]:
    """Return lines of what a run takes, and of what is odd in it and may be meant so."""
    sizes = [chosen_notice(plan), *(small_chunks(plan, model) for model in plan.models)]
    lines = [*needless_nulls(plan.config), *(line for line in sizes if line is not None)]
    return [disk_notice(plan), *lines, *step_notices(plan)]


def _check_files(plan: Plan, missing: Iterable[tuple[str, Path]]) -> None:
    stop_at_faults(file_checks(plan), told=missing)


def _check_names(plan: Plan) -> None:
    """Raise a ConfigError for each file whose name Snakemake would read as a pattern."""
    named = [*paths_in(plan.config)]
    named += [(f"models.{name}", p) for name, model in plan.models.items() for p in model.files()]
    stop_at_faults(partial(_refuse_braces, key, path) for key, path in named if "{" in str(path))


def _refuse_braces(key: str, path: Path) -> None:
    raise ConfigError(
        f"{path} has a brace, and Snakemake takes text in braces for a wildcard",
        where=key,
        mend="rename the file or folder, or link to it by another name (ln -s)",
    )


def _check_lengths(plan: Plan) -> None:
    """Raise a GenomeError for sequences without a base, or tiles of which none fits."""
    files = plan.source_files
    lengths = {name: bp for name, bp in plan.source.lengths.items() if plan.wanted(name)}
    if empty := [name for name, bp in lengths.items() if not bp]:
        raise GenomeError(
            f"sequence {empty[0]!r} has no bases"
            + (f" ({len(empty)} such sequences)" if len(empty) > 1 else ""),
            where=files[0],
            mend="take it out of the file" + (", or of regions.chroms" if plan.is_genome else ""),
        )
    if plan.config.regions.edge == "pad" or plan.given is not None:
        return
    for name, model in plan.models.items():
        if lengths and max(lengths.values()) < model.window_bp:
            raise RegionError(
                f"the longest chromosome of the run has {max(lengths.values())} bp, and a "
                f"window of model {name} {model.window_bp} bp: every tile leaves its chromosome",
                where="regions.tile",
                mend="set regions.edge: pad, or use another model or genome",
            )


def _check_n(plan: Plan, model: str) -> None:
    """Raise a RegionError if too many of a model's regions are dropped, those for their N counted.

    Their bases are read as the jobs read them, where that is little: up to READ_BP. Of larger runs
    the job behind the sweep, `dropped_regions`, says it.
    """
    step = plan.first_map_step
    if step is None or _bases_to_read(plan, model) > READ_BP:
        return
    # What they find is told once; here it means that there is nothing to read.
    plan.check_regions(model)
    check_source(plan)
    parts = [usable_windows(plan, model, chunk).dropped for chunk in plan.chunks(model)]
    parts = [part.assign(step=step, model=model) for part in parts]
    check_share_of(plan, model, dropped_table(plan, parts))


def _bases_to_read(plan: Plan, model: str) -> int:
    """Return as how many bases the reading of all windows of a model counts, at most."""
    n, source = n_regions(plan, model), plan.source
    return n * plan.models[model].window_bp + min(n * source.read_bp, sum(source.lengths.values()))
