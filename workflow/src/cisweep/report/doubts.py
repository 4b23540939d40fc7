"""What is known against a model, repeated on the page wherever its weak targets are named."""

from dataclasses import replace

from cisweep.config.model import ModelConfig
from cisweep.report.blocks import Heading, Note, Section


def doubt(section: Section, model: str, config: ModelConfig, first: bool) -> None:
    """Add a model's weaknesses to a section: to its headings, each beside the target's name, and,
    if it is the first one of the model, as notes and headlines."""
    targets = {} if config.quality is None else config.quality.targets
    weak = {name: "; ".join(q.remarks) for name, q in targets.items() if q.remarks}
    section.blocks = [
        replace(block, text=_marked(block.text, weak)) if isinstance(block, Heading) else block
        for block in section.blocks
    ]
    if first and (lines := config.weaknesses()):
        section.blocks = [Note(f"Warning: {line}.") for line in lines] + section.blocks
        section.headlines = [f"Model {model}: {line}." for line in lines] + section.headlines


def _marked(text: str, weak: dict[str, str]) -> str:
    """Return a heading `Target x…` with the remarks on x behind its name."""
    # A name may hold a colon: the longest that fits is meant.
    for name in sorted(weak, key=len, reverse=True):
        head = f"Target {name}"
        if text == head or text.startswith(f"{head}:"):
            return f"{head} (warning: {weak[name]}){text[len(head) :]}"
    return text
