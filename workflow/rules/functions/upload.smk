"""Functions of the rule upload."""

from snakemake.io import flag

from cisweep.storage import stored


def uploaded():
    """Return the folder in S3 that the run is copied to; nothing without one."""
    if PLAN.config.upload is None:
        return []
    name = f"{PLAN.config.upload}/{PLAN.config.run}"
    try:
        # `directory()` refuses objects; its flag is what --default-storage-provider gives a folder.
        return flag(stored(storage, name), "directory")
    except CisweepError as error:
        raise WorkflowError(f"cisweep: {error}") from None
