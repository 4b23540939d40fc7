"""Train one fold of a recipe and judge it on what it held out."""

import shutil
from pathlib import Path

from cisweep.job import Job
from cisweep.steps.train import with_tracks

with Job(snakemake) as job:  # noqa: F821
    from cisweep.train import RunOptions, train_fold
    from cisweep.train.products import fold_record, masked_text, weaknesses, write_fold

    folder = Path(job.plan.results) / "train" / job.model / "tracks"
    recipe = with_tracks(job.plan.step_config("train").models[job.model], folder)
    scratch = Path(job.params.scratch)
    with job.device(torch_threads=job.threads) as device:
        options = RunOptions(device, scratch, progress=True)
        trained = train_fold(recipe, int(job.wildcards.fold), options)
    job.say(f"{trained.summary}")
    job.say(masked_text(trained.summary) or "no label is masked")
    for line in weaknesses(recipe, [fold_record(trained)]):
        job.warn(line)
    with (
        job.product("weights") as weights,
        job.product("heldout") as heldout,
        job.product("record") as record,
    ):
        write_fold(trained, weights, heldout, record)
    # Only now is the checkpoint of no more use.
    shutil.rmtree(scratch, ignore_errors=True)
