"""config/README.md, the template config/config.yaml and the JSON schemas, generated from the config
models.

`python -m cisweep.plan.document` in the project's folder writes them; a test fails if they differ
from what the models say.
"""

import ast
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Collection, Iterator
from enum import Enum
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from cisweep.config.messages import as_line, example_of, models_in
from cisweep.config.model import ModelConfig
from cisweep.plan.output_document import output_document
from cisweep.plan.run_config import GenomeConfig, RegionsConfig, run_model
from cisweep.steps import all_steps

README = Path("config/README.md")
TEMPLATE = Path("config/config.yaml")
CONFIG_SCHEMA = Path("workflow/schemas/config.schema.json")
MODEL_SCHEMA = Path("workflow/schemas/model.schema.json")
OUTPUT = Path("docs/output.md")

_INTRO = """# Configuration

Made by `python -m cisweep.plan.document` (`make docs`) from the config models; do not edit.

`config.yaml` is a template: copy it, fill in the paths, and run `snakemake --configfile my.yaml`.
A run uses your file and the defaults below, and nothing else. Without a config the demo runs
([demo.yaml](demo.yaml)); `--config key=value` alone changes a key of the demo, and together with
`--configfile` a key of your file. A step that is not named, or is null, is off. Unknown keys are
errors, and all errors are listed at once. A relative path is relative to the folder in which
snakemake runs; `{workflow}` at its beginning stands for the folder of this workflow. Paths in a
model.yaml are relative to that file.

A default of *required* means that the key must be given. `[]` after a key stands for each item of
a list, `<name>` for each name of a mapping. Complete files are in [examples](examples).
"""

_TEMPLATE_INTRO = """# The config of a run: copy this file, put your own paths in, and run
#   snakemake --configfile my.yaml --cores 8
# Keys after a # are optional and show the default, or a value to begin with. To set one, remove the
# # and the space after it. README.md in this folder describes every key; examples/ holds complete
# configs.
# Relative paths are relative to the folder in which snakemake runs.
# Made by `python -m cisweep.plan.document` (`make docs`) from the config models.
"""
_BEGUN = ("predict", "select", "attribute", "seqlets", "hits", "report")
"""The steps that are on in the template."""

_NAMES = {Path: "path", str: "text", int: "integer", float: "number", bool: "true or false"}
_BOUNDS = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"), ("min_length", "at least"))


@cache
def _classes(module: str) -> dict[str, ast.ClassDef]:
    """Return the classes in the source of a module, by name."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def field_texts(model: type[BaseModel]) -> dict[str, str]:
    """Return field -> its text: the one below it in the source, or its description."""
    texts = {name: field.description or "" for name, field in model.model_fields.items()}
    for part in reversed(model.__mro__):
        known = _classes(part.__module__) if issubclass(part, BaseModel) else {}
        # A model that is made at run time has descriptions and no source.
        for field, text in pairwise(known[part.__name__].body if part.__name__ in known else []):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and field.target.id in texts
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and isinstance(text.value.value, str)
            ):
                texts[field.target.id] = inspect.cleandoc(text.value.value)
    return texts


def type_text(annotation: Any) -> str:
    """Return a type in words: `integer or null`, `list of path`."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_text(parts[0])
    if origin is Literal:
        return ", ".join(f"`{v}`" for v in parts)
    if origin in (Union, UnionType):
        texts = [type_text(p) for p in parts if p is not NoneType]
        return " or ".join([*texts, *(["null"] if NoneType in parts else [])])
    if origin is list:
        return f"list of {type_text(parts[0])}"
    if origin is tuple:
        return f"[{', '.join(type_text(p) for p in parts)}]"
    if origin is dict:
        return f"mapping of {type_text(parts[0])} to {type_text(parts[1])}"
    if models_in(annotation):
        return "mapping"
    return _NAMES.get(annotation, "any" if annotation is Any else str(annotation))


def _bounds(field: FieldInfo) -> str:
    """Return the limits of a value: `≥ 1, < 2`."""
    found = []
    for item in field.metadata:
        items = item if isinstance(item, annotated_types.GroupedMetadata) else [item]
        pattern = getattr(item, "pattern", None)
        if pattern:
            found.append(f"matches `{pattern}`".replace("|", "\\|"))
        for part in items:
            for name, sign in _BOUNDS:
                value = getattr(part, name, None)
                if value is not None:
                    found.append(f"{sign} {value}" + (" item" if name == "min_length" else ""))
    return ", ".join(dict.fromkeys(found))


def default_text(field: FieldInfo) -> str:
    """Return the default as YAML reads it, or *required*."""
    if field.is_required():
        return "*required*"
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "*required*"
    if isinstance(value, BaseModel):
        return "as below"
    if isinstance(value, Enum):
        value = value.value
    return f"`{json.dumps(value, default=str, ensure_ascii=False)}`".replace("|", "\\|")


