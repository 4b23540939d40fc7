"""Predict the windows of one chunk."""

from cisweep.job import Job

with Job(snakemake) as job:  # noqa: F821
    from cisweep.analysis.averaging import FoldedModel, predict_windows
    from cisweep.genome.chunk_windows import usable_windows
    from cisweep.genome.signal import model_inputs
    from cisweep.outputs.predictions import write_chunk
    from cisweep.outputs.tables import write_dropped

    config = job.plan.models[job.model]
    found = usable_windows(job.plan, job.model, job.chunk)
    with job.device(tf32=job.plan.config.tf32) as device:
        model = FoldedModel.load(config, device)
        predictions = predict_windows(
            model,
            found.windows,
            found.tokens,
            model_inputs(config, found.windows),
            batch_size=job.plan.step_config("predict").batch_size,
        )
    job.say(f"{len(found.windows)} windows predicted, {len(found.dropped)} regions dropped")
    with job.product("h5") as path:
        write_chunk(
            path,
            found.windows,
            found.tokens,
            config.target_names,
            predictions.mean,
            predictions.sd,
            job.provenance(),
        )
    with job.product("dropped") as path:
        write_dropped(found.dropped, "predict", job.model, path)
