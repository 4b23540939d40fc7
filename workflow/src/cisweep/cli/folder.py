"""Where the workflow lies: Snakefile, rules, profiles and the demo's files."""

from pathlib import Path

import cisweep


def workflow_folder() -> Path:
    """Return the folder of the Snakefile: within the installed package, or the clone's own."""
    package = Path(cisweep.__file__).parent
    installed = package / "_workflow"
    return installed if installed.is_dir() else package.parents[2]
