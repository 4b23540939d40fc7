"""Functions of the rules of seqlets."""

from cisweep.plan.contents import chunk_over


def beside_attributions(wildcards):
    """Return the attributions of the chunks beside the job's."""
    own = set(attributions_in("seqlets")(wildcards))
    return [path for path in attributions_in("seqlets", beside=1)(wildcards) if path not in own]


def null_attributions(wildcards):
    """Return the attributions of shuffled windows among which the job's are."""
    chunk = chunk_over(PLAN, "seqlets", "seqlets_null", wildcards.chunk)
    return f"{RESULTS}/{wildcards.model}/chunks/seqlets_null/{chunk}.h5"


def uncounted_attributions(wildcards):
    """Return the attributions of all chunks, if no file of peaks says how many windows there are."""
    return [] if PLAN.is_on("select") else chunk_paths("attribute", "h5")(wildcards)


def ranked_hits(wildcards):
    """Return the hits of the job's model and what drives its targets, if hits are looked for."""
    names = ("hits.parquet", "motif_ranking.tsv", "motif_families.tsv")
    return [f"{RESULTS}/{wildcards.model}/{name}" for name in names if PLAN.is_on("hits")]
