"""What of the step ablate can be known to be wrong before any job."""

from functools import partial

from cisweep.errors import ConfigError
from cisweep.plan.contents import Check
from cisweep.plan.contents.motifs import choose_motifs
from cisweep.plan.plan import Plan


def checks(plan: Plan) -> list[Check]:
    """Return the checks of its motifs and of the regions that it needs."""
    return [partial(_check, plan)]


def _check(plan: Plan) -> None:
    choose_motifs(plan.known_motifs, plan.step_config("ablate").motifs, "steps.ablate.motifs")
    if plan.given is None and not plan.is_on("select"):
        raise ConfigError(
            "hits are ablated in regions, and the regions are tiles",
            where="steps.ablate",
            mend="turn on the step select, or give regions.bed",
        )
