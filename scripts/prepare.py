"""Load the model, run one window through each fold, and note the model's identity."""

import json

from cisweep.config.model import file_sha256
from cisweep.contracts import digest
from cisweep.job import Job

with Job(snakemake) as job:  # noqa: F821
    from cisweep.models import load_model

    config = job.plan.models[job.model]
    hashes = {path.name: file_sha256(path) for path in config.files()}
    for fold, known in enumerate(config.folds):
        model = load_model(config, fold)
        if known.hub is not None:
            hashes[known.hub] = model.commit
    note = {
        "model": job.model,
        "window_bp": config.window_bp,
        "targets": config.target_names,
        "files": hashes,
        "model_sha256": digest(sorted(hashes.items()))
        if len(hashes) > 1
        else next(iter(hashes.values())),
        "source": job.plan.source.identity,
    }
    with job.product("prepared") as path:
        path.write_text(json.dumps(note, indent=1, sort_keys=True) + "\n")
