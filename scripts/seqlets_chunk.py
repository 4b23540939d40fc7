"""Call seqlets of a chunk, in its windows and in their shuffled copies."""

import json

import pandas as pd

from cisweep.analysis.seqlets.background import Background
from cisweep.analysis.seqlets.tables import Explained, call_chunk
from cisweep.contracts import Windows, digest
from cisweep.job import Job
from cisweep.outputs.h5 import open_rows, read_windows
from cisweep.outputs.seqlets import CHUNK_SCHEMA
from cisweep.outputs.tables import write_parquet
from cisweep.parts import read_json


def windows_of(path):
    """Return the windows of a chunk's attributions."""
    with open_rows(path) as file:
        return read_windows(file)


def call_all(job, beside):
    """Return the calls of all targets, and their tallies by target."""
    step, targets = job.plan.step_config("seqlets"), job.plan.models[job.model].target_names
    backgrounds = read_json(job.inputs("background")[0])
    tables, tallies = [], {}
    with open_rows(job.inputs("h5")[0]) as file, open_rows(job.inputs("null")[0]) as null:
        windows, shuffled = read_windows(file), read_windows(null)
        near = Windows.concatenate([windows, *beside])
        for target in targets:
            path = f"attributions/{target}"
            table, tally = call_chunk(
                target,
                Explained.of(windows, file[path][:], near),
                Explained.of(shuffled, null[path][:], near),
                file["tokens"][:],
                Background.from_dict(backgrounds[target]),
                step.threshold,
                ("+", "-") if step.negative else ("+",),
            )
            tables.append(table)
            tallies[target] = tally.to_dict()
    return pd.concat(tables, ignore_index=True), tallies


with Job(snakemake) as job:  # noqa: F821
    # Of the chunks beside this one only the places of their windows matter.
    beside = [windows_of(path) for path in job.inputs("beside")]
    places = digest(*(key for windows in beside for key in windows.keys()))  # noqa: SIM118
    with job.reuse(places, leave_out=("beside",)) as unchanged:
        if not unchanged:
            calls, tallies = call_all(job, beside)
            with job.product("table") as path:
                write_parquet(calls, path, CHUNK_SCHEMA, job.provenance())
            with job.product("tally") as path:
                path.write_text(json.dumps(tallies, sort_keys=True) + "\n")
