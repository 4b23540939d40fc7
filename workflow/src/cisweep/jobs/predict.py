"""predict: what each target is predicted to be in every window, and how that fits what was seen."""

from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from cisweep.contracts import split_strand
from cisweep.genome.signal import read_signal
from cisweep.outputs.bigwig import write_bigwig
from cisweep.outputs.h5 import prediction_blocks
from cisweep.outputs.predictions import (
    TRACK_ROWS,
    PredictionWriter,
    counts_blocks,
    merge_predictions,
)
from cisweep.outputs.region_table import write_region_table
from cisweep.outputs.tables import write_dropped, write_product
from cisweep.outputs.targets import targets_table
from cisweep.plan.chunk_windows import usable_windows
from cisweep.products.predict import METRICS
from cisweep.scope import ChunkScope, ModelScope, TargetScope

_BLOCK = 1 << 20  # bases, of windows and of their tracks, that are predicted at once, about


def predict_chunk(of: ChunkScope, device: str, h5: Path, dropped: Path) -> None:
    """Predict the windows of one chunk.

    Writes the mean and the standard deviation of the folds, and the tracks that the step wants
    (outputs/predictions.py); dropped: TSV of the regions that have no window, with reasons.
    """
    from cisweep.analysis.prediction.windows import predict_windows, track_shapes
    from cisweep.models.ensemble import Ensemble

    config, step = of.config, of.plan.step_config("predict")
    found = usable_windows(of.plan, of.model, of.chunk)
    model = Ensemble.load(config, device, tracks=step.tracks)
    shapes = track_shapes(model)
    bases = config.window_bp + sum(strands * length for strands, length in shapes.values())
    size = step.batch_size * max(_BLOCK // (bases * step.batch_size), 1)
    with PredictionWriter(h5, found.windows, config.target_names, of.origin, shapes) as writer:
        for rows in found.windows.blocks(size):
            windows, tokens = found.windows.take(rows), found.tokens[rows]
            inputs = of.plan.inputs(of.model, windows)
            made = predict_windows(model, windows, tokens, inputs, batch_size=step.batch_size)
            writer.append(windows, made.mean, made.sd, made.tracks)
    print(f"{len(found.windows)} windows predicted, {len(found.dropped)} regions dropped")
    write_dropped(found.dropped, "predict", of.model, dropped)


def predict(chunks: Collection[Path], origin: Mapping[str, Any], h5: Path) -> None:
    """Merge the predictions of all chunks, in genome order; origin: attributes of the file."""
    print(f"{merge_predictions(chunks, h5, origin)} windows")


def predict_table(of: ModelScope, h5: Path, table: Path) -> None:
    """Write the merged predictions as regions × targets, in the format of the ending of `table`."""
    units = {target.name: target.scale for target in of.config.targets}
    write_region_table(table, h5, units, targets_table(of.config), of.origin)


def write_prediction_track(of: TargetScope, h5: Path, strand: str, bw: Path) -> None:
    """Write one target's predictions, or one strand of a track, as bigWig.

    h5: merged predictions. strand: "plus", "minus", or "" of what has no strands.
    """
    tracks = {t.name: t for t in of.config.tracks}
    tile, width = of.plan.config.regions.tile, None
    if of.target in tracks:
        track = tracks[of.target]
        blocks = counts_blocks(h5, track, track.strands.index(strand))
    else:  # a scalar fills the stride around its window's centre
        blocks = prediction_blocks(h5, of.target)
        width = tile.stride_bp if tile else of.config.window_bp
    write_bigwig(bw, of.plan.source.lengths, blocks, width_bp=width)


def predict_track(of: ModelScope, h5: Path, out: Mapping[str, Path]) -> None:
    """Write tracks of several targets: see `write_prediction_track`.

    out: name of the file, `<target>.pred.bw` or `<track>.<strand>.pred.bw` -> where it is written.
    """
    for name, path in out.items():
        file_name, strand = split_strand(name.removesuffix(".pred.bw"))
        write_prediction_track(of.of_target(file_name), h5, strand, path)


def predict_metrics(of: ModelScope, h5: Path, table: Path) -> None:
    """Compare merged predictions with the observed signal that the step names; writes a TSV."""
    from cisweep.train.judging.prediction_metrics import METRIC_COLUMNS, target_rows, track_rows

    signal = of.plan.step_config("predict").signal_of(of.config)
    rows = []
    for track in of.config.tracks:
        if track.name in signal:
            observe = partial(read_signal, signal[track.name].paths)
            rows += track_rows(track.name, counts_blocks(h5, track), observe)
    for target in of.config.targets:
        if target.name in signal:
            given = signal[target.name]
            observe = partial(read_signal, given.paths, length_bp=given.width_bp)
            blocks = prediction_blocks(h5, target.name, TRACK_ROWS)
            rows += target_rows(target.name, target.scale, blocks, observe)
    held_out = of.config.fold_policy == "held_out"
    found = pd.DataFrame(rows).assign(windows="held out" if held_out else "all")
    print(found.to_string(index=False))
    write_product(found[METRIC_COLUMNS], table, METRICS)
