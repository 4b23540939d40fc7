"""Write model.yaml, tables, model card and figures of a trained model."""

import pandas as pd

from cisweep.job import Job, atomic
from cisweep.parts import read_json
from cisweep.plot.training import training_figures

with Job(snakemake) as job:  # noqa: F821
    from cisweep.train.products import model_tables, weaknesses

    recipe = job.plan.step_config("train").models[job.model]
    records = [read_json(path) for path in job.inputs("records")]
    weights = job.inputs("weights")
    tables = model_tables(job.model, recipe, records, weights, job.params.command)
    for final in job.products("tables"):
        # A user may go on with model.yaml as his own: no note holds him to its bytes.
        own = final.name == "model.yaml"
        with atomic(final) if own else job.written(final) as path:
            path.write_text(tables[final.name])
    for line in weaknesses(recipe, records):
        job.warn(line)
    heldout = pd.concat([pd.read_csv(p, sep="\t") for p in job.inputs("heldout")])
    draw = training_figures(job.model, records, heldout, weights[0])
    for final in job.products("figures"):
        with job.written(final) as path:
            draw[final.name](path)
