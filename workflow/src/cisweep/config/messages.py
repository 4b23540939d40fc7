"""What pydantic finds wrong in a config, in words: the key in full, what is wrong, an example."""

import re
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from cisweep.config.base import NAME


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the config models that `annotation` (a union, a list, a mapping, one) names, once."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    found = [model for part in get_args(annotation) for model in models_in(part)]
    return list(dict.fromkeys(found))


def _models_at(model: type[BaseModel], loc: tuple) -> list[type[BaseModel]]:
    """Return the config models that may stand at a path below `model`."""
    models = [model]
    for step in loc:
        fields = [m.model_fields[step].annotation for m in models if step in m.model_fields]
        # The name of one of several models leads to it; an index of a list, to the same models.
        named = [m for m in models if m.__name__ == step] or models
        models = [inner for f in fields for inner in models_in(f)] or named
    return models


def _keys_at(model: type[BaseModel], loc: tuple) -> list[str]:
    """Return the keys that are known at a path below `model`."""
    return list(dict.fromkeys(k for m in _models_at(model, loc) for k in m.model_fields))


def _place(model: type[BaseModel], loc: tuple) -> tuple:
    """Return a path below `model` as a user writes it, without the tags of unions."""
    kept, kinds = [], [model]
    for part in loc:
        tagged = [kind for kind in kinds if part in _tags(kind)] if len(kinds) > 1 else []
        if tagged:
            kinds = tagged
            continue
        inner: list[Any] = []
        for kind in kinds:
            origin, parts = get_origin(kind), get_args(kind)
            if isinstance(kind, type) and issubclass(kind, BaseModel) and part in kind.model_fields:
                inner.append(kind.model_fields[part].annotation)
            elif origin in (list, tuple) and isinstance(part, int):
                inner.append(parts[0])
            elif origin is dict and part != "[key]":
                inner.append(parts[1])
        if inner:
            kept.append(part)
            kinds = [option for kind in inner for option in _options(kind)]
    return tuple(kept)


def _tags(kind: Any) -> tuple:
    """Return the values of `kind` by which a model is chosen out of several."""
    field = getattr(kind, "model_fields", {}).get("kind")
    return get_args(field.annotation) if field is not None else ()


def _options(annotation: Any) -> list[Any]:
    """Return the alternatives of a union, or the one type."""
    if get_origin(annotation) is Annotated:
        return _options(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [option for part in get_args(annotation) for option in _options(part)]
    return [annotation]


def _meant(model: type[BaseModel], loc: tuple) -> str:
    """Return ' (did you mean x?)' for the unknown key loc[-1] at its path below `model`, or ''."""
    close = get_close_matches(str(loc[-1]), _keys_at(model, loc[:-1]), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def messages(error: ValidationError, model: type[BaseModel], prefix: str = "") -> list[str]:
    """Return a line for each fault of `error`, raised by `model`; prefix: what keys stand below."""
    found = []
    for item in error.errors():
        loc = _place(model, item["loc"])
        if item["type"] == "extra_forbidden":
            loc = (*_place(model, item["loc"][:-1]), item["loc"][-1])
        key = ".".join([*([prefix] if prefix else []), *map(str, loc)])
        text = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            text = "unknown key" + _meant(model, item["loc"])
        elif item["type"] == "string_pattern_mismatch" and item["ctx"]["pattern"] == NAME:
            text = (
                "use letters, digits, _, - and . only, and do not begin with - or . (it names "
                "files)"
            )
            text += f", got {item['input']!r}"
        elif item["type"] == "model_type":
            keys = ", ".join(_keys_at(model, item["loc"]))
            text = f"give a mapping of keys ({keys}), got {item['input']!r}"
        elif item["type"] == "missing":
            text = "missing; " + _shown(model, item["loc"], loc)
        elif item["type"] != "value_error":
            text += f", got {item['input']!r}"
        # What a model as a whole says of one of its keys begins with that key.
        first = re.match(r"\w*", text)[0]
        named = item["type"] == "value_error" and first in _keys_at(model, item["loc"])
        found.append(f"{key}.{text}" if named and key else f"{key or '(config)'}: {text}")
    return found


def _shown(model: type[BaseModel], loc: tuple, place: tuple) -> str:
    """Return an example of the key at `loc` below `model`, which a user writes at `place`."""
    field = next((m.model_fields[loc[-1]] for m in _models_at(model, loc[:-1])
                  if loc[-1] in m.model_fields), None)  # fmt: skip
    if field is None or not field.examples:
        return "config/README.md describes it"
    value = field.examples[0]
    for key in reversed(place[1:]):
        value = [value] if isinstance(key, int) else {key: value}
    return "for example " + as_line(str(place[0]), value)


def example_of(field: FieldInfo) -> Any:
    """Return the first example of a key; None if it has none."""
    return field.examples[0] if field.examples else None


def as_line(key: str, value: Any) -> str:
    """Return `key: value` as one line of YAML."""
    text = yaml.safe_dump({key: value}, default_flow_style=True, sort_keys=False, width=10**6)
    return text.strip()[1:-1]
