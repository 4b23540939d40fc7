"""Functions of the rules of discover."""

from cisweep.plan.contents.discover import JOB_SECONDS
from cisweep.steps.discover import discovered


def discovered_of(model, files, ending):
    """Return products of the discovery beside `<target>.modisco.h5`; model: None for paths below
    the model's folder."""
    folder = "" if model is None else f"{RESULTS}/{model}/"
    return [folder + path.removesuffix("modisco.h5") + ending for path in files]


def discovery_figures(files):
    """Return the figures beside `<target>.modisco.h5`, below the model's folder."""
    names = (Path(path).name.removesuffix(".modisco.h5") for path in files)
    return [f"figures/discover.{name}.svg" for name in names]


def discovered_files(suffix):
    """Return a product of the motif discovery of all targets of all models, in the order of the run."""
    step = PLAN.step_config("discover")
    pairs = [] if step is None else discovered(step, PLAN.models)
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


def discover_minutes(n_targets):
    """Return the time of motif discovery, minutes: about five times 0.1 s a seqlet of each sign, and
    four times what the targets take as they were dealt to jobs."""
    step = PLAN.step_config("discover")
    return 30 + step.max_seqlets // 60 + 4 * JOB_SECONDS // 60 * (n_targets > 1)
