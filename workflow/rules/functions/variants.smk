"""Functions of the rules of variants."""


def variant_file(wildcards):
    """Return the variant file of the config, or nothing if the step is off."""
    step = PLAN.step_config("variants")
    return [] if step is None else [str(step.path)]


def changed_hits(model, files):
    """Return the tables of hits beside the logos of alleles."""
    names = (Path(path).name.removesuffix(".logos.svg") for path in files)
    return [f"{RESULTS}/{model}/{name}.hits.tsv" for name in names]


def top_variants():
    """Return how many of the strongest variants are explained."""
    step = PLAN.step_config("variants")
    return 0 if step is None else step.top_n


def variant_predictions(wildcards):
    """Return the predictions among which the alleles are ranked, if they are made."""
    return [f"{RESULTS}/{wildcards.model}/predictions.h5"] if PLAN.is_on("predict") else []


def base_counts(wildcards):
    """Return the counted bases of the source, the background of hits, where there are motifs."""
    return [f"{RESULTS}/base_counts.json"] if PLAN.config.motifs else []
