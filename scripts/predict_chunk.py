"""Predict the windows of one chunk."""

from cisweep.job import Job

TRACK_WINDOWS = 1024  # windows that are predicted at once where each has tracks

with Job(snakemake) as job:  # noqa: F821
    from cisweep.analysis.prediction.windows import predict_windows, track_shapes
    from cisweep.models.ensemble import Ensemble
    from cisweep.outputs.predictions import PredictionWriter
    from cisweep.outputs.tables import write_dropped
    from cisweep.plan.chunk_windows import usable_windows

    config, step = job.plan.models[job.model], job.plan.step_config("predict")
    found = usable_windows(job.plan, job.model, job.chunk)
    with job.device(tf32=job.plan.config.tf32) as device:
        model = Ensemble.load(config, device, tracks=step.tracks)
        shapes = track_shapes(model)
        origin, length = job.provenance(), config.window_bp
        with (
            job.product("h5") as path,
            PredictionWriter(path, length, config.target_names, origin, shapes) as writer,
        ):
            for rows in found.windows.blocks(TRACK_WINDOWS if shapes else len(found.windows) or 1):
                windows, tokens = found.windows.take(rows), found.tokens[rows]
                inputs = job.plan.inputs(job.model, windows)
                made = predict_windows(model, windows, tokens, inputs, batch_size=step.batch_size)
                writer.append(windows, tokens, made.mean, made.sd, made.tracks)
    job.say(f"{len(found.windows)} windows predicted, {len(found.dropped)} regions dropped")
    with job.product("dropped") as path:
        write_dropped(found.dropped, "predict", job.model, path)
