"""Functions of the rules of train."""

from cisweep.steps.train import n_folds, read_files, with_tracks

TRAIN = f"{RESULTS}/train"
RECIPES = PLAN.step_config("train").models if PLAN.is_on("train") else {}


def recipe_key(wildcards):
    """Return the hash of a model's recipe, without the names of its files."""
    return RECIPES[wildcards.model].key()


def repeat_command():
    """Return the command that makes the run again, its configs named from the workflow's folder."""
    return driver.repeat_command(
        workflow.overwrite_configfiles, workflow.config_settings.config, Path(ROOT)
    )


def counted_recipe(model):
    """Return a model's recipe, with the tracks that the run makes in place of reads."""
    return with_tracks(RECIPES[model], Path(TRAIN) / model / "tracks")


def counted_reads(wildcards):
    """Return the file of reads that a track is made from, and its index, if it has one."""
    path = read_files(RECIPES[wildcards.model])[int(wildcards.file)]
    indices = [f"{path}.bai", path.with_suffix(".bai"), f"{path}.csi"]
    return [str(path), *[str(i) for i in indices if path.suffix == ".bam" and Path(i).exists()]]


def folds(pattern):
    """Return the paths of a pattern with {fold}, for all folds of the job's model."""
    return lambda wildcards: [
        f"{TRAIN}/{wildcards.model}/{pattern.format(fold=fold)}"
        for fold in range(n_folds(RECIPES[wildcards.model]))
    ]
