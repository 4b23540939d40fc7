"""Functions of the rules of hits."""


def near_attributions(wildcards):
    """Return the attributions of a chunk and of those beside it, if there are any."""
    return attributions_in("hits", beside=1)(wildcards) if PLAN.is_on("attribute") else []


def peaks_without_attributions(wildcards):
    """Return the peaks, if they are scanned without having been attributed."""
    step = PLAN.step_config("hits")
    scanned = step is not None and step.over == "regions" and not PLAN.is_on("attribute")
    return peaks(wildcards) if scanned else []


def attributions_without_peaks(wildcards):
    """Return the attributions of all chunks, if no file of peaks says which windows there are."""
    return [] if PLAN.is_on("select") else chunk_paths("attribute", "h5")(wildcards)


def merged_attributions(wildcards):
    """Return the merged attributions of the job's model, if there are any."""
    return [f"{RESULTS}/{wildcards.model}/attributions.h5"] if PLAN.is_on("attribute") else []


def hits_null_size_file(wildcards):
    """Return where the copies of motifs are looked for, if there are attributions."""
    path = f"{RESULTS}/{wildcards.model}/chunks/hits/null_size.json"
    return [path] if PLAN.is_on("attribute") else []


def near_chunk_keys(wildcards):
    """Return the hash of the regions of a chunk and of those beside it."""
    return [
        PLAN.chunk_key(wildcards.model, chunk)
        for chunk in chunks_in(PLAN, "hits", wildcards.model, wildcards.chunk, beside=1)
    ]
