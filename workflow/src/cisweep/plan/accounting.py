"""Every region that was dropped, by whom and why; and whether too many were."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cisweep.genome.regions import DROPPED_COLUMNS, check_dropped, n_tiles
from cisweep.plan.contents import dropped_files
from cisweep.textfile import n_lines

if TYPE_CHECKING:
    from cisweep.plan.plan import Plan

COLUMNS = ["step", "model", *DROPPED_COLUMNS]
SMALL_BP = 20_000_000
"""Bases of windows whose merged products are read or written within some seconds."""


def region_tables(plan: "Plan") -> list[str]:
    """Return the chunks' tables of dropped regions: those of the run, then those of steps."""
    first = plan.first_map_step
    steps = [*([] if first is None else [first]), *plan.steps_that_drop("own_regions")]
    return [path for step in steps for path in dropped_files(plan, step)]


def item_tables(plan: "Plan") -> list[str]:
    """Return the tables of what was dropped and is no region, which may be long."""
    steps = plan.steps_that_drop("items")
    return [path for step in steps for path in dropped_files(plan, step)]


def swept_by(plan: "Plan") -> list[str]:
    """Return the names in the column `step` of the rows that are regions of the run."""
    return ["plan", *([] if plan.first_map_step is None else [plan.first_map_step])]


def dropped_table(plan: "Plan", parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Return all dropped regions: those of the plan and those of the chunk jobs.

    By model, in genome order, the regions that are a step's own after the run's.
    """
    planned = [plan.dropped(m).assign(step="plan", model=m) for m in plan.models]
    tables = [t for t in (*planned, *parts) if len(t)]
    if not tables:
        return pd.DataFrame(columns=COLUMNS)
    table = pd.concat(tables, ignore_index=True)[COLUMNS]
    keys = ("reason", "strand", "start")
    order = np.lexsort((*(table[k] for k in keys), *reversed(sort_keys(plan, table))))
    return table.iloc[order].reset_index(drop=True)


def sort_keys(plan: "Plan", table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (n,) of dropped rows: the number of the model; is it a step's own and no region of the
    run; and the place of the chromosome, in the order in which they are sorted."""
    rank = {name: i for i, name in enumerate(plan.source.lengths)}
    place = table["chrom"].map(lambda c: rank.get(c, len(rank))).to_numpy()
    model = table["model"].map({m: i for i, m in enumerate(plan.models)}).to_numpy()
    return model, ~table["step"].isin(swept_by(plan)).to_numpy(), place


def n_regions(plan: "Plan", model: str) -> int:
    """Return how many regions the user gave, or how many tiles the genome has."""
    if plan.given is not None:
        return len(plan.given)
    tile, window = plan.config.regions.tile, plan.models[model].window_bp
    wanted = (bp for name, bp in plan.source.lengths.items() if plan.wanted(name))
    parts = [part for bp in wanted if (part := tile.part(0, bp))]
    return sum(
        n_tiles(high, window, tile.stride_bp) - n_tiles(low, window, tile.stride_bp)
        for low, high in parts
    )


def n_regions_at_most(plan: "Plan", model: str) -> int:
    """Return a number that n_regions does not exceed: of a BED its lines, counted without reading
    its rows, so that jobs of tracks and tables need not."""
    bed = plan.config.regions.bed
    return n_regions(plan, model) if bed is None or not plan.is_genome else n_lines(bed)


def too_many(plan: "Plan", model: str, n: int) -> bool:
    """Are n dropped regions of a model more than the run allows, or all of its regions?"""
    given = n_regions(plan, model)
    return n > 0 and given > 0 and (n >= given or n / given > plan.config.regions.max_dropped)


def is_small(plan: "Plan") -> bool:
    """Are the merged products of a run small, so that a job behind the merges takes seconds?

    As guessed from its regions and the windows of its models; what is no region (variants, pairs,
    designs) is not counted.
    """
    bases = (n_regions(plan, name) * model.window_bp for name, model in plan.models.items())
    return sum(bases) <= SMALL_BP and not plan.steps_that_drop("items")


def check_share(plan: "Plan", table: pd.DataFrame) -> None:
    """Raise RegionError if more than max_dropped of a model's regions were dropped.

    Only the steps that sweep the run's regions count; others have their own.
    """
    for model in plan.models:
        check_share_of(plan, model, table)


def check_share_of(plan: "Plan", model: str, table: pd.DataFrame) -> None:
    """As check_share, for one model."""
    rows = table[table["step"].isin(swept_by(plan)) & (table["model"] == model)]
    limit = plan.config.regions.max_dropped
    check_dropped(n_regions(plan, model), rows, limit, f"regions of model {model}")
