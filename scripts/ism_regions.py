"""Choose the strongest selected peaks of each target for saturation mutagenesis."""

import numpy as np

from cisweep.job import Job
from cisweep.outputs.h5 import prediction_blocks
from cisweep.plan.chunk_windows import read_peaks
from cisweep.plan.contents.ism import strongest_peaks

with Job(snakemake) as job:  # noqa: F821
    step, targets = job.plan.step_config("ism"), job.plan.models[job.model].target_names
    peaks = read_peaks(job.inputs("peaks")[0])
    row_of = {key: i for i, key in enumerate(peaks.keys())}
    predictions = {t: np.full(len(peaks), -np.inf) for t in targets}
    for target, values in predictions.items():
        for windows, part in prediction_blocks(job.inputs("predictions")[0], target):
            for key, value in zip(windows.keys(), part):
                if key in row_of:
                    values[row_of[key]] = value
    rows = strongest_peaks(peaks, predictions, step.top_n)
    lines = job.inputs("peaks")[0].read_text().splitlines()
    job.say(f"{len(rows)} of {len(peaks)} peaks")
    with job.product("bed") as path:
        path.write_text("".join(f"{lines[i]}\n" for i in rows))
