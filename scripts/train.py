"""Write model.yaml, tables, model card and figures of a trained model."""

import json

import pandas as pd

from cisweep.job import Job, atomic
from cisweep.plot.training import training_figures

with Job(snakemake) as job:  # noqa: F821
    from cisweep.train.products import model_tables, weaknesses

    recipe = job.plan.step_config("train").models[job.model]
    records = [json.loads(path.read_text()) for path in job.inputs("records")]
    weights = job.inputs("weights")
    tables = model_tables(job.model, recipe, records, weights, job.params.command)
    for final in job.products("tables"):
        with atomic(final) as path:
            path.write_text(tables[final.name])
    for line in weaknesses(recipe, records):
        job.warn(line)
    heldout = pd.concat([pd.read_csv(p, sep="\t") for p in job.inputs("heldout")])
    draw = training_figures(job.model, records, heldout, weights[0])
    for final in job.products("figures"):
        with atomic(final) as path:
            draw[final.name](path)
