"""Write the page of the run from its merged products."""

import json
from pathlib import Path

from cisweep.genome.accounting import n_regions
from cisweep.genome.motifs import load_motifs
from cisweep.job import Job
from cisweep.outputs.tables import read_tsv
from cisweep.report.content import read_model, run_times
from cisweep.report.page import Page, render

with Job(snakemake) as job:  # noqa: F821
    plan, step = job.plan, job.plan.step_config("report")
    dropped = read_tsv(job.inputs("dropped")[0])
    models = [
        read_model(
            Path(plan.results) / name,
            name,
            [(t.name, t.scale) for t in model.targets],
            n_regions(plan, name),
            dropped,
            step.top_regions,
            step.top_motifs,
        )
        for name, model in plan.models.items()
    ]
    motifs = load_motifs(plan.config.motifs) if plan.config.motifs else []
    page = Page(
        run=plan.config.run,
        models=models,
        matrices={m.name: m.pwm for m in motifs},
        settings=plan.summary(),
        times=run_times(Path(plan.results)),
        provenance=json.loads(job.inputs("provenance")[0].read_text()),
    )
    with job.product("html") as path:
        render(page, path)
