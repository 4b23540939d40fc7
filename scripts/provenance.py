"""Write what the products of a run were made from."""

import json
from importlib.metadata import version

from cisweep.job import Job
from cisweep.parts import read_json

with Job(snakemake) as job:  # noqa: F821
    note = {
        **{k: v for k, v in job.provenance().items() if k != "model_sha256"},
        "models": {n["model"]: n for n in map(read_json, job.inputs("prepared"))},
        "source": job.plan.source.identity,
        "config": job.plan.config.model_dump(mode="json"),
        "packages": {p: version(p) for p in ("snakemake", "torch", "numpy", "h5py", "pyBigWig")},
    }
    with job.product("json") as path:
        path.write_text(json.dumps(note, indent=1, sort_keys=True) + "\n")
