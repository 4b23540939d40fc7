"""Load each fold of the model, run one window through it, and note the model's identity."""

import json

from cisweep.config.model import model_sha256
from cisweep.job import Job

with Job(snakemake) as job:  # noqa: F821
    from cisweep.models import load_model

    config = job.plan.models[job.model]
    commits = {}
    for fold, known in enumerate(config.folds):
        model = load_model(config, fold)
        if known.hub is not None:
            commits[known.hub] = model.commit
    sha256, hashes = model_sha256(config, commits)
    job.models = {job.model: sha256}
    note = {
        "model": job.model,
        "window_bp": config.window_bp,
        "targets": config.target_names,
        "files": hashes,
        "model_sha256": sha256,
        "commits": commits,
    }
    with job.product("prepared") as path:
        path.write_text(json.dumps(note, indent=1, sort_keys=True) + "\n")
