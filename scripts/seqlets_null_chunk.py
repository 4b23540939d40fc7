"""Explain shuffled sequences of a chunk, the null of the seqlets' FDR."""

from cisweep.job import Job
from cisweep.outputs.attributions import write_chunk
from cisweep.outputs.h5 import open_rows, read_windows
from cisweep.parts import read_json

with Job(snakemake) as job, job.reuse() as unchanged:  # noqa: F821
    if not unchanged:
        from cisweep.analysis.attribution.references import references_of, shuffled_windows
        from cisweep.analysis.attribution.windows import attribute_windows
        from cisweep.analysis.seqlets.fdr import NullSize
        from cisweep.models.ensemble import Ensemble

        step, config = job.plan.step_config("attribute"), job.plan.models[job.model]
        seed = job.plan.config.seed
        with open_rows(job.inputs("h5")[0]) as file:
            windows, tokens = read_windows(file), file["tokens"][:]
        size = NullSize(**read_json(job.inputs("null_size")[0]))
        windows, tokens = shuffled_windows(windows, tokens, seed, size)
        with job.device() as device:
            found = attribute_windows(
                Ensemble.load(config, device),
                windows,
                tokens,
                job.plan.inputs(job.model, windows),
                references_of(step, seed, job.threads),
                batch_size=step.batch_size,
                method=step.method,
            )
        with job.product("h5") as path:
            write_chunk(path, windows, tokens, config.target_names, found, None, job.provenance())
