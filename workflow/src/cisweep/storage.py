"""Object storage by Snakemake's plugin for S3: inputs that are fetched, results that are copied."""

import importlib.util
from typing import Any

from cisweep.errors import ConfigError

_PLUGIN = "snakemake_storage_plugin_s3"


def check_local(settings: Any) -> None:
    """Raise a ConfigError if Snakemake is to keep what jobs write anywhere but in their folder.

    settings: of the storage, as Snakemake has read them from the command line.
    """
    mend = (
        "leave it out; inputs may be s3://bucket/key in the config, and `upload: "
        "s3://bucket/folder` there copies the complete run (docs/cluster.md)"
    )
    why = "jobs read what stands beside their inputs, and so share one folder"
    if settings.default_storage_provider is not None:
        raise ConfigError(why, where="--default-storage-provider", mend=mend)
    shared = {str(each) for each in settings.shared_fs_usage}
    if "input-output" not in shared:
        raise ConfigError(why, where="--shared-fs-usage", mend=mend)


def stored(storage: Any, name: str) -> Any:
    """Return what a rule declares for the object `name` (s3://…), from Snakemake's `storage`.

    Raises a ConfigError where the plugin is not installed.
    """
    if importlib.util.find_spec(_PLUGIN) is None:
        raise ConfigError(
            "needs snakemake-storage-plugin-s3, which is not installed", where=name,
            mend="pip install 'cisweep[s3]'",
        )  # fmt: skip
    return storage.s3(name)


def stored_object(storage: Any, name: str) -> Any:
    """Return the object itself, a `cisweep.plan.stored_inputs.StoredObject`."""
    return stored(storage, name).flags["storage_object"]
