"""discover: the motifs that one target's attributions form, named and drawn; those of all targets
as one set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cisweep.analysis.motifs.clusters import (
    Found,
    cluster_patterns,
    cluster_table,
    member_table,
    target_table,
)
from cisweep.analysis.motifs.discover import (
    DiscoveryOptions,
    discover_motifs,
    found_table,
    patterns_to_motifs,
    read_patterns,
    trim,
    write_meme,
)
from cisweep.analysis.motifs.instances import pattern_instances
from cisweep.analysis.seqlets.names import NameRules
from cisweep.genome.motifs import Motif, load_motifs
from cisweep.outputs.attributions import read_hypothetical
from cisweep.outputs.pairs import windows_of_target
from cisweep.outputs.tables import (
    BED6,
    arrow_schema,
    bed_scores,
    read_parquet,
    read_tsv,
    write_bed,
    write_parquet,
    write_product,
)
from cisweep.plan.contents.backgrounds import sample_order
from cisweep.plot.discovered import FoundLogo, save_found_logos
from cisweep.plot.motif_clusters import save_cluster_map
from cisweep.products.discover import (
    CLUSTER_TARGETS,
    CLUSTERS,
    FOUND,
    INSTANCES,
    MEMBERS,
    SEQLETS,
)
from cisweep.scope import ModelScope, RunScope, TargetScope
from cisweep.steps.discover import DiscoverConfig, discovered


@dataclass(frozen=True)
class DiscoverProducts:
    """tf-modiscolite's H5; counts of seqlets, TSV; motifs, MEME; their names, TSV; logos, SVG;
    places of the seqlets, Parquet and BED."""

    h5: Path
    seqlets: Path
    meme: Path
    table: Path
    figure: Path
    instances: Path
    bed: Path


def discover(of: ModelScope, attributions: Path, out: Mapping[str, DiscoverProducts]) -> None:
    """Find the motifs of some targets; out: their names in files -> where all is written.

    Raises MotifError or ConfigError as `discover_motifs` does.
    """
    for file_name, products in out.items():
        discover_target(of.of_target(file_name), attributions, products)


def discover_target(of: TargetScope, attributions: Path, out: DiscoverProducts) -> None:
    """Find the motifs that one target's merged attributions form; name and draw them.

    Raises MotifError or ConfigError as `discover_motifs` does.
    """
    step, seed = of.plan.step_config("discover"), of.plan.config.seed
    windows = windows_of_target(attributions, of.target)
    # In an order without meaning, so that the seqlets that are kept come from everywhere.
    rows = sample_order(windows, seed)[: step.max_regions]
    options = _options(step)
    one_hot, hypothetical = read_hypothetical(attributions, of.target, rows, options.read_bp)
    found = discover_motifs(one_hot, hypothetical, out.h5, options, rows, windows.take(rows))
    patterns, motifs = found.patterns, patterns_to_motifs(found.patterns)
    print(f"{of.target}: {len(rows)} of {len(windows)} regions, {len(motifs)} motifs")
    _say(found.seqlets, step.window_bp)
    write_product(found.seqlets, out.seqlets, SEQLETS)
    write_meme(motifs, out.meme)
    rules = NameRules(step.name_rate, step.nearest, seed, of.threads)
    table = found_table(patterns, load_motifs(of.plan.config.motifs), one_hot, rules)
    if len(table):
        print(table.to_string(index=False))
    write_product(table, out.table, FOUND)
    projected = (one_hot * hypothetical).sum(axis=1)
    window = options.searched(projected.shape[1])
    instances = pattern_instances(out.h5, patterns, windows, rows, projected, window)
    _write_instances(of, instances, table, out)
    titles = [_title(row) for row in table.itertuples()]
    contributions = [np.asarray(p.contributions[:, trim(p)]) for p in patterns]
    pwms = [m.pwm for m in motifs]
    save_found_logos([FoundLogo(*x) for x in zip(titles, pwms, contributions)], out.figure)


def _write_instances(
    of: TargetScope, instances: pd.DataFrame, table: pd.DataFrame, out: DiscoverProducts
) -> None:
    """Write the places of the seqlets; in the BED their motif has its known name behind it."""
    write_parquet(instances, out.instances, arrow_schema(INSTANCES), of.origin)
    named = {row.pattern: f"{row.pattern}:{row.motif}" for row in table.itertuples() if row.motif}
    pattern = instances["pattern"]
    bed = instances.assign(
        name=pattern.map(named).fillna(pattern),
        score=bed_scores(instances["attribution"].abs(), pd.Series("", pattern.index), low=0.0),
    )
    write_bed(bed, out.bed, BED6)


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


@dataclass(frozen=True)
class FoundParts:
    """Products of `discover` for each (model, target) of `steps.discover.discovered`."""

    h5: Sequence[Path]
    tables: Sequence[Path]
    instances: Sequence[Path]
    seqlets: Sequence[Path]


@dataclass(frozen=True)
class ClusterProducts:
    """Clusters, their members, what targets make of them, TSV; mean matrices, MEME; heat map."""

    clusters: Path
    members: Path
    targets: Path
    meme: Path
    figure: Path


def discover_clusters(of: RunScope, parts: FoundParts, out: ClusterProducts) -> None:
    """Join the motifs that were found for the targets of all models, and draw who uses which."""
    step = of.plan.step_config("discover")
    pairs = discovered(step, of.plan.models)
    files = zip(parts.h5, parts.tables, parts.instances, parts.seqlets)
    found = [_found(*pair, *four) for pair, four in zip(pairs, files, strict=True)]
    patterns = [p for f in found for p in f.patterns]
    clusters = cluster_patterns(patterns, step.cluster_similarity)
    table = cluster_table(found, clusters)
    uses = target_table(found, clusters, of.plan.config.seed)
    print(f"{len(patterns)} motifs of {len(found)} targets in {len(table)} clusters")
    write_product(table, out.clusters, CLUSTERS)
    write_product(member_table(found, clusters), out.members, MEMBERS)
    write_product(uses, out.targets, CLUSTER_TARGETS)
    named = zip(table["cluster"], clusters.probabilities, table["motif"], table["n_seqlets"])
    write_meme([Motif(i, name or "", pwm, n) for i, pwm, name, n in named], out.meme)
    _save_map(of, table, uses, pairs, clusters.probabilities, out.figure)


def _found(model: str, target: str, h5: Path, table: Path, instances: Path, seqlets: Path) -> Found:
    """Return what the job of one target left."""
    patterns = read_patterns(h5)
    names = read_tsv(table).set_index("pattern")["motif"]
    signs = read_tsv(seqlets).set_index("sign")
    return Found(
        model,
        target,
        patterns,
        [names[p.name] if isinstance(names[p.name], str) else None for p in patterns],
        read_parquet(instances).to_pandas(),
        int(signs["windows"].iloc[0]),
        signs["window_attribution"].to_dict(),
        signs["window_attribution_sd"].to_dict(),
    )


def _save_map(
    of: RunScope,
    table: pd.DataFrame,
    uses: pd.DataFrame,
    pairs: list[tuple[str, str]],
    matrices: list[np.ndarray],
    path: Path,
) -> None:
    """Draw the signed share of attribution of each cluster and target; where a target has more
    seqlets than its deal (q < 0.05) there is a point."""
    one = len({model for model, _ in pairs}) == 1
    row = {cluster: i for i, cluster in enumerate(table["cluster"])}
    column = {pair: i for i, pair in enumerate(pairs)}
    values, stars = np.zeros((len(row), len(pairs))), np.zeros((len(row), len(pairs)), bool)
    for use in uses.itertuples():
        at = row[use.cluster], column[use.model, use.target]
        values[at] += np.nan_to_num(use.share) * (1 if use.sign == "+" else -1)
        stars[at] |= use.q_value < 0.05
    labels = [motif or consensus for motif, consensus in zip(table["motif"], table["consensus"])]
    names = [target if one else f"{model} {target}" for model, target in pairs]
    save_cluster_map(values, stars, matrices, labels, names, path)
