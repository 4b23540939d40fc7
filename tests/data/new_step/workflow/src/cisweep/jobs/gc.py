"""gc: how many bases of each window are G or C."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from cisweep.analysis.composition import count_gc
from cisweep.outputs.bedgraph import write_bedgraph

from cisweep.outputs.tables import merge_tsv, read_tsv, write_dropped, write_tsv
from cisweep.plan.chunk_windows import usable_windows
from cisweep.scope import ChunkScope, ModelScope


def gc_chunk(of: ChunkScope, table: Path, dropped: Path) -> None:
    """Count G and C in the windows of one chunk; write both as TSV."""
    found = usable_windows(of.plan, of.model, of.chunk)
    windows = found.windows
    places = {"chrom": windows.chrom, "start": windows.start, "end": windows.end}
    write_tsv(pd.DataFrame({**places, "gc": count_gc(found.tokens[:])}), table)
    write_dropped(found.dropped, "gc", of.model, dropped)


def gc(of: ModelScope, chunks: Iterable[Path], table: Path, bedgraph: Path) -> None:
    """Join the counts of all chunks: a table, and a bedGraph for genome browsers."""
    merge_tsv(list(chunks), table)
    write_bedgraph(read_tsv(table), "gc", bedgraph)
