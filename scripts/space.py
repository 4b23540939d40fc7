"""Join what pairs of motifs do over distances and orientations; draw the first pairs."""

import pandas as pd

from cisweep.job import Job
from cisweep.outputs.experiments import experiment_blocks, merge_experiment
from cisweep.plan.contents.space import spaced_pairs
from cisweep.plot.effects import spacing_figure

DRAWN = 12  # pairs in the figure

with Job(snakemake) as job:  # noqa: F821
    with job.product("table") as path:
        job.say(f"{merge_experiment(job.inputs('chunks'), path, job.provenance())} rows")
    first = {(a.name, b.name) for a, b in spaced_pairs(job.plan)[:DRAWN]}
    drawn = [
        table[[pair in first for pair in zip(table["motif_a"], table["motif_b"])]]
        for table in experiment_blocks(job.inputs("chunks"))
    ]
    with job.product("figure") as path:
        spacing_figure(pd.concat(drawn, ignore_index=True), path)
