"""Functions of the rules of seqlets."""


def beside_attributions(wildcards):
    """Return the attributions of the chunks beside the job's."""
    near = near_chunk_paths("attribute", "h5")(wildcards)
    return [path for path in near if Path(path).stem != wildcards.chunk]


def uncounted_attributions(wildcards):
    """Return the attributions of all chunks, if no file of peaks says how many windows there are."""
    return [] if PLAN.is_on("select") else chunk_paths("attribute", "h5")(wildcards)


def ranked_hits(wildcards):
    """Return the hits of the job's model and what drives its targets, if hits are looked for."""
    names = ("hits.parquet", "motif_ranking.tsv", "motif_families.tsv")
    return [f"{RESULTS}/{wildcards.model}/{name}" for name in names if PLAN.is_on("hits")]
