"""Join what is lost with each hit; compare it with random spans; rank the motifs."""

import pandas as pd

from cisweep.analysis.perturbation.ablations import ablation_table, judged_hits
from cisweep.job import Job
from cisweep.outputs.experiments import write_experiment
from cisweep.outputs.tables import read_parquet
from cisweep.plot.effects import ranked_figure

with Job(snakemake) as job:  # noqa: F821
    step = job.plan.step_config("ablate")
    # At most max_hits hits of each motif: this fits in memory for any genome.
    parts = [read_parquet(path).to_pandas() for path in job.inputs("chunks")]
    effects = pd.concat([p for p in parts if len(p)] or parts[:1], ignore_index=True)
    with job.product("hits") as path:
        write_experiment(judged_hits(effects), path, job.provenance())
    table = ablation_table(effects, step.min_hits)
    job.say(f"{len(effects)} effects of hits")
    job.say(table[table["rank"] <= 3].to_string(index=False))
    with job.product("table") as path:
        write_experiment(table, path, job.provenance())
    with job.product("figure") as path:
        ranked_figure(table, path, losses=True)
