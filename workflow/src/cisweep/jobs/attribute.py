"""attribute: which bases drive each target."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cisweep.contracts import Windows, stored_name
from cisweep.errors import AttributionError
from cisweep.outputs.attributions import (
    AttributionWriter,
    check_complete,
    export_chrombpnet,
    narrowpeak_lines,
    summarise,
)
from cisweep.outputs.bigwig import write_bigwig
from cisweep.outputs.h5 import blocks, merge, open_rows, read_windows, track_blocks
from cisweep.outputs.tables import write_dropped, write_product
from cisweep.plan.chunk_windows import ChunkWindows, WindowTokens, usable_windows
from cisweep.products.attribute import SUMMARY
from cisweep.scope import ChunkScope, ModelScope, TargetScope

BLOCK = 1 << 19
"""Bases times targets whose attributions are held at once, about: 60 MB in all their kinds."""


def attribute_windows_of(of: ChunkScope, peaks: Path | None) -> ChunkWindows:
    """Return what `attribute_chunk` explains: the chunk's peaks, or all its windows without any.

    peaks: peaks.bed of the model.
    """
    return usable_windows(of.plan, of.model, of.chunk, peaks)


def attribute_chunk(
    of: ChunkScope, found: ChunkWindows, device: str, h5: Path, dropped: Path
) -> None:
    """Explain the windows of one chunk.

    Writes attributions, predictions and what completeness is judged by (outputs/attributions.py);
    dropped: TSV of the regions that have no window, with reasons. Raises AttributionError where
    the model does what no rule of DeepLIFT covers.
    """
    step, length = of.plan.step_config("attribute"), found.tokens.shape[1]
    kept = step.save_bp if step.hypothetical else None
    with AttributionWriter(h5, length, of.config.target_names, kept, of.origin) as writer:
        for windows, tokens, part in explained_blocks(of, found.windows, found.tokens, device):
            writer.append(windows, tokens, part)
    print(f"{len(found.windows)} windows explained")
    write_dropped(found.dropped, "attribute", of.model, dropped)


def explained_blocks(
    of: ChunkScope, windows: Windows, tokens: np.ndarray | WindowTokens, device: str
) -> Iterator[tuple[Windows, np.ndarray, Any]]:
    """Yield blocks of windows (N, in all) with their tokens and attributions.

    tokens: (N, L) uint8, or what reads them. A block has whole batches and about BLOCK values, so
    that memory does not grow with the windows of a chunk.
    """
    from cisweep.analysis.attribution.references import references_of
    from cisweep.analysis.attribution.windows import attribute_windows
    from cisweep.models.ensemble import Ensemble

    step, model = of.plan.step_config("attribute"), Ensemble.load(of.config, device)
    references = references_of(step, of.plan.config.seed, of.threads)
    a_batch = step.batch_size * max(tokens.shape[1], 1) * len(of.config.target_names)
    for rows in windows.blocks(step.batch_size * max(BLOCK // a_batch, 1)):
        part = windows.take(rows)
        found = attribute_windows(
            model,
            part,
            tokens[rows],
            of.plan.inputs(of.model, part),
            references,
            batch_size=step.batch_size,
            method=step.method,
        )
        yield part, tokens[rows], found


def attribute(of: ModelScope, chunks: Collection[Path], h5: Path, summary: Path) -> None:
    """Merge the attributions of all chunks; check that they add up to the predictions.

    summary: TSV, one row per target. Raises AttributionError where the attributions miss more than
    steps.attribute.max_delta, unless on_incomplete is "warn".
    """
    step = of.plan.step_config("attribute")
    print(f"{merge(chunks, h5, of.origin)} windows")
    table = summarise(h5, of.config.target_names)
    print(table.to_string(index=False))
    try:
        check_complete(table, step.max_delta)
    except AttributionError as error:
        if step.on_incomplete == "fail":
            raise
        print(f"warning: {error}")
    write_product(table, summary, SUMMARY)


def attribute_track(of: TargetScope, h5: Path, bw: Path) -> None:
    """Write one target's merged attributions as bigWig, one value per base."""
    blocks = track_blocks(h5, f"attributions/{stored_name(of.target)}")
    write_bigwig(bw, of.plan.source.lengths, blocks)


def attribute_export(h5: Path, target: str, out: Path) -> None:
    """Write one target's hypothetical attributions in ChromBPNet's H5 layout."""
    export_chrombpnet(h5, out, target)


def attribute_export_regions(h5: Path, narrowpeak: Path) -> None:
    """Write the regions of the export as narrowPeak, in the order of the H5."""
    with open_rows(h5) as file, open(narrowpeak, "w") as out:
        for rows, _ in blocks(file, []):
            out.writelines(narrowpeak_lines(read_windows(file, rows)))
