"""Put every motif into background windows; write its effect on each target."""

from cisweep.genome.backgrounds import choose_motifs
from cisweep.genome.motifs import load_motifs
from cisweep.job import Job
from cisweep.outputs.experiments import write_experiment
from cisweep.plot.effects import ranked_figure

with Job(snakemake) as job:  # noqa: F821
    from cisweep.analysis.averaging import FoldedModel
    from cisweep.analysis.experiment_jobs import make_backgrounds, predictor
    from cisweep.analysis.experiments import marginal_effects

    plan, step = job.plan, job.plan.step_config("marginalize")
    config = plan.models[job.model]
    peaks = job.inputs("peaks")
    motifs = choose_motifs(load_motifs(plan.config.motifs), step.motifs)
    with job.device() as device:
        predict = predictor(FoldedModel.load(config, device), step.batch_size)
        backgrounds = make_backgrounds(
            predict, plan, job.model, step.backgrounds, step.n_backgrounds,
            peaks[0] if peaks else None,
        )  # fmt: skip
        table = marginal_effects(predict, backgrounds, motifs, config.target_names)
    job.say(table[table["rank"] <= 3].to_string(index=False))
    with job.product("table") as path:
        write_experiment(table, path, job.provenance())
    with job.product("figure") as path:
        ranked_figure(table, path)
