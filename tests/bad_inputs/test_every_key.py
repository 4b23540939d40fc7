"""Every key of every config model is given what it is not: told with the key in full, or taken for
a reason that is stated here."""

import datetime
import math
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
import yaml
from harness import ROOT
from pydantic import BaseModel

from cisweep.config.model import ModelConfig
from cisweep.errors import CisweepError, ConfigError
from cisweep.plan.checks import checked_plan
from cisweep.plan.run_config import load_config, run_model

GOALS = {"up": [{"model": "m", "target": "t", "kind": "value", "value": 1.0}]}
NEGATIVES = {"stretches": ["chr1"], "uniform": 1, "gc_matched": 1, "shuffled": 1}
REGIONS = {"by": "regions", "validation": ["chr1"], "test": ["chr2"]}
RECIPES = {
    "kmers": {"data": {"kind": "kmers"}, "task": "regression", "module": "CNN",
              "split": {"by": "random"}, "spot_check": ["ACGT"],
              "targets": [{"name": "t"}]},
    "table": {"data": {"kind": "table", "paths": ["t.tsv"], "values": ["v"]},
              "task": "regression", "module": "CNN"},
    "peaks": {"data": {"kind": "peaks", "genome": "g.fa", "peaks": {"p": "p.bed"}, "window_bp": 8,
                       "train": NEGATIVES, "validation": NEGATIVES, "test": NEGATIVES},
              "task": "multilabel", "module": "CNN", "split": REGIONS},
    "signal": {"data": {"kind": "signal", "genome": "g.fa", "signal": ["s.bw"],
                        "peaks": "p.bed", "reads": {}},
               "task": "profile", "module": "BPNet", "split": REGIONS,
               "folds": [{"validation": ["chr1"], "test": ["chr2"]}], "fit": {}},
    "tiles": {"data": {"kind": "signal", "genome": "g.fa", "signal": ["s.bw"],
                       "tiles": {"stride_bp": 10}},
              "task": "profile", "module": "BPNet", "split": REGIONS},
}  # fmt: skip
RUN = {
    "run": "r",
    "genome": {"fasta": "g.fa"},
    "regions": {"tile": {"stride_bp": 100}},
    "motifs": "m.meme",
    "steps": {
        "predict": {"signal": {"t": {"paths": ["/dev/null"]}}}, "select": {"targets": ["t"]},
        "attribute": {}, "seqlets": {}, "hits": {}, "ism": {}, "discover": {}, "marginalize": {},
        "ablate": {}, "space": {"pairs": [["a", "b"]]},
        "report": {"hub": {"assembly": "hg38", "email": "a@b.c"}},
        "variants": {"path": "v.vcf"}, "design": {"goals": GOALS},
        "zero_shot": {"pairs": [{"ref": "a.fa", "alt": "b.fa"}]},
        "train": {"models": RECIPES},
    },
}  # fmt: skip
MODEL = {
    "adapter": "state_dict",
    "module": "CNN",
    "window_bp": 200,
    "inputs": [{"name": "i", "kind": "zeros"}],
    "targets": [{"name": "t", "scale": "counts"}],
    "tracks": [{"name": "k"}],
    "rc": {},
    "folds": [{"weights": "w.safetensors"}],
    "quality": {"targets": {"t": {"metric": "r"}}},
}
LANGUAGE = {"adapter": "hf_lm", "window_bp": 33, "targets": [{"name": "e"}],
            "folds": [{"weights": "w"}]}  # fmt: skip

VALUES = [
    True, -1, 0, 0.5, 10**30, math.nan, -math.inf, "nan", "", None, [], [[None]], {"a": {}},
    datetime.date(2020, 1, 1),
]  # fmt: skip


def keys_of(model: type[BaseModel], data: Any, path: tuple) -> Iterator[tuple[tuple, Any]]:
    """Yield (path, annotation) of each key below a place of the data, into what stands there."""
    for name, field in model.model_fields.items():
        yield (*path, name), field.annotation
        yield from _below(field.annotation, data.get(name), (*path, name))


def _below(annotation: Any, data: Any, path: tuple) -> Iterator[tuple[tuple, Any]]:
    if isinstance(data, dict) and (models := [m for m in models_in(annotation)]):
        kind = data.get("kind")
        fits = [m for m in models if kind in get_args(m.model_fields.get("kind", K).annotation)]
        if get_origin(plain(annotation)) is dict:
            for name, item in data.items():
                yield from _below(get_args(plain(annotation))[1], item, (*path, name))
        else:
            yield from keys_of((fits or models)[0], data, path)
    elif isinstance(data, list):
        inner = get_args(plain(annotation))
        for i, item in enumerate(data[:1]):
            yield from _below(inner[0] if inner else Any, item, (*path, i))


class K:
    annotation = None


def plain(annotation: Any) -> Any:
    """Return the annotation without Annotated and without None."""
    if get_origin(annotation) is Annotated:
        return plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [p for p in get_args(annotation) if p is not type(None)]
        return plain(parts[0]) if len(parts) == 1 else annotation
    return annotation


def models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for part in get_args(annotation) for m in models_in(part)]


