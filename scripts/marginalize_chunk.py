"""Put a block of motifs into the background windows."""

from cisweep.job import Job
from cisweep.outputs.experiments import read_backgrounds, write_experiment
from cisweep.plan.contents.marginalize import chunks, marginal_motifs

with Job(snakemake) as job, job.reuse(leave_out=("motifs",)) as unchanged:  # noqa: F821
    if not unchanged:
        from cisweep.analysis.perturbation.experiments import Backgrounds, marginal_effects
        from cisweep.analysis.perturbation.windows import predictor

        plan, step = job.plan, job.plan.step_config("marginalize")
        config, motifs = plan.models[job.model], marginal_motifs(plan)
        own = [motifs[i] for i in chunks(plan, job.model)[job.chunk]]
        with job.device() as device:
            table = marginal_effects(
                predictor(plan, job.model, device, step.batch_size),
                Backgrounds(*read_backgrounds(job.inputs("backgrounds")[0])),
                own,
                config.target_names,
            )
        with job.product("table") as path:
            write_experiment(table, path, job.provenance())
