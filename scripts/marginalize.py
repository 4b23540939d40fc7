"""Join and rank what each motif does to each target."""

import pandas as pd

from cisweep.analysis.perturbation.experiments import rank_motifs
from cisweep.job import Job
from cisweep.outputs.experiments import experiment_blocks, write_experiment
from cisweep.plot.effects import ranked_figure

with Job(snakemake) as job:  # noqa: F821
    table = pd.concat(experiment_blocks(job.inputs("chunks")), ignore_index=True)
    table = rank_motifs(table)
    job.say(table[table["rank"] <= 3].to_string(index=False))
    with job.product("table") as path:
        write_experiment(table, path, job.provenance())
    with job.product("figure") as path:
        ranked_figure(table, path)
