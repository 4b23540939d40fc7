"""hits: where the motifs match, what each match contributes, and which motifs matter."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cisweep.analysis.motifs.chunk import ChunkCounts, Scan, hits_of_chunk, scan_options
from cisweep.analysis.motifs.copies import prepare_copies
from cisweep.analysis.motifs.families import motif_families
from cisweep.analysis.motifs.family_targets import ExplainedTarget, family_target_table, owned_sums
from cisweep.analysis.motifs.gather import HitGather
from cisweep.analysis.motifs.hits import HitSums
from cisweep.analysis.motifs.null_sample import NullSample
from cisweep.analysis.motifs.pieces import Axis, owned_intervals
from cisweep.analysis.motifs.qvalues import cell_qvalues
from cisweep.analysis.motifs.score_distribution import prepare_motifs
from cisweep.analysis.motifs.tracks import Attributed
from cisweep.analysis.seqlets.places import Owned
from cisweep.contracts import Windows
from cisweep.genome.fasta import window_tokens, word_counts
from cisweep.genome.motifs import Motif
from cisweep.genome.regions import drop_n, merge_intervals
from cisweep.jobs.attribute import wanted_pairs
from cisweep.outputs.attributions import AttributionParts
from cisweep.outputs.h5 import read_windows
from cisweep.outputs.hits import append_bed, chunk_schema, save_counts, schema
from cisweep.outputs.pairs import open_pairs, pair_blocks, rows_of
from cisweep.outputs.tables import ParquetWriter, open_parquet, write_dropped, write_product
from cisweep.parts import read_arrays, read_json
from cisweep.plan.chunk_windows import read_peaks
from cisweep.plan.chunks import chunk_index
from cisweep.plan.contents.motifs import scanned_motifs
from cisweep.plot.motif_clusters import save_cluster_map
from cisweep.products.hits import FAMILIES, MOTIF_TARGETS, RANKING
from cisweep.scope import ChunkScope, ModelScope, RunScope
from cisweep.steps.hits import DRIVES

ROWS_AT_ONCE = 16384
"""Hits that the gather holds at once, about."""
N_AT_ONCE = 4096
"""Windows whose N are counted at once."""


def hits_background(of: RunScope, counts: Path) -> None:
    """Count the bases and dinucleotides of the whole source, block by block; writes a JSON."""
    bases, dinucleotides = word_counts(of.plan.source)
    print(f"A C G T N: {bases}")
    found = dict(zip("ACGTN", bases)) | {"dinucleotides": dinucleotides}
    counts.write_text(json.dumps(found) + "\n")


def hits_null_size(
    of: ModelScope, peaks: Iterable[Path], chunks: Iterable[Path], null_size: Path
) -> None:
    """Say in which share of the explained bases the column-shuffled copies are looked for.

    It follows from the target with the fewest. peaks: peaks.bed, whose bases are counted, each
    once; chunks: the attributions of all chunks,
    where nothing was selected. Writes the fields of `NullSample` as JSON.
    """
    axis, n_bp = Axis(tuple(of.plan.source.lengths)), []
    targets = of.config.target_names
    starts: list[list[np.ndarray]] = [[] for _ in targets]
    width = of.config.window_bp
    for path in peaks:
        windows = read_peaks(path)
        wanted, begin = wanted_pairs(of, windows), axis.begins(windows.chrom) + windows.start
        for parts, asked in zip(starts, wanted.T):
            parts.append(begin[asked])
    for path in chunks:
        with open_pairs(path) as file:
            windows = read_windows(file)
            begin = axis.begins(windows.chrom) + windows.start
            for target, parts in zip(targets, starts):
                parts.append(begin[rows_of(file, target)])
    for parts in starts:
        begin = np.concatenate(parts) if parts else np.empty(0, np.int64)
        merged = merge_intervals(begin, begin + width)
        n_bp.append(int((merged[:, 1] - merged[:, 0]).sum()))
    # Each target that is explained anywhere has to see enough matches.
    n = min((n for n in n_bp if n), default=0)
    sample = NullSample.of(n, of.plan.step_config("hits").threshold, of.plan.config.seed)
    print(
        f"at least {n} bases of a target: column-shuffled motifs are looked for in a share of "
        f"{sample.fraction}"
    )
    null_size.write_text(json.dumps(asdict(sample), sort_keys=True) + "\n")


def _sample(null_size: Path | None) -> NullSample:
    """Return the sample that `hits_null_size` wrote, all places without it."""
    return NullSample(**read_json(null_size)) if null_size else NullSample(1.0)


@dataclass(frozen=True)
class HitInputs:
    """What `hits_chunk` reads.

    counts: JSON of `hits_background`. null_size: JSON of `hits_null_size`, where there are
    attributions. attributions: those of the chunk and of the chunks beside
    it, none where nothing is attributed. peaks: peaks.bed, if they are scanned without
    attributions.
    """

    counts: Path
    attributions: Sequence[Path] = ()
    peaks: Path | None = None
    null_size: Path | None = None


def hits_chunk(of: ChunkScope, given: HitInputs, table: Path, counts: Path, dropped: Path) -> None:
    """Scan the intervals whose hits start in one chunk.

    Writes the hits as Parquet (outputs/hits.py); counts: npz of what q-values and the null of the
    ranking are taken from; dropped: TSV of the regions that have no window, with reasons.
    """
    plan = of.plan
    own, gone = _usable(of, of.chunk)
    write_dropped(gone, "hits", of.model, dropped)
    with ExitStack() as stack:
        attributed = None
        if given.attributions:
            parts = stack.enter_context(AttributionParts(given.attributions))
            letters = parts.hypothetical if parts.has_hypothetical else None
            of_targets = {target: parts.windows(target) for target in parts.targets}
            attributed = Attributed(of_targets, parts.projected, letters)
        scan, windows = _scan_of(of, given), _scanned_windows(of, own, attributed, given.peaks)
        targets = list(attributed.targets) if attributed else []
        sums, n = ChunkCounts.zeros(scan, targets), 0
        stretches = plan.layout.stretches(chunk_index(of.chunk))
        intervals = owned_intervals(windows, stretches, plan.source.lengths)
        found = hits_of_chunk(scan, plan.source, intervals, attributed, sums, n_threads=of.threads)
        writer = stack.enter_context(ParquetWriter(table, chunk_schema(targets), of.origin))
        for rows in found:
            writer.append(rows)
            n += len(rows)
    print(f"{n} hits")
    save_counts(counts, sums.cells, sums.n_tests, sums.null)


def _scan_of(of: ChunkScope, given: HitInputs) -> Scan:
    """Return the run's motifs, and their copies where there is something to rank them by."""
    step, config = of.plan.step_config("hits"), of.plan.config
    motifs, options = scanned_motifs(of.plan).motifs, scan_options(step, given.counts)
    model, null = prepare_motifs(motifs, **options), None
    if given.attributions:
        null = prepare_copies(motifs, model, step.null_copies, config.seed, options)
    return Scan(motifs, model, null, _sample(given.null_size))


