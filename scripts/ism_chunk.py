"""Predict every substitution of the chosen windows of one chunk."""

from cisweep.job import Job
from cisweep.outputs.mutagenesis import write_chunk
from cisweep.outputs.tables import write_dropped
from cisweep.plan.contents.ism import IsmRegions

with Job(snakemake) as job:  # noqa: F821
    regions, config = IsmRegions(job.plan), job.plan.models[job.model]
    peaks = job.inputs("peaks")
    found = regions.windows(job.model, job.chunk, peaks[0] if peaks else None)
    with job.reuse(*found.digests, leave_out=("peaks",)) as unchanged:
        if not unchanged:
            from cisweep.analysis.mutagenesis.windows import mutate_windows
            from cisweep.models.ensemble import Ensemble

            span = regions.span(job.model)
            with job.device() as device:
                mutants = mutate_windows(
                    Ensemble.load(config, device),
                    found.windows,
                    found.tokens,
                    job.plan.inputs(job.model, found.windows),
                    span=span,
                    batch_size=regions.step.batch_size,
                )
            job.say(f"{len(found.windows)} windows mutated")
            attrs = {**job.provenance(), "span_start": span[0], "span_end": span[1]}
            with job.product("h5") as path:
                write_chunk(path, found.windows, found.tokens, config.target_names, mutants, attrs)
            with job.product("dropped") as path:
                write_dropped(found.dropped, "ism", job.model, path)
