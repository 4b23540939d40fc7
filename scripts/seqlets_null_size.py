"""Say how many shuffled copies the windows of the run need as the null of the seqlets."""

import json
from dataclasses import asdict

from cisweep.analysis.seqlets.fdr import NullSize
from cisweep.job import Job
from cisweep.outputs.h5 import n_rows, open_rows
from cisweep.plan.chunk_windows import read_peaks

with Job(snakemake) as job:  # noqa: F821
    step, n = job.plan.step_config("seqlets"), 0
    for path in job.inputs("peaks"):
        n += len(read_peaks(path))
    for path in job.inputs("chunks"):
        with open_rows(path) as file:
            n += n_rows(file)
    size = NullSize.of(n, step.fdr, step.null_windows)
    job.say(f"{n} windows: {size.draws} shuffles of a share of {size.fraction}")
    with job.product("null_size") as path:
        path.write_text(json.dumps(asdict(size), sort_keys=True) + "\n")
