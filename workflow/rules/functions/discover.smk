"""Functions of the rules of discover."""

from cisweep.steps.discover import discovered


def discovered_files(suffix):
    """Return a product of the motif discovery of all targets of all models, in the order of the run."""
    pairs = discovered(PLAN.models) if PLAN.is_on("discover") else []
    return [
        f"{RESULTS}/{model}/discover/{PLAN.models[model].file_names[target]}.{suffix}"
        for model, target in pairs
    ]


def discover_mb():
    """Return the memory of motif discovery, MB: twice what benchmarks/DISCOVER.md measured, which is
    0.5 GB, 0.15 MB a seqlet and 50 kB a region of 400 bp."""
    step = PLAN.step_config("discover")
    if step is None:
        return 0
    regions = step.max_regions * (step.window_bp + 80) / 400
    return int(2 * (500 + 0.15 * step.max_seqlets + 0.05 * regions))


def discover_minutes():
    """Return the time of motif discovery, minutes: about five times 0.1 s a seqlet of each sign."""
    step = PLAN.step_config("discover")
    return 0 if step is None else 30 + step.max_seqlets // 60
