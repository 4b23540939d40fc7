"""Overlay the loss curves of all trained models and join their spot checks."""

import pandas as pd

from cisweep.job import Job
from cisweep.outputs.tables import write_tsv
from cisweep.parts import read_json
from cisweep.plot.training import save_loss

with Job(snakemake) as job:  # noqa: F821
    records = [read_json(path) for path in job.inputs("records")]
    models = dict(zip(job.params.models, records))
    with job.product("loss") as path:
        save_loss({name: record["history"] for name, record in models.items()}, path)
    rows = [{"model": n} | row for n, r in models.items() for row in r["spot_check"]]
    with job.product("spot_check") as path:
        write_tsv(pd.DataFrame(rows, columns=None if rows else ["model", "sequence"]), path)
