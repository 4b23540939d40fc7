"""Score pairs of sequences by a DNA language model; test the groups; draw them."""

from itertools import chain

import numpy as np
import pandas as pd

from cisweep.analysis.group_tests import compare_groups, principal_components
from cisweep.errors import ConfigError
from cisweep.genome.alleles import WindowPlan, allele_windows
from cisweep.genome.pairs import pairs_of_alleles, read_pairs
from cisweep.job import Job
from cisweep.outputs.embeddings import EmbeddingWriter
from cisweep.outputs.tables import write_tsv
from cisweep.outputs.variants import read_selected
from cisweep.plot.effects import plot_embeddings, plot_groups, save_figure

DRAWN = 5000  # pairs in the figure of principal components

with Job(snakemake) as job:  # noqa: F821
    from cisweep.analysis.embedding import EmbeddingOptions
    from cisweep.analysis.zero_shot import ZeroShotOptions, edit_rank, score_pairs
    from cisweep.models import load_model

    plan, step, config = job.plan, job.plan.step_config("zero_shot"), job.plan.models[job.model]
    if config.adapter != "hf_lm":
        raise ConfigError(f"model {job.model} is not a language model", where="models")
    if step.pairs:
        pairs = chain.from_iterable(
            read_pairs(p.ref, p.alt, p.group, step.limit) for p in step.pairs
        )
    elif job.inputs("selected"):
        everywhere = [(c, 0, n) for c, n in plan.source.lengths.items()]
        variants = read_selected(job.inputs("selected")[0], everywhere)[: step.limit]
        trim = plan.step_config("variants").trim
        alleles = allele_windows(variants, plan.source, WindowPlan(config.window_bp, trim))
        job.say(f"{len(alleles.dropped)} variants have no window")
        pairs = pairs_of_alleles(alleles)
    else:
        raise ConfigError(
            "there are no pairs", where="steps.zero_shot", mend="give pairs, or the step variants"
        )
    embedding = EmbeddingOptions(step.space, step.pooling, step.special_tokens, step.both_strands)
    options = ZeroShotOptions(tuple(step.scores), embedding, step.batch_size)
    tables, ranks, drawn = [], [], []
    with job.device() as device, job.product("embeddings") as path:
        model = load_model(config, device=device)
        if step.rank_edits:
            pairs = list(pairs)
        with EmbeddingWriter(path, job.provenance()) as writer:
            for table, ref, alt in score_pairs(model, pairs, options):
                writer.append(table, ref, alt)
                tables.append(table)
                if sum(len(d[0]) for d in drawn) < DRAWN:
                    drawn.append((table["group"], ref, alt))
        if step.rank_edits:
            ranks = [edit_rank(model, p.ref, p.alt, embedding) for p in pairs]
    table = pd.concat(tables, ignore_index=True)
    if step.rank_edits:
        table = table.assign(
            edit=["" if r is None else r.kind for r in ranks],
            edit_rank=[0 if r is None else r.rank for r in ranks],
            edit_n=[0 if r is None else r.n for r in ranks],
        )
    with job.product("table") as path:
        write_tsv(table, path)
    groups, names = table["group"].tolist(), table["name"].tolist()
    tests = [compare_groups(table[s], groups, names, score=s) for s in step.scores]
    with job.product("tests") as path:
        write_tsv(pd.concat(tests, ignore_index=True), path)
    for sentence in pd.concat(tests)["sentence"]:
        job.say(sentence)
    with job.product("boxes") as path:
        save_figure(plot_groups(table[step.scores[0]], groups, value_name=step.scores[0]), path)
    with job.product("pca") as path:
        vectors = np.concatenate([v for _, ref, alt in drawn for v in (ref, alt)])
        labels = [f"{g} {a}".strip() for group, *_ in drawn for a in ("ref", "alt") for g in group]
        points, share = principal_components(vectors)
        ax = plot_embeddings(points, labels)
        ax.set_xlabel(f"principal component 1 ({share[0]:.0%})")
        ax.set_ylabel(f"principal component 2 ({share[1]:.0%})")
        save_figure(ax, path)
