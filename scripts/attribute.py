"""Merge the attributions of all chunks; check that they add up to the predictions."""

from cisweep.errors import AttributionError
from cisweep.job import Job
from cisweep.outputs.attributions import check_complete, summarise
from cisweep.outputs.h5 import merge
from cisweep.outputs.tables import write_tsv

with Job(snakemake) as job:  # noqa: F821
    step, targets = job.plan.step_config("attribute"), job.plan.models[job.model].target_names
    with job.product("h5") as path:
        job.say(f"{merge(job.inputs('chunks'), path, job.provenance())} windows")
        summary = summarise(path, targets)
        job.say(summary.to_string(index=False))
        try:
            check_complete(summary, step.max_delta)
        except AttributionError as error:
            if step.on_incomplete == "fail":
                raise
            job.say(f"warning: {error}")
    with job.product("summary") as path:
        write_tsv(summary, path)
