"""Put a block of pairs of motifs into background windows over a range of distances."""

from cisweep.job import Job
from cisweep.outputs.experiments import read_backgrounds, write_experiment
from cisweep.plan.contents.space import chunks, spaced_pairs

with Job(snakemake) as job, job.reuse(leave_out=("motifs",)) as unchanged:  # noqa: F821
    if not unchanged:
        from cisweep.analysis.perturbation.experiments import Backgrounds, spacing_effects
        from cisweep.analysis.perturbation.windows import predictor

        plan, step = job.plan, job.plan.step_config("space")
        config, pairs = plan.models[job.model], spaced_pairs(plan)
        with job.device() as device:
            table = spacing_effects(
                predictor(plan, job.model, device, step.batch_size),
                Backgrounds(*read_backgrounds(job.inputs("backgrounds")[0])),
                [pairs[i] for i in chunks(plan, job.model)[job.chunk]],
                step.distances,
                step.orientations,
                config.target_names,
            )
        with job.product("table") as path:
            write_experiment(table, path, job.provenance())
