"""ism: what every single substitution in chosen regions does."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cisweep.contracts import Windows
from cisweep.outputs.bigwig import write_bigwig
from cisweep.outputs.h5 import merge
from cisweep.outputs.mutagenesis import span_blocks, strongest_regions, write_chunk
from cisweep.outputs.predictions import predictions_at
from cisweep.outputs.tables import write_dropped
from cisweep.plan.chunk_windows import ChunkWindows, read_peaks
from cisweep.plan.contents.ism import IsmRegions, strongest_peaks
from cisweep.plot.mutagenesis import MutatedRegion, save_mutagenesis
from cisweep.scope import ChunkScope, ModelScope, TargetScope

_BASES = 1 << 18
"""Bases times targets whose mutants are held at once, about: 30 MB in all their kinds."""


def ism_regions(of: ModelScope, peaks: Path, predictions: Path, bed: Path) -> None:
    """Choose the strongest selected peaks of each target, steps.ism.top_n of each.

    peaks: peaks.bed; predictions: merged predictions. Writes the chosen lines of peaks.bed.
    """
    step, windows = of.plan.step_config("ism"), read_peaks(peaks)
    values_of = predictions_at(predictions, of.config.target_names, windows, absent=-np.inf)
    rows = strongest_peaks(windows, values_of, step.top_n)
    lines = peaks.read_text().splitlines()
    print(f"{len(rows)} of {len(windows)} peaks")
    bed.write_text("".join(f"{lines[i]}\n" for i in rows))


def ism_windows(of: ChunkScope, peaks: Path | None) -> ChunkWindows:
    """Return what `ism_chunk` mutates: the chunk's rows of the step's BED, of `peaks`, or all."""
    return IsmRegions(of.plan).windows(of.model, of.chunk, peaks)


def ism_chunk(of: ChunkScope, found: ChunkWindows, device: str, h5: Path, dropped: Path) -> None:
    """Predict every substitution of the windows of one chunk.

    Writes the effects (outputs/mutagenesis.py) over the step's span, whose start and end are
    attributes; dropped: TSV of the regions that have no window, with reasons.
    """
    from cisweep.analysis.mutagenesis.windows import mutate_windows
    from cisweep.models.ensemble import Ensemble

    regions, model = IsmRegions(of.plan), Ensemble.load(of.config, device)
    span, targets = regions.span(of.model), of.config.target_names
    size = max(_BASES // ((span[1] - span[0]) * len(targets)), 1)

    def blocks() -> Iterator[tuple[Windows, np.ndarray, Any]]:
        for rows in found.windows.blocks(size):
            windows, tokens = found.windows.take(rows), found.tokens[rows]
            inputs, batch = of.plan.inputs(of.model, windows), regions.step.batch_size
            mutants = mutate_windows(model, windows, tokens, inputs, span=span, batch_size=batch)
            yield windows, tokens, mutants

    attrs = {**of.origin, "span_start": span[0], "span_end": span[1]}
    write_chunk(h5, blocks(), of.config.window_bp, span, targets, attrs)
    print(f"{len(found.windows)} windows mutated")
    write_dropped(found.dropped, "ism", of.model, dropped)


def ism(of: ModelScope, chunks: Collection[Path], h5: Path) -> None:
    """Merge the mutants of all chunks, in genome order."""
    span = IsmRegions(of.plan).span(of.model)
    attrs = {**of.origin, "span_start": span[0], "span_end": span[1]}
    print(f"{merge(chunks, h5, attrs)} windows")


def write_ism_track(of: TargetScope, h5: Path, bw: Path) -> None:
    """Write one target's values of the observed bases as bigWig."""
    write_bigwig(bw, of.plan.source.lengths, span_blocks(h5, of.target))


def ism_track(of: ModelScope, h5: Path, out: Mapping[str, Path]) -> None:
    """Write tracks of several targets; out: `<target>.ism.bw` -> where it is written."""
    for name, path in out.items():
        write_ism_track(of.of_target(name.removesuffix(".ism.bw")), h5, path)


def ism_figure(of: ModelScope, h5: Path, out: Mapping[str, Path]) -> None:
    """Draw figures of several targets; out: `ism.<target>.svg` -> where it is written."""
    for name, path in out.items():
        draw_ism(of.of_target(name.removeprefix("ism.").removesuffix(".svg")), h5, path)


def draw_ism(of: TargetScope, h5: Path, figure: Path) -> None:
    """Draw the regions with the highest predictions of one target: heat map and logo."""
    n = of.plan.step_config("ism").top_figures
    regions = [MutatedRegion(*r) for r in strongest_regions(h5, of.target, n)]
    save_mutagenesis(regions, figure, name=of.target)
