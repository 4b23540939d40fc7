"""The windows of a run's designs: centred on the rows of the step's BED, or on the run's regions.

They are as long as the longest window of the models that take part; a model with a shorter one
reads its centre. N are not looked at: a design fills them in.
"""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from cisweep.config.goal_table import ALL
from cisweep.config.target_table import nearest
from cisweep.contracts import Windows, digest
from cisweep.errors import ConfigError
from cisweep.genome.fasta import window_tokens
from cisweep.genome.motifs import load_motifs
from cisweep.genome.naming import renaming
from cisweep.genome.regions import (
    Regions,
    WindowPolicy,
    check_dropped,
    overlaps,
    read_bed,
    readable_bed,
    tiles,
    to_windows,
)
from cisweep.genome.regions import read_blacklist as read_intervals
from cisweep.plan.chunks import windows_digest
from cisweep.plan.contents import Check
from cisweep.plan.contents.motifs import refuse_wide
from cisweep.plan.fold_chroms import check_chroms
from cisweep.plan.input_files import check_intervals, check_names
from cisweep.plan.plan import Plan
from cisweep.textfile import decimal_number, read_lines, whole_number

MAX_PRIOR = 1e6
"""Largest weight of a prior; logits beyond it are infinite in a softmax of float32."""


def checks(plan: Plan) -> list[Check]:
    """Return the checks of the step's regions, motifs, and files that belong to the genome."""
    step = plan.step_config("design")
    found: list[Check] = [partial(design_chunks, plan)]
    for key in ("forbidden_motifs", "required_motifs"):
        if (path := getattr(step, key)) is not None:
            found.append(partial(_check_motifs, plan, key, path))
    if not plan.is_genome:
        return found
    for key in ("frozen", "composition"):
        if (path := getattr(step, key)) is not None:
            place = f"steps.design.{key}"
            found.append(partial(check_intervals, path, plan.source.lengths, place))
    if step.priors is not None:
        found.append(partial(_check_priors, step.priors, plan.source.lengths))
    return found


def own_regions(plan: Plan) -> Regions | None:
    """Return the rows of the step's BED, or those of the run."""
    path = plan.step_config("design").regions
    return plan.given if path is None else readable_bed(path)


def _check_motifs(plan: Plan, key: str, path: Path) -> None:
    where = f"steps.design.{key} ({path})"
    refuse_wide(load_motifs(path), design_length(plan), "the designs", where=where,
                mend="take it out of the file")  # fmt: skip


def _check_priors(path: Path, lengths: Iterable[str]) -> None:
    key = "steps.design.priors"
    check_names(dict.fromkeys(row[0] for row in read_priors(path)), lengths, path, key)


def notices(plan: Plan) -> list[str]:
    """Return a line on priors that have no effect."""
    step = plan.step_config("design")
    if step.priors is None or not plan.is_genome:
        return []
    unknown = [row[0] for row in read_priors(step.priors) if row[0] not in plan.source.lengths]
    if not unknown:
        return []
    mend = renaming(unknown, plan.source.lengths)
    names = ", ".join(list(dict.fromkeys(unknown))[:5])
    return [
        f"{step.priors}: {len(unknown)} priors lie on chromosomes that the genome lacks "
        f"({names}) and have no effect{f'; {mend}' if mend else ''}"
    ]


def check_design(plan: Plan) -> None:
    """Raise a ConfigError with every fault of the step that needs the models to be seen."""
    step, faults = plan.step_config("design"), []
    for name in design_models(plan):
        if name not in plan.models:
            faults.append(f"no model {name!r} (there are: {', '.join(plan.models)})")
        elif any(i.kind in ("bigwig", "column") for i in plan.models[name].inputs):
            faults.append(
                f"model {name} reads data beside the sequence, which an edited window lacks; "
                "declare its inputs as zeros or constants"
            )
    for goals in step.goals.values():
        for goal in goals:
            model = plan.models.get(goal.model)
            if model is not None and goal.target not in model.target_names:
                faults.append(
                    f"model {goal.model} has no target {goal.target!r}"
                    + nearest(goal.target, model.target_names)
                )
    if step.regions is None and plan.given is None:
        faults.append(
            "steps.design.regions: the run has tiles; give a BED file of what is to be designed"
        )
    if "greedy_motif" in step.baselines and plan.config.motifs is None:
        faults.append("steps.design.baselines: greedy_motif needs `motifs` (a MEME file)")
    if faults:
        raise ConfigError("; ".join(faults), where="steps.design", mend="correct the config")


