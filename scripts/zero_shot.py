"""Join the scores of all pairs; test and draw the groups."""

import pandas as pd

from cisweep.analysis.language_model.group_tests import compare_groups, principal_components
from cisweep.errors import SequenceError
from cisweep.job import Job
from cisweep.outputs.embeddings import first_embeddings, merge_embeddings
from cisweep.outputs.tables import merge_tsv, write_tsv
from cisweep.plot.effects import plot_embeddings, plot_groups
from cisweep.plot.saving import save_figure

DRAWN = 5000  # pairs in the figure of principal components

with Job(snakemake) as job:  # noqa: F821
    step = job.plan.step_config("zero_shot")
    with job.product("table") as path:
        n = merge_tsv(job.inputs("tables"), path)
        if not n:
            raise SequenceError("there are no pairs", where="steps.zero_shot")
        columns = ["name", "group", *step.scores]
        text = {"name": str, "group": str}
        table = pd.read_csv(
            path, sep="\t", usecols=columns, dtype=text, keep_default_na=False, na_values=["NaN"]
        )
    job.say(f"{n} pairs")
    groups, names = table["group"].tolist(), table["name"].tolist()
    tests = [compare_groups(table[s], groups, names, score=s) for s in step.scores]
    with job.product("tests") as path:
        write_tsv(pd.concat(tests, ignore_index=True), path)
    for sentence in pd.concat(tests)["sentence"]:
        job.say(sentence)
    with job.product("boxes") as path:
        save_figure(plot_groups(table[step.scores[0]], groups, value_name=step.scores[0]), path)
    with job.product("embeddings") as path:
        merge_embeddings(job.inputs("embeddings"), path, job.provenance())
    with job.product("pca") as path:
        labels, vectors = first_embeddings(job.inputs("embeddings"), DRAWN)
        points, share = principal_components(vectors)
        names = [f"{g} {a}".strip() for g, a in zip(labels["group"], labels["allele"])]
        ax = plot_embeddings(points, names)
        ax.set_xlabel(f"principal component 1 ({share[0]:.0%})")
        ax.set_ylabel(f"principal component 2 ({share[1]:.0%})")
        save_figure(ax, path)