def reason(annotation: Any, value: Any) -> str | None:
    """Return why a value may be taken, or None if it must be refused."""
    if get_origin(annotation) is Annotated:
        return reason(get_args(annotation)[0], value)
    if get_origin(annotation) in (Union, types.UnionType):
        return next((r for p in get_args(annotation) if (r := reason(p, value))), None)
    origin, parts = get_origin(annotation), get_args(annotation)
    if annotation is type(None) and value is None:
        return "null turns it off, or is its default"
    if annotation is bool and (isinstance(value, bool) or value in (0, 1, "0", "1")):
        return "0 and 1 stand for false and true"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if annotation is float and is_number and math.isfinite(value):
        return "a finite number, within the key's bounds"
    if annotation is int and is_number and math.isfinite(value) and value == int(value):
        return "a whole number, within the key's bounds" if abs(value) <= 2**64 else None
    if annotation is str and isinstance(value, str):
        return "a text"
    if annotation is Path and isinstance(value, str) and value:
        return "a path; whether the file is there is looked at later"
    if origin is Literal and value in parts:
        return "one of the words"
    if origin is list and isinstance(value, list):
        inner = parts[0] if parts else Any
        return "a list" if all(reason(inner, item) for item in value) else None
    if origin is dict and isinstance(value, dict):
        return "a mapping" if all(reason(parts[1], item) for item in value.values()) else None
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        wanted = {k for k, f in annotation.model_fields.items() if f.is_required()}
        return "the model's defaults" if value == {} and not wanted else None
    return "any value of the user's class" if annotation is Any else None


def with_value(data: Any, path: tuple, value: Any) -> Any:
    """Return a copy of the data with a value at a path."""
    if not path:
        return value
    if isinstance(data, list):
        return [with_value(x, path[1:], value) if i == path[0] else x for i, x in enumerate(data)]
    return {**data, path[0]: with_value(data.get(path[0]), path[1:], value)}


def once(keys: Iterator[tuple[tuple, Any]]) -> dict[tuple, Any]:
    """Return the keys without those of a model that was met before: the recipes share most."""
    found, seen = {}, set()
    for path, annotation in keys:
        # Below a recipe a key of one name and type is the same field.
        field = (path[-2:] if path[:2] == ("steps", "train") else path, str(annotation))
        if field not in seen:
            seen.add(field)
            found[path] = annotation
    return found


def outcome(run: dict, folder: Path) -> str:
    """Return the message of a config, or an empty text if it is taken."""
    try:
        load_config(run, ROOT)
    except ConfigError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with sound model.yaml files."""
    folder = tmp_path_factory.mktemp("keys")
    (folder / "m.yaml").write_text(yaml.safe_dump(MODEL))
    (folder / "lm.yaml").write_text(yaml.safe_dump(LANGUAGE))
    return folder


def run_in(folder: Path, name: str = "m.yaml") -> dict:
    models = {"m": str(folder / name), "lm": str(folder / "lm.yaml")}
    return RUN | {"models": models}


RUN_KEYS = once(keys_of(run_model(), RUN | {"models": {}}, ()))
MODEL_KEYS = once(keys_of(ModelConfig, MODEL, ()))


def test_the_sound_config_is_taken(place):
    assert outcome(run_in(place), place) == ""
    assert len(RUN_KEYS) > 200 and len(MODEL_KEYS) > 45


def name_of(path: tuple) -> str:
    return ".".join(map(str, path))


@pytest.mark.parametrize("path", RUN_KEYS, ids=name_of)
def test_a_key_of_the_run(place, path):
    run, wrong = run_in(place), []
    for value in VALUES:
        message = outcome(with_value(run, path, value), place)
        if not message and reason(RUN_KEYS[path], value) is None:
            wrong.append(f"{value!r} is taken")
        if message and not named(message, path):
            wrong.append(f"{value!r}: {message}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", MODEL_KEYS, ids=name_of)
def test_a_key_of_a_model(place, path):
    wrong = []
    for value in VALUES:
        text = yaml.safe_dump(with_value(MODEL, path, value), allow_unicode=True)
        (place / "other.yaml").write_text(text)
        message = outcome(run_in(place, "other.yaml"), place)
        if not message and reason(MODEL_KEYS[path], value) is None:
            wrong.append(f"{value!r} is taken")
        # Another name of a target is sound; what goes by the old one is told with its own key.
        if (
            message
            and not named(message, path)
            and (path[-1] != "name" or "is not a target" not in message)
        ):
            wrong.append(f"{value!r}: {message}")
    assert not wrong, "\n".join(wrong)


def named(message: str, path: tuple) -> bool:
    """Is the key, or the mapping that it stands in and its last word, in the message?"""
    full, above = name_of(path), name_of(path[:-1])
    return full in message or (above in message and str(path[-1]) in message)


def test_braces_are_refused_in_every_path(place, tmp_path, monkeypatch):
    """Snakemake (9.27) reads them as wildcards, also in what an input function gives."""
    monkeypatch.chdir(tmp_path)
    (place / "braces.yaml").write_text(yaml.safe_dump(MODEL | {"folds": [{"weights": "{w}"}]}))
    run = run_in(place, "braces.yaml")
    run["models"]["other"] = str(place / "{x}.yaml")
    (place / "{x}.yaml").write_text(yaml.safe_dump(MODEL))
    keys = [path for path, kind in RUN_KEYS.items() if kind in (Path, Path | None)]
    for path in keys:
        if path[-1] not in ("goals_table", "peaks", "sequences"):
            run = with_value(run, path, "a/{x}.txt")
    with pytest.raises(CisweepError) as caught:
        checked_plan(with_value(run, ("regions", "tile"), None), ROOT)
    told = [line.split(":")[0][4:] for line in str(caught.value).splitlines() if "brace" in line]
    wanted = {name_of(p) for p in keys if p[-1] not in ("goals_table", "peaks", "sequences")}
    assert wanted | {"models.m", "models.other"} <= set(told) and len(wanted) > 15
