"""Functions of the rules of ism."""


def ism_option(name):
    """Return an option of the step ism, or nothing if it is off."""
    return getattr(PLAN.step_config("ism"), name) if PLAN.is_on("ism") else None


def ism_peaks(wildcards):
    """Return the peaks that are mutated, or nothing if a BED says which regions are, or all."""
    chosen = PLAN.is_on("select") and ism_option("bed") is None
    return [f"{RESULTS}/{wildcards.model}/ism/regions.bed"] if chosen else []
