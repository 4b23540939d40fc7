"""Functions of the rules of predict."""


def signal_files(wildcards):
    """Return the observed signal that a model's predictions are compared with."""
    signal = PLAN.step_config("predict").signal_of(PLAN.models[wildcards.model])
    return [str(path) for each in signal.values() for path in each.paths]


def signal_key(wildcards):
    """Return what determines the comparison with observed signal, but for the files' bytes."""
    signal = PLAN.step_config("predict").signal_of(PLAN.models[wildcards.model])
    return repr([(name, each.width_bp) for name, each in signal.items()])
