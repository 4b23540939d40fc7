"""Compare predictions with observed signal."""

from functools import partial

import pandas as pd

from cisweep.genome.signal import read_signal
from cisweep.job import Job
from cisweep.outputs.h5 import prediction_blocks
from cisweep.outputs.predictions import TRACK_ROWS, counts_blocks
from cisweep.outputs.tables import write_tsv
from cisweep.train.prediction_metrics import METRIC_COLUMNS, target_rows, track_rows

with Job(snakemake) as job:  # noqa: F821
    config, h5 = job.plan.models[job.model], job.inputs("h5")[0]
    signal = job.plan.step_config("predict").signal_of(config)
    rows = []
    for track in config.tracks:
        if track.name in signal:
            observe = partial(read_signal, signal[track.name].paths)
            rows += track_rows(track.name, counts_blocks(h5, track), observe)
    for target in config.targets:
        if target.name in signal:
            given = signal[target.name]
            observe = partial(read_signal, given.paths, length_bp=given.width_bp)
            blocks = prediction_blocks(h5, target.name, TRACK_ROWS)
            rows += target_rows(target.name, target.scale, blocks, observe)
    held_out = config.fold_policy == "held_out"
    table = pd.DataFrame(rows).assign(windows="held out" if held_out else "all")
    job.say(table.to_string(index=False))
    with job.product("table") as path:
        write_tsv(table[METRIC_COLUMNS], path)
