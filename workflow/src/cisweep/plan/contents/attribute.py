"""What of the step attribute can be known to be wrong before any job."""

from functools import partial

from cisweep.config.import_paths import check_import
from cisweep.plan.contents import Check
from cisweep.plan.plan import Plan


def checks(plan: Plan) -> list[Check]:
    """Return the check of the user's own function of references."""
    references = plan.step_config("attribute").references
    own = ":" in references
    return [partial(check_import, references, "steps.attribute.references")] if own else []
