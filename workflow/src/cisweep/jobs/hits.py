"""hits: where the motifs match, what each match contributes, and which motifs matter."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cisweep.analysis.motifs.chunk import (
    Attributed,
    Scan,
    hits_of_chunk,
    owned_intervals,
    scan_options,
)
from cisweep.analysis.motifs.families import motif_families, shuffled_columns
from cisweep.analysis.motifs.gather import HitGather, merge_sums
from cisweep.analysis.motifs.hits import HitSums
from cisweep.analysis.motifs.qvalues import cell_qvalues
from cisweep.analysis.motifs.score_distribution import prepare_motifs
from cisweep.contracts import Windows
from cisweep.genome.fasta import word_counts
from cisweep.genome.motifs import load_motifs
from cisweep.outputs.attributions import read_attributions
from cisweep.outputs.hits import append_bed, chunk_schema, save_counts, schema
from cisweep.outputs.tables import (
    ParquetWriter,
    open_parquet,
    read_parquet,
    write_dropped,
    write_parquet,
    write_product,
)
from cisweep.parts import read_arrays
from cisweep.plan.chunk_windows import read_peaks, usable_windows
from cisweep.plan.chunks import chunk_index
from cisweep.products.hits import FAMILIES, RANKING
from cisweep.scope import ChunkScope, ModelScope, RunScope


def hits_background(of: RunScope, counts: Path) -> None:
    """Count the bases and dinucleotides of the whole source, block by block; writes a JSON."""
    bases, dinucleotides = word_counts(of.plan.source)
    print(f"A C G T N: {bases}")
    found = dict(zip("ACGTN", bases)) | {"dinucleotides": dinucleotides}
    counts.write_text(json.dumps(found) + "\n")


@dataclass(frozen=True)
class HitInputs:
    """What `hits_chunk` reads.

    counts: JSON of `hits_background`. attributions: those of the chunk and of the chunks beside
    it, none where nothing is attributed. peaks: peaks.bed, if they are scanned without
    attributions.
    """

    counts: Path
    attributions: Sequence[Path] = ()
    peaks: Path | None = None


def hits_chunk(of: ChunkScope, given: HitInputs, table: Path, counts: Path, dropped: Path) -> None:
    """Scan the intervals whose hits start in one chunk.

    Writes the hits as Parquet (outputs/hits.py); counts: npz of what q-values and the null of the
    ranking are taken from; dropped: TSV of the regions that have no window, with reasons.
    """
    plan, step = of.plan, of.plan.step_config("hits")
    own = usable_windows(plan, of.model, of.chunk)
    attributed = None
    if given.attributions:
        attributed = Attributed(*read_attributions(given.attributions))
    motifs = load_motifs(plan.config.motifs)
    options = scan_options(step, given.counts)
    copies = [c for m in motifs for c in shuffled_columns(m, step.null_copies, plan.config.seed)]
    scan = Scan(
        motifs,
        prepare_motifs(motifs, **options),
        prepare_motifs(copies, **options) if attributed else None,
    )
    stretches = plan.layout.stretches(chunk_index(of.chunk))
    windows = _scanned_windows(of, attributed, given.peaks)
    found = hits_of_chunk(
        scan,
        plan.source,
        owned_intervals(windows, stretches, plan.source.lengths),
        attributed,
        n_threads=of.threads,
    )
    print(f"{len(found.table)} hits")
    targets = list(attributed.projected) if attributed else []
    write_parquet(found.table, table, chunk_schema(targets), of.origin)
    save_counts(counts, found.cell_counts, found.n_tests, found.null)
    write_dropped(own.dropped, "hits", of.model, dropped)


def _scanned_windows(of: ChunkScope, attributed: Attributed | None, peaks: Path | None) -> Windows:
    """Return the windows that are scanned: what was explained, peaks, or all near the chunk."""
    regions = of.plan.step_config("hits").over == "regions"
    if regions and attributed:
        return attributed.windows
    if regions and peaks is not None:
        return read_peaks(peaks)
    near = of.plan.neighbours(of.model, of.chunk)
    return Windows.concatenate([usable_windows(of.plan, of.model, c).windows for c in near])


@dataclass(frozen=True)
class HitParts:
    """What `hits` joins: JSON of `hits_background`; the hits and the counts of all chunks."""

    base_counts: Path
    chunks: Sequence[Path]
    counts: Sequence[Path]


@dataclass(frozen=True)
class HitTables:
    """What `hits` writes: all hits as Parquet; those that win their place as BED; what drives each
    target, as TSV, by motif and by family (outputs/hits.py, analysis/motifs/ranking.py)."""

    table: Path
    bed: Path
    ranking: Path
    families: Path


def hits(of: ModelScope, given: HitParts, out: HitTables) -> None:
    """Merge the hits of all chunks; give q-values; rank families and motifs of each target."""
    plan, step = of.plan, of.plan.step_config("hits")
    motifs = load_motifs(plan.config.motifs)
    model = prepare_motifs(motifs, **scan_options(step, given.base_counts))
    targets = of.config.target_names if plan.is_on("attribute") else []
    counts = [read_arrays(path) for path in given.counts]
    q_values = cell_qvalues(
        model, sum(c["cell_counts"] for c in counts), sum(c["n_tests"] for c in counts)
    )
    units = {t.name: t.scale for t in of.config.targets}
    gather = HitGather(motifs, q_values, targets, units)
    n = 0
    with ParquetWriter(out.table, schema(targets), of.origin) as writer:
        for rows in gather.rows(read_parquet(path).to_pandas() for path in given.chunks):
            writer.append(rows[schema(targets).names])
            n += len(rows)
    shown = 0
    # Scores are shares of the largest effect, which is known once all have been seen.
    with open_parquet(out.table) as file, open(out.bed, "w") as handle:
        for rows in gather.winners(batch.to_pandas() for batch in file.iter_batches(65536)):
            append_bed(rows, handle)
            shown += len(rows)
    print(f"{n} hits of {len(motifs)} motifs, {shown} of which win their place")
    null = {
        t: merge_sums(HitSums(c[f"null_count_{t}"], c[f"null_total_{t}"]) for c in counts)
        for t in targets
    }
    ranking = gather.ranking(null, motif_families(motifs))
    write_product(ranking.motifs, out.ranking, RANKING)
    write_product(ranking.families, out.families, FAMILIES)
