"""Call seqlets of a chunk, in its windows and in their shuffled copies."""

import json

import pandas as pd

from cisweep.analysis.seqlet_background import Background
from cisweep.analysis.seqlet_tables import call_chunk
from cisweep.job import Job
from cisweep.outputs.h5 import open_rows, read_windows
from cisweep.outputs.seqlets import CHUNK_SCHEMA
from cisweep.outputs.tables import write_parquet

with Job(snakemake) as job, job.reuse() as unchanged:  # noqa: F821
    if not unchanged:
        step, targets = job.plan.step_config("seqlets"), job.plan.models[job.model].target_names
        backgrounds = json.loads(job.inputs("background")[0].read_text())
        tables, tallies = [], {}
        with open_rows(job.inputs("h5")[0]) as file, open_rows(job.inputs("null")[0]) as null:
            windows = read_windows(file)
            for target in targets:
                table, tally = call_chunk(
                    target,
                    windows,
                    file["tokens"][:],
                    file[f"attributions/{target}"][:],
                    null[f"attributions/{target}"][:],
                    Background.from_dict(backgrounds[target]),
                    step.threshold,
                    ("+", "-") if step.negative else ("+",),
                )
                tables.append(table)
                tallies[target] = tally.to_dict()
        with job.product("table") as path:
            joined = pd.concat(tables, ignore_index=True)
            write_parquet(joined, path, CHUNK_SCHEMA, job.provenance())
        with job.product("tally") as path:
            path.write_text(json.dumps(tallies, sort_keys=True) + "\n")
