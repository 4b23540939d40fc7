"""Functions of the rules of select."""

from cisweep.plan.contents.null_stretches import NullStretches

NULL_STRETCHES = {model: NullStretches(PLAN, model) for model in PLAN.models}


def null_chunks(wildcards):
    """Return the chunk files of the null of the peaks, none where it is not drawn."""
    chunks = NULL_STRETCHES[wildcards.model].chunks
    return [f"{RESULTS}/{wildcards.model}/chunks/select_null/{chunk}.npz" for chunk in chunks]


def null_settings(wildcards):
    """Return the hash of how the null of the peaks is drawn."""
    return NULL_STRETCHES[wildcards.model].settings


def null_key(wildcards):
    """Return the hash of the windows that are shuffled in the job's chunk."""
    return NULL_STRETCHES[wildcards.model].key(wildcards.chunk)
