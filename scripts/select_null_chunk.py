"""Predict shuffled stretches of the genome and call their peaks: the null of the peaks."""

from cisweep.job import Job
from cisweep.outputs.peaks import write_null
from cisweep.plan.contents.null_stretches import NullStretches

with Job(snakemake) as job:  # noqa: F821
    from cisweep.analysis.prediction.peak_null import null_peaks
    from cisweep.analysis.prediction.windows import predict_windows
    from cisweep.models.ensemble import Ensemble

    plan, config = job.plan, job.plan.models[job.model]
    found = NullStretches(plan, job.model)
    rows, batch_size = found.chunks[job.chunk], plan.step_config("predict").batch_size
    with job.device(tf32=plan.config.tf32) as device:
        model = Ensemble.load(config, device)

        def predict(windows, tokens):
            """Return the predictions (N, T) of shuffled windows."""
            inputs = plan.inputs(job.model, windows)
            return predict_windows(model, windows, tokens, inputs, batch_size=batch_size).mean

        nulls = null_peaks(
            map(found.place, found.drawn[rows.start : rows.stop]),
            len(config.targets),
            predict,
            draws=found.draws,
            seed=plan.config.seed,
            distance_bp=found.distance_bp,
        )
    job.say(f"{nulls[0].n_windows} shuffled windows predicted ({found.draws} draws of each place)")
    scores = {t: null.scores for t, null in zip(config.target_names, nulls)}
    with job.product("null") as path:
        write_null(path, scores, nulls[0].n_windows)
