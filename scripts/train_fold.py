"""Train one fold of a recipe and judge it on what it held out."""

import shutil
from pathlib import Path

from cisweep.job import Job
from cisweep.jobs.train import FoldProducts, train_fold

with Job(snakemake) as job:  # noqa: F821
    fold, scratch = int(job.wildcards.fold), Path(job.params.scratch)
    with (
        job.device(torch_threads=job.threads) as device,
        job.outputs("weights", "heldout", "record") as out,
    ):
        known = train_fold(job.of_model, fold, scratch, device, FoldProducts(*out))
    job.warn(*known)
    # Only now is the checkpoint of no more use.
    shutil.rmtree(scratch, ignore_errors=True)
