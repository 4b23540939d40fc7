"""Shuffle the chosen hits of one chunk out of their windows, and random spans beside them."""

from cisweep.contracts import digest
from cisweep.genome.fasta import window_tokens
from cisweep.job import Job
from cisweep.outputs.experiments import selected_hits, write_experiment

with Job(snakemake) as job:  # noqa: F821
    from cisweep.analysis.perturbation.ablations import effects_of_hits, hit_ablations

    plan, step = job.plan, job.plan.step_config("ablate")
    config = plan.models[job.model]
    hits, windows, spans = selected_hits(job.inputs("selected")[0], plan.layout, job.chunk)
    with job.reuse(digest(hits.to_csv()), leave_out=("selected",)) as unchanged:
        if not unchanged:
            tokens = window_tokens(plan.source, windows.chrom, windows.start, windows.end)
            effects = None
            if len(hits):
                from cisweep.analysis.perturbation.windows import predictor

                with job.device() as device:
                    effects = hit_ablations(
                        predictor(plan, job.model, device, step.batch_size),
                        windows,
                        tokens,
                        spans,
                        n_shuffles=step.n_shuffles,
                        n_controls=step.n_controls,
                        seed=plan.config.seed,
                    )
            job.say(f"{len(hits)} hits shuffled out")
            with job.product("table") as path:
                table = effects_of_hits(hits, effects, config.target_names, step.n_controls)
                write_experiment(table, path, job.provenance())
