"""What of the step predict can be known to be wrong before any job."""

from functools import partial

from cisweep.genome.signal import check_signal
from cisweep.plan.contents import Check
from cisweep.plan.plan import Plan


def checks(plan: Plan) -> list[Check]:
    """Return the check of the bigWigs that predictions are compared with."""
    paths = [p for each in plan.step_config("predict").signal.values() for p in each.paths]
    if not paths:
        return []
    return [partial(check_signal, paths, plan.wanted_chroms, thoroughly=True)]