def design_models(plan: Plan) -> list[str]:
    """Return the ids of the models that take part, none where the step is off."""
    step = plan.step_config("design")
    return [] if step is None else [*step.oracles, *step.judges]


def design_length(plan: Plan) -> int:
    """Return the length of the designs' windows, bp."""
    return max(plan.models[name].window_bp for name in design_models(plan))


def design_windows(plan: Plan) -> tuple[Windows, pd.DataFrame]:
    """Return the windows in genome order, and the dropped regions with reasons."""
    step, regions = plan.step_config("design"), plan.config.regions
    rows = (
        plan.given if step.regions is None else read_bed(step.regions, key="steps.design.regions")
    )
    assert rows is not None
    policy = WindowPolicy(design_length(plan), regions.edge, regions.chroms, 1.0)
    windows, dropped = to_windows(rows, plan.source.lengths, policy)
    where = str(step.regions or "regions")
    check_dropped(len(rows), dropped, regions.max_dropped, where, plan.source.lengths)
    unknown = set(step.region_goals) - {ALL} - set(windows.name) - set(dropped["name"])
    if unknown:
        raise ConfigError(
            f"no region is named {', '.join(sorted(unknown))}",
            where="steps.design.region_goals",
            mend=f"use names of {where}, such as {', '.join(list(windows.name)[:3]) or 'none'}",
        )
    aimless = [str(name) for name in windows.name if not step.goals_of(str(name))]
    if aimless:
        raise ConfigError(
            f"no goals for {len(aimless)} region(s), the first is {aimless[0]!r}",
            where="steps.design.goals_table",
            mend="give them a row each, or rows of region *",
        )
    return windows, dropped


def design_chunks(plan: Plan) -> dict[str, Windows]:
    """Return chunk → windows, made once for a plan."""
    return plan.once("design", partial(_place, plan))


def _place(plan: Plan) -> dict[str, Windows]:
    check_design(plan)
    windows = design_windows(plan)[0]
    for name in design_models(plan):
        check_chroms(name, plan.models[name], windows.chrom, "steps.design")
    return plan.layout.split(windows)


def design_key(plan: Plan, chunk: str) -> str:
    """Return a hash of a chunk's windows and of what is wanted of each."""
    windows = design_chunks(plan)[chunk]
    return digest(windows_digest(windows), [_goals_of(plan, str(name)) for name in windows.name])


def designs_key(plan: Plan) -> str:
    """Return a hash of all windows, of what is wanted of them, and of the dropped regions."""
    own = [design_key(plan, chunk) for chunk in design_chunks(plan)]
    return digest(own, design_windows(plan)[1].to_csv())


def _goals_of(plan: Plan, region: str) -> dict[str, list]:
    step = plan.step_config("design")
    return {n: [g.model_dump(mode="json") for g in step.goals[n]] for n in step.goals_of(region)}


def design_tokens(plan: Plan, windows: Windows) -> np.ndarray:
    """Return tokens (n, length) in + orientation, N beyond the ends."""
    return window_tokens(plan.source, windows.chrom, windows.start, windows.end)


def frozen_positions(plan: Plan, windows: Windows) -> np.ndarray:
    """Return bool (n, length), True where the step's BED covers a base or the sequence ends."""
    path = plan.step_config("design").frozen
    merged = {} if path is None else read_intervals([path], "steps.design.frozen")
    at = windows.start[:, None] + np.arange(design_length(plan))
    ends = np.array([plan.source.lengths[c] for c in windows.chrom], np.int64).reshape(-1, 1)
    held = (at < 0) | (at >= ends)
    for i, chrom in enumerate(windows.chrom):
        if chrom in merged:
            held[i] |= overlaps(merged[chrom], at[i], at[i] + 1)
    return held


