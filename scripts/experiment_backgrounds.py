"""Draw the backgrounds of an experiment and predict them as they are."""

from cisweep.job import Job
from cisweep.outputs.experiments import write_backgrounds

with Job(snakemake) as job:  # noqa: F821
    from cisweep.analysis.perturbation.windows import make_backgrounds, predictor

    plan, step = job.plan, job.plan.step_config(job.wildcards.experiment)
    peaks = job.inputs("peaks")
    if peaks and not peaks[0].stat().st_size:
        job.say("no peak is selected: the backgrounds come from all regions")
    with job.device() as device:
        found = make_backgrounds(
            predictor(plan, job.model, device, step.batch_size),
            plan,
            job.model,
            step,
            peaks[0] if peaks else None,
        )
    job.say(f"{len(found.windows)} backgrounds ({step.backgrounds})")
    with job.product("backgrounds") as path:
        write_backgrounds(path, found.windows, found.tokens, found.before)
