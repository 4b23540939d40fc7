"""Join what is lost with each hit; give each motif its mean loss, interval and rank."""

import pandas as pd

from cisweep.analysis.experiments import ablation_table
from cisweep.job import Job
from cisweep.outputs.experiments import experiment_blocks, merge_experiment, write_experiment
from cisweep.plot.effects import ranked_figure

with Job(snakemake) as job:  # noqa: F821
    step, parts = job.plan.step_config("ablate"), job.inputs("chunks")
    with job.product("hits") as path:
        job.say(f"{merge_experiment(parts, path, job.provenance())} effects of hits")
    hits = [t[["motif", "name", "target", "effect"]] for t in experiment_blocks(parts)]
    table = ablation_table(pd.concat(hits, ignore_index=True), step.min_hits)
    job.say(table[table["rank"] <= 3].to_string(index=False))
    with job.product("table") as path:
        write_experiment(table, path, job.provenance())
    with job.product("figure") as path:
        ranked_figure(table, path, losses=True)
