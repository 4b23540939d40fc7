"""Put pairs of motifs into background windows over a range of distances."""

from cisweep.genome.backgrounds import choose_motif, choose_motifs
from cisweep.genome.motifs import load_motifs
from cisweep.job import Job
from cisweep.outputs.experiments import write_experiment
from cisweep.plot.effects import spacing_figure

with Job(snakemake) as job:  # noqa: F821
    from cisweep.analysis.averaging import FoldedModel
    from cisweep.analysis.experiment_jobs import make_backgrounds, predictor
    from cisweep.analysis.experiments import spacing_effects

    plan, step = job.plan, job.plan.step_config("space")
    config = plan.models[job.model]
    peaks = job.inputs("peaks")
    motifs = load_motifs(plan.config.motifs)
    pairs = [(choose_motif(motifs, a), choose_motif(motifs, b)) for a, b in step.pairs]
    if step.product:
        chosen = choose_motifs(motifs, step.motifs)
        pairs += [(a, b) for a in chosen for b in chosen]
    with job.device() as device:
        predict = predictor(FoldedModel.load(config, device), step.batch_size)
        backgrounds = make_backgrounds(
            predict, plan, job.model, step.backgrounds, step.n_backgrounds,
            peaks[0] if peaks else None,
        )  # fmt: skip
        table = spacing_effects(
            predict, backgrounds, pairs, step.distances, step.orientations, config.target_names
        )
    with job.product("table") as path:
        write_experiment(table, path, job.provenance())
    with job.product("figure") as path:
        spacing_figure(table, path)
