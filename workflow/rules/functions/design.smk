"""Functions of the rules of design."""

from cisweep.plan.contents.design import design_chunks, design_models


def design_files(*names):
    """Return the input function that lists files of the step's config, nothing if it is off."""
    step = PLAN.step_config("design")
    found = [] if step is None else [getattr(step, name) for name in names]
    return lambda wildcards: [str(path) for path in found if path is not None]


def design_usual(wildcards):
    """Return the run's BED file where it says what composition is usual."""
    step, bed = PLAN.step_config("design"), PLAN.config.regions.bed
    return [] if step is None or step.composition or not bed else [str(bed)]


def design_weights(wildcards):
    """Return the files that determine the output of the models that take part."""
    return weights_of(*design_models(PLAN))


def design_parts(suffix):
    """Return the input function that lists the chunk files of the designs."""
    return lambda wildcards: [
        f"{RESULTS}/design/chunks/{chunk}.{suffix}" for chunk in design_chunks(PLAN)
    ]
