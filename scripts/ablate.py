"""Shuffle the hits of each motif out of their windows; write what is lost."""

from cisweep.genome.backgrounds import choose_motifs, region_windows
from cisweep.genome.fasta import window_tokens
from cisweep.genome.motifs import load_motifs
from cisweep.job import Job
from cisweep.outputs.experiments import strongest_hits, write_experiment
from cisweep.plot.effects import ranked_figure

with Job(snakemake) as job:  # noqa: F821
    from cisweep.analysis.averaging import FoldedModel
    from cisweep.analysis.experiment_jobs import predictor
    from cisweep.analysis.experiments import ablation_table, hit_ablations, hits_in_windows

    plan, step = job.plan, job.plan.step_config("ablate")
    config = plan.models[job.model]
    motifs = {m.name for m in choose_motifs(load_motifs(plan.config.motifs), step.motifs)}
    hits = strongest_hits(job.inputs("hits")[0], motifs, step.max_hits)
    peaks = job.inputs("peaks")
    regions = region_windows(plan, job.model, peaks[0] if peaks else None)
    hits, windows, spans = hits_in_windows(hits, regions)
    tokens = window_tokens(plan.source, windows.chrom, windows.start, windows.end)
    with job.device() as device:
        effects = hit_ablations(
            predictor(FoldedModel.load(config, device), step.batch_size),
            windows,
            tokens,
            spans,
            n_shuffles=step.n_shuffles,
            seed=plan.config.seed,
        )
    job.say(f"{len(hits)} hits of {hits['motif'].nunique()} motifs shuffled out")
    table = ablation_table(hits, effects, config.target_names)
    with job.product("table") as path:
        write_experiment(table, path, job.provenance())
    with job.product("figure") as path:
        ranked_figure(
            table.assign(
                effect=-table["effect"], ci_low=-table["ci_high"], ci_high=-table["ci_low"]
            ),
            path,
            "loss of prediction",
        )
