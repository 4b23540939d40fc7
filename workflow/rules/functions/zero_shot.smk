"""Functions of the rules of zero_shot."""


def zero_shot_files(wildcards):
    """Return the files of pairs of the config."""
    step = PLAN.step_config("zero_shot")
    pairs = [] if step is None else step.pairs
    return [str(path) for pair in pairs for path in (pair.ref, pair.alt)]


def zero_shot_variants():
    """Return the selected variants, where these are scored."""
    step = PLAN.step_config("zero_shot")
    wanted = step is not None and not step.pairs and PLAN.is_on("variants")
    return [f"{RESULTS}/variants/selected.parquet"] if wanted else []


def variant_trim():
    """Return where the windows of indels are trimmed, if there are variants."""
    step = PLAN.step_config("variants")
    return "" if step is None else step.trim
