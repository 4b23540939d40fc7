"""discover: the motifs that one target's attributions form, named and drawn."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cisweep.analysis.motifs.discover import (
    DiscoveryOptions,
    discover_motifs,
    found_table,
    patterns_to_motifs,
    trim,
    write_meme,
)
from cisweep.analysis.seqlets.names import NameRules
from cisweep.genome.motifs import load_motifs
from cisweep.outputs.attributions import read_hypothetical
from cisweep.outputs.h5 import open_rows, read_windows
from cisweep.outputs.tables import write_product
from cisweep.plan.contents.backgrounds import sample_order
from cisweep.plot.discovered import FoundLogo, save_found_logos
from cisweep.products.discover import FOUND, SEQLETS
from cisweep.scope import TargetScope
from cisweep.steps.discover import DiscoverConfig


@dataclass(frozen=True)
class DiscoverProducts:
    """tf-modiscolite's H5; counts of seqlets, TSV; motifs, MEME; their names, TSV; logos, SVG."""

    h5: Path
    seqlets: Path
    meme: Path
    table: Path
    figure: Path


def discover(of: TargetScope, attributions: Path, out: DiscoverProducts) -> None:
    """Find the motifs that one target's merged attributions form; name and draw them.

    Raises MotifError or ConfigError as `discover_motifs` does.
    """
    step, seed = of.plan.step_config("discover"), of.plan.config.seed
    with open_rows(attributions) as file:
        windows = read_windows(file)
    # In an order without meaning, so that the seqlets that are kept come from everywhere.
    rows = sample_order(windows, seed)[: step.max_regions]
    options = _options(step)
    one_hot, hypothetical = read_hypothetical(attributions, of.target, rows, options.read_bp)
    found = discover_motifs(one_hot, hypothetical, out.h5, options, rows, windows.take(rows))
    patterns, motifs = found.patterns, patterns_to_motifs(found.patterns)
    print(f"{len(rows)} of {len(windows)} regions, {len(motifs)} motifs")
    _say(found.seqlets, step.window_bp)
    write_product(found.seqlets, out.seqlets, SEQLETS)
    write_meme(motifs, out.meme)
    rules = NameRules(step.name_rate, step.nearest, seed, of.threads)
    table = found_table(patterns, load_motifs(of.plan.config.motifs), one_hot, rules)
    if len(table):
        print(table.to_string(index=False))
    write_product(table, out.table, FOUND)
    titles = [_title(row) for row in table.itertuples()]
    contributions = [np.asarray(p.contributions[:, trim(p)]) for p in patterns]
    pwms = [m.pwm for m in motifs]
    save_found_logos([FoundLogo(*x) for x in zip(titles, pwms, contributions)], out.figure)


def _options(step: DiscoverConfig) -> DiscoveryOptions:
    return DiscoveryOptions(
        window_bp=step.window_bp,
        target_fdr=step.target_fdr,
        min_seqlets=step.min_seqlets,
        max_seqlets=step.max_seqlets,
        max_sequences=step.max_regions,
        n_leiden_runs=step.n_leiden_runs,
    )


def _say(seqlets: pd.DataFrame, window_bp: int) -> None:
    """Tell how many seqlets of each sign were found, clustered and used."""
    for row in seqlets.itertuples():
        why = f" ({row.note})" if row.note else ""
        print(
            f"{row.sign} attribution: {row.found} seqlets in the central {window_bp} bp "
            f"({row.repeated} more at places that belong to other windows), {row.clustered} "
            f"clustered, {row.in_motifs} of them in {row.motifs} motifs{why}"
        )


def _title(row: Any) -> str:
    named = f"{row.motif} {row.motif_id}" if row.motif else "no known motif"
    return f"{row.pattern} ({row.n_seqlets} seqlets), {named}"