def _scanned_windows(
    of: ChunkScope, own: Windows, attributed: Attributed | None, peaks: Path | None
) -> Windows:
    """Return the windows that are scanned: what was explained, peaks, or all near the chunk.

    own: the chunk's windows.
    """
    regions = of.plan.step_config("hits").over == "regions"
    if regions and attributed:
        return attributed.all_windows
    if regions and peaks is not None:
        return read_peaks(peaks)
    near = of.plan.neighbours(of.model, of.chunk)
    return Windows.concatenate([own if c == of.chunk else _usable(of, c)[0] for c in near])


def _usable(of: ChunkScope, chunk: str) -> tuple[Windows, pd.DataFrame]:
    """Return a chunk's windows without those that have too many N, and the dropped rows.

    As `usable_windows`, whose tokens a scan does not need: of a large chunk they are most of it.
    """
    windows, dropped = of.plan.windows(of.model, chunk)
    kept, gone = [windows.take(slice(0, 0))], [dropped]
    for rows in windows.blocks(N_AT_ONCE):
        part = windows.take(rows)
        tokens = window_tokens(of.plan.source, part.chrom, part.start, part.end)
        few, _, many = drop_n(part, tokens, of.plan.config.regions.max_n)
        kept.append(few)
        gone.append(many)
    tables = [table for table in gone if len(table)]
    return Windows.concatenate(kept), pd.concat(tables, ignore_index=True) if tables else dropped


@dataclass(frozen=True)
class HitParts:
    """What `hits` joins: JSON of `hits_background`; the hits and the counts of all chunks; where
    there are attributions, JSON of `hits_null_size` and the merged attributions."""

    base_counts: Path
    chunks: Sequence[Path]
    counts: Sequence[Path]
    null_size: Path | None = None
    attributions: Path | None = None


@dataclass(frozen=True)
class HitTables:
    """What `hits` writes: all hits as Parquet; those that win their place as BED; what drives each
    target, as TSV, by motif and by family (outputs/hits.py, analysis/motifs/ranking.py); what each
    target makes of each family, as TSV and as a figure (analysis/motifs/family_targets.py)."""

    table: Path
    bed: Path
    ranking: Path
    families: Path
    matrix: Path
    figure: Path


def added_counts(parts: Iterable[Path], targets: Sequence[str]) -> ChunkCounts:
    """Return the counts of all chunks (at least one), of which one is held at a time."""
    merged = None
    for path in parts:
        arrays = read_arrays(path)
        null = {t: HitSums(arrays[f"null_count_{t}"], arrays[f"null_total_{t}"]) for t in targets}
        part = ChunkCounts(arrays["cell_counts"], arrays["n_tests"], null)
        merged = part if merged is None else merged.plus(part)
    assert merged is not None  # the plan has a chunk
    return merged


