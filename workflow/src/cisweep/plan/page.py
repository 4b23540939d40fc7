"""What the page says of a run beside its products, and the key by which the page is made again."""

from pathlib import Path
from typing import Any

from cisweep.config.target_table import shortened
from cisweep.contracts import digest
from cisweep.plan.plan import Plan
from cisweep.steps import all_steps


def page_key(plan: Plan, step_name: str) -> str:
    """Return a hash of what the page, a step's product, shows beside other products."""
    step, config = all_steps()[step_name], plan.step_config(step_name)
    doubts = [line for model in plan.models.values() for line in model.weaknesses()]
    parts = [summary(plan), step.version, *doubts]
    return "" if config is None else digest(*parts, step.settings(config))


def page_figures(plan: Plan) -> list[str]:
    """Return the figures that the page's job writes, SVG under results/<run>/: those that the page
    draws itself. Of other figures the steps make files."""
    found = []
    for name, step in plan.steps.items():
        for model in (None, *plan.models):
            config = plan.model_of(name, model) if model else None
            if config is None or (step.takes_model(config) and config.targets):
                drawn = step.drawn(plan.step_config(name), config)
                found += [f"figures/{model or name}.{figure}.svg" for figure in drawn]
    return found


def target_page(model: str, file_name: str) -> str:
    """Return the page of one target of a model with many, below results/<run>/."""
    return f"targets/{model}.{file_name}.html"


def target_pages(plan: Plan) -> dict[str, tuple[str, str]]:
    """Return the pages of single targets, below results/<run>/ -> (model, target)."""
    return {
        target_page(name, model.file_names[target]): (name, target)
        for name, model in plan.models.items()
        if model.has_many_targets
        for target in model.target_names
    }


def summary(plan: Plan) -> dict[str, str]:
    """Return label -> value: what was run, for a reader."""
    config = plan.config
    found = {"genome": str(config.genome.fasta.name)} if config.genome else {}
    if config.sequences:
        found["sequences"] = config.sequences.name
    if config.regions.tile:
        tile = config.regions.tile
        found["regions"] = f"tiles every {tile.stride_bp} bp"
        if tile.start or tile.end is not None:
            end = "the end" if tile.end is None else f"{tile.end:,}"
            found["regions"] += f" from {tile.start:,} to {end} of {config.regions.chroms}"
    elif config.regions.bed:
        found["regions"] = config.regions.bed.name
    for name, model in plan.models.items():
        targets = shortened(model.target_names, 20)
        folds = f", {len(model.folds)} folds" if len(model.folds) > 1 else ""
        both = ", both strands averaged" if model.rc.average else ""
        found[f"model {name}"] = f"{model.window_bp} bp windows; targets {targets}{both}{folds}"
    if config.motifs:
        found["motifs"] = config.motifs.name
    for name, step in plan.steps.items():
        if step.in_report:
            options = step.settings(plan.step_config(name)).items()
            found[step.title.lower()] = ", ".join(
                f"{k.replace('_', ' ')} {_words(v)}" for k, v in options if v not in (None, [], {})
            )
    return found


def _words(value: Any) -> str:
    """Return a setting as a reader wants it: files by their names, no brackets where one can do."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        inner = (
            f"{k} {_words(v)}".strip() for k, v in value.items() if v not in (None, "", [], {})
        )
        return f"({', '.join(inner)})"
    if isinstance(value, list):
        return " ".join(_words(v) for v in value)
    return Path(value).name if isinstance(value, str) and "/" in value else str(value)
