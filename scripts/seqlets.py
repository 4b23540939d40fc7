"""Cut the calls of all chunks at the FDR and name the seqlets."""

import pandas as pd

from cisweep.analysis.seqlets.fdr import Tally, merge_tallies, summarise_calls
from cisweep.analysis.seqlets.names import NameRules, name_seqlets
from cisweep.analysis.seqlets.tables import in_genome_order, seqlets_of
from cisweep.genome.motifs import load_motifs
from cisweep.job import Job
from cisweep.outputs.seqlets import SCHEMA, write_seqlet_bed
from cisweep.outputs.tables import read_parquet, write_parquet, write_tsv
from cisweep.parts import read_json

with Job(snakemake) as job:  # noqa: F821
    step, model = job.plan.step_config("seqlets"), job.plan.models[job.model]
    tallies = [read_json(path) for path in job.inputs("tallies")]
    parts = [read_parquet(path).to_pandas() for path in job.inputs("chunks")]
    calls = pd.concat(parts, ignore_index=True)
    kept, summaries = [], []
    for target in model.target_names:
        tally = merge_tallies(Tally.from_dict(t[target]) for t in tallies)
        mine = calls[calls["target"] == target].reset_index(drop=True)
        seqlets, tally, calibration = seqlets_of(mine, tally, step.fdr)
        kept.append(seqlets)
        summary = summarise_calls(tally, calibration, step.fdr)
        summaries.append(summary.assign(target=target)[["target", *summary.columns]])
        rate = summary["lowest_rate"].min()
        shared = int((seqlets["n_windows"] > 1).sum())
        job.say(
            f"{target}: {len(seqlets)} seqlets at FDR {step.fdr}, {shared} of them called in more "
            f"than one window and counted in the one where they stand most central; lowest rate "
            f"{rate:.3g}"
        )
    found = in_genome_order(pd.concat(kept, ignore_index=True), list(job.plan.source.lengths))
    rules = NameRules(step.name_rate, step.nearest, job.plan.config.seed, job.threads)
    table = name_seqlets(found, load_motifs(job.plan.config.motifs), job.plan.source, rules)
    by = table["name_by"].value_counts()
    job.say(
        f"{by.get('tomtom', 0)} of {len(table)} seqlets are named by Tomtom, {by.get('hit', 0)} by "
        f"a match over two neighbours; {step.name_rate} of random spans are named"
    )
    with job.product("table") as path:
        write_parquet(table, path, SCHEMA, job.provenance())
    with job.product("bed") as path:
        write_seqlet_bed(table, path)
    with job.product("summary") as path:
        write_tsv(pd.concat(summaries, ignore_index=True), path)
