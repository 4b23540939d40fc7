"""Explain the selected windows of one chunk."""

from cisweep.job import Job
from cisweep.outputs.attributions import write_chunk
from cisweep.outputs.tables import write_dropped
from cisweep.plan.chunk_windows import usable_windows

with Job(snakemake) as job:  # noqa: F821
    step, config = job.plan.step_config("attribute"), job.plan.models[job.model]
    peaks = job.inputs("peaks")
    found = usable_windows(job.plan, job.model, job.chunk, peaks[0] if peaks else None)
    with job.reuse(*found.digests, leave_out=("peaks",)) as unchanged:
        if not unchanged:
            from cisweep.analysis.attribution.references import references_of
            from cisweep.analysis.attribution.windows import attribute_windows
            from cisweep.models.ensemble import Ensemble

            with job.device() as device:
                attributions = attribute_windows(
                    Ensemble.load(config, device),
                    found.windows,
                    found.tokens,
                    job.plan.inputs(job.model, found.windows),
                    references_of(step, job.plan.config.seed, job.threads),
                    batch_size=step.batch_size,
                    method=step.method,
                )
            job.say(f"{len(found.windows)} windows explained")
            with job.product("h5") as path:
                write_chunk(
                    path,
                    found.windows,
                    found.tokens,
                    config.target_names,
                    attributions,
                    step.save_bp if step.hypothetical else None,
                    job.provenance(),
                )
            with job.product("dropped") as path:
                write_dropped(found.dropped, "attribute", job.model, path)
