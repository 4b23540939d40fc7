"""Find the motifs that one target's attributions form; name and draw them."""

import numpy as np

from cisweep.analysis.motifs.discover import (
    DiscoveryOptions,
    discover_motifs,
    found_table,
    patterns_to_motifs,
    trim,
    write_meme,
)
from cisweep.analysis.seqlets.names import NameRules
from cisweep.genome.motifs import load_motifs
from cisweep.job import Job
from cisweep.outputs.attributions import read_hypothetical
from cisweep.outputs.h5 import open_rows, read_windows
from cisweep.outputs.tables import write_tsv
from cisweep.plan.contents.backgrounds import sample_order
from cisweep.plot.discovered import FoundLogo, save_found_logos

with Job(snakemake) as job:  # noqa: F821
    step, target = job.plan.step_config("discover"), job.wildcards.target
    attributions = job.inputs("h5")[0]
    with open_rows(attributions) as file:
        windows = read_windows(file)
    # In an order without meaning, so that the seqlets that are kept come from everywhere.
    rows = sample_order(windows, job.plan.config.seed)[: step.max_regions]
    options = DiscoveryOptions(
        window_bp=step.window_bp,
        target_fdr=step.target_fdr,
        min_seqlets=step.min_seqlets,
        max_seqlets=step.max_seqlets,
        max_sequences=step.max_regions,
        n_leiden_runs=step.n_leiden_runs,
    )
    one_hot, hypothetical = read_hypothetical(attributions, target, rows, options.read_bp)
    with job.product("h5") as path:
        found = discover_motifs(one_hot, hypothetical, path, options, rows, windows.take(rows))
    patterns, motifs = found.patterns, patterns_to_motifs(found.patterns)
    job.say(f"{len(rows)} of {len(windows)} regions, {len(motifs)} motifs")
    for row in found.seqlets.itertuples():
        why = f" ({row.note})" if row.note else ""
        job.say(
            f"{row.sign} attribution: {row.found} seqlets in the central {step.window_bp} bp "
            f"({row.repeated} more at places that belong to other windows), {row.clustered} "
            f"clustered, {row.in_motifs} of them in {row.motifs} motifs{why}"
        )
    with job.product("seqlets") as path:
        write_tsv(found.seqlets, path)
    with job.product("meme") as path:
        write_meme(motifs, path)
    rules = NameRules(step.name_rate, step.nearest, job.plan.config.seed, job.threads)
    table = found_table(patterns, load_motifs(job.plan.config.motifs), one_hot, rules)
    if len(table):
        job.say(table.to_string(index=False))
    with job.product("table") as path:
        write_tsv(table, path)
    with job.product("figure") as path:
        titles = [
            f"{row.pattern} ({row.n_seqlets} seqlets), "
            + (f"{row.motif} {row.motif_id}" if row.motif else "no known motif")
            for row in table.itertuples()
        ]
        contributions = [np.asarray(p.contributions[:, trim(p)]) for p in patterns]
        pwms = [m.pwm for m in motifs]
        save_found_logos([FoundLogo(*x) for x in zip(titles, pwms, contributions)], path)
