"""Functions of the rules of attribute."""


def attribution_limits():
    """Return how incomplete attributions may be, and what then happens."""
    step = PLAN.step_config("attribute")
    return "" if step is None else f"{step.max_delta} {step.on_incomplete}"


def save_bp():
    """Return the central bases whose hypothetical attributions are kept."""
    step = PLAN.step_config("attribute")
    return 0 if step is None else step.save_bp
