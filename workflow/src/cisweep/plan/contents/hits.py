"""What of the step hits can be known to be wrong before any job."""

from functools import partial

from cisweep.plan.contents import Check
from cisweep.plan.contents.motifs import refuse_wide
from cisweep.plan.plan import Plan

MOST_CHUNKS = 500
"""A scan takes seconds where attributions take minutes: of a large genome a job scans several."""


def checks(plan: Plan) -> list[Check]:
    """Return the check that a window of each model can hold each motif."""
    return [partial(_check_widths, plan)]


def _check_widths(plan: Plan) -> None:
    for name, model in plan.models.items():
        if not model.is_language_model:
            reader, where = f"model {name} reads", f"motifs ({plan.config.motifs})"
            mend = "take it out of the motif file"
            refuse_wide(plan.known_motifs, model.window_bp, reader, where=where, mend=mend)
