"""Merge the distributions of all chunks' attributions into one background a target."""

import json

from cisweep.analysis.seqlets.background import merge, summarise
from cisweep.analysis.seqlets.spans import SpanRules
from cisweep.job import Job
from cisweep.outputs.h5 import open_rows

with Job(snakemake) as job:  # noqa: F821
    step = job.plan.step_config("seqlets")
    rules = SpanRules(step.min_len, step.max_len, step.flanks)
    found = {}
    for target in job.plan.models[job.model].target_names:

        def summaries(target=target):
            """Yield the summary of each chunk, one in memory at a time."""
            for path in job.inputs("chunks"):
                with open_rows(path) as file:
                    yield summarise(file[f"attributions/{target}"][:])

        found[target] = merge(summaries(), step.clip, rules).to_dict()
    with job.product("background") as path:
        path.write_text(json.dumps(found, sort_keys=True) + "\n")