def hits(of: ModelScope, given: HitParts, out: HitTables) -> None:
    """Merge the hits of all chunks; give q-values; rank families and motifs of each target."""
    plan, step = of.plan, of.plan.step_config("hits")
    scanned = scanned_motifs(plan)
    motifs = scanned.motifs
    model = prepare_motifs(motifs, **scan_options(step, given.base_counts))
    targets = of.config.target_names if plan.is_on("attribute") else []
    counted = added_counts(given.counts, targets)
    q_values = cell_qvalues(model, counted.cells, counted.n_tests)
    units = {t.name: t.scale for t in of.config.targets}
    gather = HitGather(motifs, q_values, targets, units)
    n = 0
    with ParquetWriter(out.table, schema(targets), of.origin) as writer:
        for rows in gather.rows(_blocks(given.chunks)):
            writer.append(rows[schema(targets).names])
            n += len(rows)
    shown = 0
    # Scores are shares of the largest effect, which is known once all have been seen.
    blocks = _blocks([out.table])
    some = step.over == "sweep" and step.bed == "selected"
    with open(out.bed, "w") as handle:
        for rows in gather.winners(gather.selected(blocks) if some else blocks):
            append_bed(rows, handle)
            shown += len(rows)
    if some:
        print("hits.bed has matches in explained windows alone; steps.hits.bed: all adds the rest")
    print(f"{n} hits of {len(motifs)} motifs, {shown} of which win their place")
    share = _sample(given.null_size).fraction
    families = motif_families(motifs)
    ranking = gather.ranking(counted.null, families, share, formed=scanned.discovered)
    write_product(ranking.motifs, out.ranking, RANKING)
    write_product(ranking.families, out.families, FAMILIES)
    sums = _searched(of, gather, families, given.attributions)
    sure = families[_effective(ranking.families, motifs)]
    matrix = family_target_table(motifs, families, gather.explained, sure, sums, plan.config.seed)
    write_product(matrix, out.matrix, MOTIF_TARGETS)
    shown = matrix[matrix["motif"].isin([m.name for m, f in zip(motifs, families) if f in sure])]
    _save_map(shown, {m.name: m.pwm for m in motifs}, targets, out.figure)


def _effective(found: pd.DataFrame, motifs: Sequence[Motif]) -> np.ndarray:
    """Return the numbers of the leading motifs of families that drive or lower any target."""
    if not len(found):
        return np.empty(0, np.int64)
    number = {m.name: i for i, m in enumerate(motifs)}
    return found.loc[found["drives"] | found["lowers"], "motif"].map(number).to_numpy(np.int64)


def _searched(
    of: ModelScope, gather: HitGather, families: np.ndarray, path: Path | None
) -> Iterator[tuple[ExplainedTarget, pd.DataFrame]]:
    """Yield each target with its places; path: merged attributions."""
    if path is None:
        return
    with open_pairs(path) as file:
        every = read_windows(file)
        for target in gather.targets:
            windows = every.take(rows_of(file, target))
            owned, sums, n = Owned.of(windows), np.zeros((len(windows), 2)), 0
            for rows, values in pair_blocks(file, target, ["attributions"]):
                at = slice(n, n + len(rows))
                part = Owned(owned.low[at], owned.high[at])
                sums[at] = owned_sums(windows.take(at), part, values["attributions"])
                n += len(rows)
            units = gather.won[target].units(windows, owned, sums, families)
            yield ExplainedTarget.of(of.model, target, sums), units


def _save_map(
    shown: pd.DataFrame,
    matrices: Mapping[str, np.ndarray],
    targets: Sequence[str],
    path: Path,
) -> None:
    """Draw the signed share of each target's attribution that the rows `shown` explain; where a
    target has more places than its deal (q < 0.05) there is a point."""
    ids = list(dict.fromkeys(shown["motif"]))
    row, column = ({x: i for i, x in enumerate(xs)} for xs in (ids, targets))
    values, stars = np.zeros((len(ids), len(targets))), np.zeros((len(ids), len(targets)), bool)
    for use in shown.itertuples():
        at = row[use.motif], column[use.target]
        signed = np.nan_to_num(use.share) * (1 if use.sign == "+" else -1)
        values[at] = max(values[at], signed, key=abs)
        stars[at] |= use.q_value < DRIVES
    labels = [dict(zip(shown["motif"], shown["family"]))[i] for i in ids]
    none = "no family of motifs drives or lowers a target"
    save_cluster_map(values, stars, [matrices[i] for i in ids], labels, targets, path, none)


def _blocks(paths: Sequence[Path]) -> Iterator[pd.DataFrame]:
    """Yield the rows of Parquet files, one behind the other, some at a time."""
    for path in paths:
        with open_parquet(path) as file:
            for batch in file.iter_batches(ROWS_AT_ONCE):
                yield batch.to_pandas()