def _below(key: str, annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield (key, model) of the models under a key, `[]` for lists and `<name>` for mappings."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield key, annotation
    elif origin is list:
        yield from _below(f"{key}[]", parts[0])
    elif origin is dict:
        yield from _below(f"{key}.<name>", parts[1])
    else:
        for part in parts:
            yield from _below(key, part)


def _all_below(model: type[BaseModel]) -> set[type[BaseModel]]:
    """Return the config models under a model, at any depth."""
    inner = {m for f in model.model_fields.values() for m in models_in(f.annotation)}
    return inner.union(*(_all_below(m) for m in inner))


def _row(key: str, field: FieldInfo, text: str) -> str:
    kind = type_text(field.annotation)
    limits = _bounds(field)
    words = _plain(text).replace("|", "\\|")
    cells = (f"`{key}`", kind + (f", {limits}" if limits else ""), default_text(field), words)
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Return the text on one line; outside of code, < would begin an HTML tag."""
    parts = " ".join(text.split()).split("`")
    return "`".join(p if i % 2 else p.replace("<", "&lt;") for i, p in enumerate(parts))


def tables(prefix: str, model: type[BaseModel], title: str, level: int = 2) -> list[str]:
    """Return the lines of one model's table, and of the models under it, as Markdown."""
    lines = [f"{'#' * level} {title}", "", _plain(model.__doc__ or ""), ""]
    lines += ["| key | type | default | what it is |", "|---|---|---|---|"]
    deeper, texts = [], field_texts(model)
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        lines.append(_row(key, field, texts[name]))
        under = list(_below(key, field.annotation))
        for inner, part in under:
            kind = part.model_fields.get("kind")
            chosen = get_args(kind.annotation) if kind and len(under) > 1 else ()
            heading = f"`{inner}`" + (f" with `kind: {chosen[0]}`" if chosen else "")
            deeper.append((f"{inner}.", part, heading))
    lines.append("")
    for inner, part, heading in deeper:
        lines += tables(inner, part, heading, min(level + 1, 5))
    return lines


def readme() -> str:
    """Return config/README.md."""
    run = run_model()
    lines = [_INTRO.rstrip("\n"), "", "## The run", ""]
    lines += ["| key | type | default | what it is |", "|---|---|---|---|"]
    texts = field_texts(run)
    for name, field in run.model_fields.items():
        lines.append(_row(name, field, texts[name]))
    lines.append("")
    for name in ("genome", "regions"):
        for inner, part in _below(name, run.model_fields[name].annotation):
            lines += tables(f"{inner}.", part, f"`{inner}`", 3)
    lines += ["## Steps", "", "`steps.<step>: {}` turns a step on with its defaults.", ""]
    for step in all_steps().values():
        lines += tables(f"steps.{step.name}.", step.config, f"`steps.{step.name}`: {step.title}", 3)
        if step.needs:
            lines += [f"Needs {', '.join(f'`{n}`' for n in step.needs)}.", ""]
    lines += tables("", ModelConfig, "model.yaml")
    return "\n".join(lines).rstrip("\n") + "\n"


def _line(key: str, field: FieldInfo, text: str) -> str:
    """Return `key: value  # what it is`: the default, or the example of a key that has no other."""
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    value = to_jsonable_python(default)
    if value in (None, {}, []) and field.examples:
        value = field.examples[0]
    written = f"{key}: ..." if value is None and field.is_required() else as_line(key, value)
    # The first phrase says what it is; the rest is in README.md.
    words = re.split(r"(?<=\w)[.;](?: |$)", " ".join(text.split()))[0]
    return f"{written:<28}  # {textwrap.shorten(words.rstrip('.'), 84, placeholder=' …')}"


def _lines(model: type[BaseModel], begun: Collection[str]) -> list[str]:
    """Return a line for each key of a model, those that are not begun behind a #."""
    texts = field_texts(model)
    lines = [(name, _line(name, f, texts[name])) for name, f in model.model_fields.items()]
    return [line if name in begun else f"# {line}" for name, line in lines]


def template() -> str:
    """Return config/config.yaml: every key of the run, its steps in their order."""
    run, texts = run_model(), field_texts(run_model())
    lines = [_TEMPLATE_INTRO]
    groups: dict[str, tuple[type[BaseModel], list[str]]] = {
        "genome": (GenomeConfig, ["fasta"]),
        "regions": (RegionsConfig, ["bed"]),
    }
    for name, field in run.model_fields.items():
        lines += [""] * (name in ("genome", "regions", "models", "motifs"))
        if name in groups:
            lines += [f"{name}:", *(f"  {line}" for line in _lines(*groups[name]))]
        elif name == "models":
            lines += [f"# {texts[name]}", f"{name}:"]
            lines += [f"  {as_line(key, path)}" for key, path in example_of(field).items()]
        elif name != "steps":
            begun = name in ("run", "motifs")
            lines.append(("" if begun else "# ") + _line(name, field, texts[name]))
    lines += ["", "# What to do: a step that is not named is off.", "steps:"]
    for step in all_steps().values():
        first = next(iter(step.config.model_fields))
        on = step.name in _BEGUN
        keys = [f"  {line}" for line in _lines(step.config, [first] if on else [])]
        lines.append(f"  # {step.title}" + (f" (needs {', '.join(step.needs)})" * bool(step.needs)))
        lines += [f"  {'' if on else '# '}{step.name}:"]
        lines += [f"  {line}" if on else f"  # {line.replace('# ', '', 1)}" for line in keys]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def schema(model: type[BaseModel], title: str) -> str:
    """Return a model's JSON schema (draft 2020-12) as text."""
    made = model.model_json_schema()
    for part in {model, *_all_below(model)}:
        properties = (made if part is model else made["$defs"][part.__name__])["properties"]
        for name, text in field_texts(part).items():
            if text:
                properties[name]["description"] = text
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return json.dumps(made | head, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def documents() -> dict[Path, str]:
    """Return path in the project -> text of all generated files."""
    return {
        README: readme(),
        TEMPLATE: template(),
        CONFIG_SCHEMA: schema(run_model(), "Config of a run of cisweep"),
        MODEL_SCHEMA: schema(ModelConfig, "model.yaml of cisweep"),
        OUTPUT: output_document(),
    }


def main(root: Path) -> None:
    """Write all generated files under the project's folder."""
    for path, text in documents().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
        print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
