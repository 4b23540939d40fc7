"""Functions of the rules of report."""

from cisweep.outputs.browser import browser_tracks
from cisweep.plan.page import page_key
from cisweep.steps.report import HUB_FILES


def browser_files():
    """Return the merged products that a genome browser shows."""
    found = browser_tracks(path.removeprefix(f"{RESULTS}/") for path in PLAN.products())
    return [f"{RESULTS}/{track.path}" for track in found]


def hub_files():
    """Return the files of the UCSC track hub, if one is wanted."""
    step = PLAN.step_config("report")
    wanted = step is not None and step.hub is not None and PLAN.is_genome
    return [f"{RESULTS}/{name}" for name in HUB_FILES] if wanted else []
