"""attribute: which bases drive each target."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cisweep.contracts import Windows, split_names
from cisweep.errors import AttributionError
from cisweep.outputs.attributions import (
    AttributionWriter,
    check_complete,
    export_chrombpnet,
    narrowpeak_lines,
    summarise,
)
from cisweep.outputs.bigwig import write_bigwig
from cisweep.outputs.pairs import merge_pairs, pair_track, windows_of_target
from cisweep.outputs.tables import write_dropped, write_product
from cisweep.plan.chunk_windows import ChunkWindows, WindowTokens, usable_windows
from cisweep.products.attribute import ATTRIBUTIONS, SUMMARY
from cisweep.scope import ChunkScope, ModelScope, TargetScope
from cisweep.steps.attribute import all_of_a_window, explained_targets

BLOCK = 1 << 19
"""Bases times targets of a window whose attributions are held at once, about: 60 MB."""


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
        wanted = wanted_pairs(of, found.windows)
        blocks = explained_blocks(of, found.windows, found.tokens, wanted, device)
        for windows, tokens, part in blocks:
            writer.append(windows, tokens, part)
    print(f"{len(found.windows)} windows explained, {wanted.sum()} pairs of a window and a target")
    write_dropped(found.dropped, "attribute", of.model, dropped)


def wanted_pairs(of: ModelScope, windows: Windows) -> np.ndarray:
    """Return (N, T) bool: which targets are explained at which windows (`steps.attribute.targets`).

    windows: of peaks the name is the targets that have it (outputs/peaks.py).
    """
    step, targets = of.plan.step_config("attribute"), of.config.target_names
    asked = explained_targets(step, of.config)
    if all_of_a_window(step, of.plan.is_on("select")):
        return np.tile(np.isin(targets, asked), (len(windows), 1))
    column = {target: i for i, target in enumerate(targets)}
    wanted = np.zeros((len(windows), len(targets)), dtype=bool)
    for name in dict.fromkeys(windows.name):
        wanted[np.ix_(windows.name == name, [column[t] for t in split_names(name)])] = True
    return wanted


def explained_blocks(
    of: ChunkScope,
    windows: Windows,
    tokens: np.ndarray | WindowTokens,
    wanted: np.ndarray,
    device: str,
) -> Iterator[tuple[Windows, np.ndarray, Any]]:
    """Yield blocks of windows (N, in all) with their tokens and `PairAttributions`.

    tokens: (N, L) uint8, or what reads them; wanted: (N, T) bool. A block has whole batches, where
    it can, and about BLOCK values, so that memory does not grow with the windows of a chunk.
    """
    from cisweep.analysis.attribution.references import references_of
    from cisweep.analysis.attribution.windows import attribute_pairs
    from cisweep.models.ensemble import Ensemble

    step, model = of.plan.step_config("attribute"), Ensemble.load(of.config, device)
    references = references_of(step, of.plan.config.seed, of.threads)
    a_batch = step.batch_size * max(tokens.shape[1], 1) * int(wanted.sum(axis=1).max(initial=1))
    for rows in windows.blocks(step.batch_size * max(BLOCK // a_batch, 1)):
        part = windows.take(rows)
        found = attribute_pairs(
            model,
            part,
            tokens[rows],
            of.plan.inputs(of.model, part),
            references,
            wanted[rows],
            batch_size=step.batch_size,
            method=step.method,
            gradient_correction=step.gradient_correction,
        )
        yield part, tokens[rows], found


def attribute(of: ModelScope, chunks: Collection[Path], h5: Path, summary: Path) -> None:
    """Merge the attributions of all chunks; check that they add up to the predictions.

    summary: TSV, one row per target. Raises AttributionError where the attributions miss more than
    steps.attribute.max_delta, unless on_incomplete is "warn".
    """
    step = of.plan.step_config("attribute")
    n = merge_pairs(list(chunks), h5, of.config.target_names, of.origin, ATTRIBUTIONS)
    print(f"{n} windows")
    table = summarise(h5, of.config.target_names)
    print(table.to_string(index=False))
    try:
        check_complete(table, step.max_delta)
    except AttributionError as error:
        if step.on_incomplete == "fail":
            raise
        print(f"warning: {error}")
    write_product(table, summary, SUMMARY)


def write_attribution_track(of: TargetScope, h5: Path, bw: Path) -> None:
    """Write one target's merged attributions as bigWig, one value per base."""
    write_bigwig(bw, of.plan.source.lengths, pair_track(h5, of.target, "attributions"))


def attribute_track(of: ModelScope, h5: Path, out: Mapping[str, Path]) -> None:
    """Write tracks of several targets; out: `<target>.attr.bw` -> where it is written."""
    for name, path in out.items():
        write_attribution_track(of.of_target(name.removesuffix(".attr.bw")), h5, path)


def attribute_export(
    of: ModelScope, h5: Path, out: Mapping[str, Path], narrowpeaks: Mapping[str, Path]
) -> None:
    """Write exports of several targets; out: `<target>.shap.h5`, narrowpeaks: `<target>.narrowPeak`
    -> where it is written."""
    for name, path in out.items():
        file_name = name.removesuffix(".shap.h5")
        target = of.of_target(file_name).target
        export_target(h5, target, path, narrowpeaks[f"{file_name}.narrowPeak"])


def export_target(h5: Path, target: str, out: Path, narrowpeak: Path) -> None:
    """Write one target's hypothetical attributions in ChromBPNet's H5 layout, and their windows as
    narrowPeak, in the same order."""
    export_chrombpnet(h5, out, target)
    with open(narrowpeak, "w") as handle:
        handle.writelines(narrowpeak_lines(windows_of_target(h5, target)))