def prior_weights(plan: Plan, windows: Windows) -> np.ndarray | None:
    """Return what the step's priors add to the logits, float32 (n, 4, length), + orientation.

    None without priors. A weight of base `*` is added to each base that is not the genome's.
    """
    path = plan.step_config("design").priors
    if path is None:
        return None
    rows = read_priors(path)
    tokens = design_tokens(plan, windows)
    weights = np.zeros((len(windows), 4, design_length(plan)), np.float32)
    for chrom, start, end, base, weight in rows:
        for i in np.flatnonzero(
            (windows.chrom == chrom) & (windows.start < end) & (windows.end > start)
        ):
            at = slice(max(start - windows.start[i], 0), end - windows.start[i])
            if base == "*":
                others = tokens[i, at] != np.arange(4)[:, None]
                weights[i, :, at] += np.where(others, weight, 0)
            else:
                weights[i, "ACGT".index(base), at] += weight
    return weights


def read_priors(path: Path) -> list[tuple[str, int, int, str, float]]:
    """Return (chrom, start, end, base, weight) of the lines of a file of priors.

    Raises ConfigError for a line that is none, and for a file without any.
    """
    rows = []
    for n, line in enumerate(read_lines(path, ConfigError), 1):
        if not line.strip() or line.startswith("#"):
            continue
        row = _prior(line.split("\t"))
        if row is None:
            raise ConfigError(
                f"{line!r} is not a prior",
                where=f"steps.design.priors, {path}, line {n}",
                mend="give chrom, start, end, base (A, C, G, T or *), weight, separated by tabs",
            )
        rows.append(row)
    if not rows:
        raise ConfigError(
            "the file has no priors",
            where=f"steps.design.priors, {path}",
            mend="give at least one, or leave steps.design.priors out",
        )
    return rows


def _prior(cells: list[str]) -> tuple[str, int, int, str, float] | None:
    """Return the prior that the cells of a line are, or None."""
    if len(cells) != 5:
        return None
    start, end, base = whole_number(cells[1]), whole_number(cells[2]), cells[3].strip().upper()
    # −∞ forbids a base.
    weight = -np.inf if cells[4].strip() == "-inf" else decimal_number(cells[4])
    if start is None or end is None or weight is None:
        return None
    fine = (
        (abs(weight) <= MAX_PRIOR or weight == -np.inf)
        and 0 <= start < end
        and base in ("A", "C", "G", "T", "*")
    )
    return (cells[0], start, end, base, weight) if fine else None


def usual_tokens(plan: Plan, windows: Windows, n: int = 512) -> np.ndarray:
    """Return windows of usual composition, tokens (at most n, length), evenly out of all.

    They are those of `composition`; without it, those of the run's BED file, or tiles of the
    chromosomes that the run takes, and, where there is no genome, the step's own `windows`.
    """
    path, length = plan.step_config("design").composition, design_length(plan)
    policy = WindowPolicy(length, chroms=plan.config.regions.chroms if path is None else ".*")
    rows = plan.given if path is None else read_bed(path, key="steps.design.composition")
    if rows is not None:
        windows = to_windows(rows, plan.source.lengths, policy)[0]
    elif plan.is_genome:
        lengths = {c: bp for c, bp in plan.source.lengths.items() if plan.wanted(c)}
        stride = max(sum(lengths.values()) // (4 * n), 1)
        parts = [tiles(c, bp, length, stride, 0, bp) for c, bp in lengths.items()]
        windows = Windows.concatenate([to_windows(p, lengths, policy)[0] for p in parts])
        tokens = design_tokens(plan, windows)
        windows = windows.take((tokens == 4).mean(1) <= policy.max_n)
    if len(windows) > n:
        windows = windows.take(np.linspace(0, len(windows) - 1, n).round().astype(np.int64))
    return design_tokens(plan, windows)
