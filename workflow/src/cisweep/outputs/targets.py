"""What is known of a model's targets and tracks, as a table."""

import pandas as pd

from cisweep.config.model import ModelConfig

_COLUMNS = ("target", "file_name", "kind", "scale", "group", "color")


def targets_table(config: ModelConfig, tracks: bool = False) -> pd.DataFrame:
    """Return one row a target (and track), in order, columns those of products.run.TARGETS.

    Further columns are those of the table that targets are from.
    """
    shown = [*config.targets, *(config.tracks if tracks else ())]
    names = [each.name for each in shown]
    found = pd.DataFrame({"target": names, "file_name": [config.file_names[n] for n in names]})
    n, rest = len(config.targets), len(shown) - len(config.targets)
    found["kind"] = ["target"] * n + ["track"] * rest
    for key in ("scale", "group", "color"):
        found[key] = [getattr(t, key) or "" for t in config.targets] + [""] * rest
    for name in dict.fromkeys(name for target in config.targets for name in target.annotation):
        values = [target.annotation.get(name, "") for target in config.targets] + [""] * rest
        found[f"table_{name}" if name in _COLUMNS else name] = values
    return found
