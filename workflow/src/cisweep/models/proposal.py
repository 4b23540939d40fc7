"""A model.yaml for a model of which only the file is known: what it reads and gives, by running it.

Names of targets, their scale and what the mean over strands means are known to people alone; the
notes say what there is to look at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cisweep.config.adapters import declared
from cisweep.config.model import ModelConfig
from cisweep.errors import ModelError, first_line
from cisweep.models.adapters.export import Exported
from cisweep.models.adapters.keras import KerasModel
from cisweep.models.lengths import lengths_of, likely_length
from cisweep.models.loading import attempt, load_model, runs
from cisweep.models.modules import BPNet, ChromBPNet
from cisweep.models.recognition import recognise
from cisweep.models.targets import heads_of
from cisweep.plan.run_config import model_config_of

MOST_TARGETS = 20
"""Tasks that are written out; more are better named in a table."""
_TRIED = 16
_ORDER = (
    *("adapter", "module", "module_args", "key", "strip_prefix", "rename_prefix"),
    *("custom_objects", "trust_pickle", "window_bp", "inputs", "targets", "tracks", "rc", "folds"),
)


@dataclass(frozen=True)
class Proposal:
    """data: what a model.yaml that works holds, in the order of its keys; notes: what of it is a
    guess, and how to tell; config: the same, checked."""

    data: dict[str, Any]
    notes: list[str]
    config: ModelConfig


def propose(given: Mapping[str, Any], folder: Path) -> Proposal:
    """Return the model.yaml that completes what is given of it, for a model.yaml in `folder`.

    given: `folds`, and what is known of the rest; `adapter: auto` is the default.

    Raises
    ------
    ModelError: the model cannot be loaded, or no window goes through it; ConfigError: what is
    given is wrong.
    """
    known: dict[str, Any] = {"adapter": "auto", **given}
    some = {"window_bp": 1, "targets": [{"name": "any"}]}
    config, notes = model_config_of(some | known, folder), []
    if config.is_language_model:
        raise ModelError(
            "a language model has no windows or targets of its own",
            where=str(config.folds[0].weights),
            mend="config/examples/cftr_zero_shot.yaml shows how it is used",
        )
    if declared(config.adapter).recognises:
        notes.append(f"weights: {recognise(config.folds[0].weights).says}")
    model = load_model(config, check=False)
    if "inputs" not in known and (inputs := _inputs(model)):
        known["inputs"] = inputs
        notes.append("inputs: zeros to begin with; config/README.md has the other kinds")
        config = model_config_of(some | known, folder)
        model = load_model(config, check=False)
    if "window_bp" not in known:
        known["window_bp"], note = _window(model, config)
        notes.append(note)
    if "targets" not in known:
        heads = _heads(model, model_config_of(some | known, folder))
        found, more = _targets(model, heads)
        known, notes = found | known, notes + more
    if "rc" not in known:
        known["rc"] = {"average": True}
        notes.append(
            "rc: the mean over both strands; set average: false if the model tells strands apart, "
            "or task_permutation where its tasks change places"
        )
    config = model_config_of(known, folder)
    load_model(config)  # what is proposed works
    rest = {key: value for key, value in known.items() if key not in _ORDER}
    return Proposal({k: known[k] for k in _ORDER if k in known} | rest, notes, config)


def _network(model: nn.Module) -> nn.Module:
    """Return the model within what makes its further inputs."""
    from cisweep.models.loading import ConstantInputs

    return model.model if isinstance(model, ConstantInputs) else model


def _inputs(model: nn.Module) -> list[dict[str, Any]]:
    """Return the inputs beside the sequence, where the model says which it has."""
    controls = getattr(model, "n_control_tracks", 0) if isinstance(model, BPNet) else 0
    if controls:
        return [{"name": "controls", "kind": "zeros", "channels": controls}]
    if not isinstance(model, KerasModel):
        return []
    found: list[dict[str, Any]] = []
    for i, shape in enumerate(model.shapes):
        if i == model.sequence:
            continue
        if len(shape) == 1:
            found.append({"name": f"input_{i}", "kind": "column", "column": f"input_{i}"})
        elif len(shape) == 2:
            length = {} if shape[0] in (None, model.length_bp) else {"length_bp": shape[0]}
            found.append({"name": f"input_{i}", "kind": "zeros", "channels": shape[1], **length})
    return found


def _window(model: nn.Module, config: ModelConfig) -> tuple[int, str]:
    """Return a window that goes through the model, and how sure it is."""
    said = _declared(_network(model))
    if said is not None:
        return said, "window_bp: what the file says"
    found = lengths_of(model, config)
    if found is None:
        raise _closed(model, config)
    shortest, longest = found
    length = likely_length(shortest, longest, lambda n: runs(model, config, n))
    if shortest == longest:
        return length, "window_bp: the one length that goes through"
    span = f"from {shortest} bp on" if longest is None else f"of {shortest} to {longest} bp"
    return length, (
        f"window_bp: a guess. Any window {span} goes through the model; set that of the training"
    )


def _declared(model: nn.Module) -> int | None:
    if isinstance(model, KerasModel):
        return model.length_bp
    if isinstance(model, Exported) and len(model.shapes[0]) == 3:
        length = model.shapes[0][2]
        return length if isinstance(length, int) else None
    return None


def _closed(model: nn.Module, config: ModelConfig) -> ModelError:
    """Return the error of a model that takes no window, with what it says of one."""
    length, where, reason = 1024, str(config.folds[0].weights), ""
    try:
        attempt(model, config, length)
    except Exception as error:
        reason = f": {first_line(error)}"
    try:
        with torch.no_grad():
            model(torch.zeros(2, length, 4))
    except Exception:
        return ModelError(
            f"no window (N, 4, length) goes through the model (of {length} bp{reason})",
            where=where,
            mend="set window_bp to the length that the model was trained on, and declare each "
            "further input under inputs",
        )
    return ModelError(
        "the model reads windows (N, length, 4), letters last",
        where=where,
        mend="give a module of (N, 4, length): a function in nets.py that returns one which calls "
        "yours on X.transpose(1, 2)",
    )


def _heads(model: nn.Module, config: ModelConfig) -> Sequence[Tensor]:
    """Return the outputs for random windows, two at a time as `load_model` runs them."""
    if not runs(model, config, config.window_bp):
        load_model(config)  # its error says what goes through
    generator = torch.Generator().manual_seed(0)
    letters = torch.randint(0, 4, (_TRIED, config.window_bp), generator=generator)
    X = nn.functional.one_hot(letters, 4).transpose(1, 2).float()
    outputs = [
        heads_of(attempt(model, config, config.window_bp, X[i : i + 2]))
        for i in range(0, _TRIED, 2)
    ]
    return [torch.cat(head) for head in zip(*outputs, strict=True)]


def _targets(model: nn.Module, heads: Sequence[Tensor]) -> tuple[dict[str, Any], list[str]]:
    """Return the keys `targets` and others that go with them, and what there is to say."""
    if isinstance(_network(model), BPNet | ChromBPNet):
        return _of_bpnet(heads[0].shape[1]), []
    targets: list[dict[str, Any]] = []
    notes = ["targets: set their names, and scale to logit, log_counts, … as it is"]
    for i, head in enumerate(heads):
        found, more = _of_head(i, head, len(heads) > 1)
        targets, notes = targets + found, notes + more
    if not targets:
        raise ModelError(
            f"the outputs are {', '.join(map(_text, heads))}, and none is (N,), (N, tasks) or (N, "
            "tasks, positions)",
            mend="give a function in nets.py that returns a module with such an output",
        )
    return {"targets": targets}, notes


def _of_head(i: int, head: Tensor, several: bool) -> tuple[list[dict[str, Any]], list[str]]:
    if head.ndim > 3:
        return [], [f"targets: head {i} is {_text(head)}, which no target reads"]
    n_tasks = head.shape[1] if head.ndim > 1 else 1
    inside = bool(((head > 0) & (head < 1)).all())
    common: dict[str, Any] = {"head": i} if several else {}
    common["scale"] = "probability" if inside else "value"
    notes = []
    if inside:
        notes.append(f"targets: all of head {i} lies between 0 and 1, so it may be probabilities")
    if head.ndim == 3:
        common["reduce"] = "mean"
        notes.append(
            f"targets: head {i} is {_text(head)}, tasks by positions: a target is the mean over "
            "positions; `positions` chooses some, `reduce: profile` is the score of a profile, and "
            "`tracks` writes it as bigWig"
        )
    if n_tasks > MOST_TARGETS:
        notes.append(
            f"targets: head {i} has {n_tasks:,} tasks, of which {MOST_TARGETS} stand here; name "
            "them in a table, targets: {table: targets.tsv}"
        )
    name = f"head_{i}" if several else "task"
    found = []
    for task in range(min(n_tasks, MOST_TARGETS)):
        tasks = {"tasks": [task]} if head.ndim > 1 else {}
        found.append({"name": f"{name}_{task}" if n_tasks > 1 else name, **tasks, **common})
    return found, notes


def _of_bpnet(n_strands: int) -> dict[str, Any]:
    """Return what the networks give that bpnet-lite and ChromBPNet made: a profile and counts."""
    counts = {"name": "counts", "head": 1, "tasks": [0], "scale": "log1p_counts"}
    profile = {"name": "profile", "head": 0, "reduce": "profile", "scale": "value"}
    found: dict[str, Any] = {"targets": [counts, profile]}
    if n_strands <= 2:
        tasks = [*range(n_strands)]
        found["tracks"] = [{"name": "starts", "head": 0, "tasks": tasks, "counts": ["counts"]}]
    if n_strands == 2:
        found["rc"] = {"average": True, "task_permutation": [1, 0]}
    return found


def _text(head: Tensor) -> str:
    return "(" + ", ".join(["N", *map(str, head.shape[1:])]) + ")"
