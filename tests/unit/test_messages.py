"""Errors name keys of a config in full, so that a reader finds the one that is meant."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from cisweep.config.messages import models_in
from cisweep.config.model import ModelConfig
from cisweep.plan.run_config import run_model
from cisweep.steps.train import Recipe

OF_PYTHON = {
    ("design.py", "batch_size"),  # axes of `noise`, and arguments of Ledidi's signature
    ("design.py", "max_iter"),
    ("design.py", "target"),
    ("goals.py", "value"),
    ("score_distribution.py", "bin_size"),
    ("predict_tiles.py", "sequence"),
    ("curves.py", "name"),
}
"""(file, word) of arguments of functions that only Python users call."""


FAULTS = ("_faults", "_check_logic", "_check_inputs", "check_design")
"""Functions that return what is wrong with a config, key first."""


def paths_of(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the full name of each key below a config model."""
    for name, field in model.model_fields.items():
        yield prefix + name
        for inner in models_in(field.annotation):
            yield from paths_of(inner, f"{prefix}{name}.")


FULL = {path for model in (run_model(), ModelConfig, Recipe) for path in paths_of(model)}
"""Keys of a run's config, of a model.yaml, and of a recipe, each from its top."""
LAST = {path.rpartition(".")[2] for path in FULL}


def texts(node: ast.AST) -> str:
    """Return the constant text of an expression, {} for what is filled in."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(texts(v) if isinstance(v, ast.Constant) else "{}" for v in node.values)
    if isinstance(node, ast.BinOp):
        return texts(node.left) + texts(node.right)
    if isinstance(node, ast.IfExp):
        return f"{texts(node.body)} {texts(node.orelse)}"
    return ""


def bare_keys(text: str) -> list[str]:
    """Return the keys that a text names without the keys above them."""
    named = re.findall(r"[A-Za-z][\w.]*_[\w.]*", text)  # words such as max_dropped
    named += re.findall(r"([A-Za-z][\w.]*): (?=\S)", text)  # key: value
    named += re.findall(r"\b(?:set|raise|lower|correct|leave) `?([a-z][\w.]*)", text)
    named = [name.strip(".") for name in named]
    # What stands under module_args is the module's.
    named = [name for name in named if not name.startswith("module_args.")]
    return [n for n in named if n.rpartition(".")[2] in LAST and n not in FULL]


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("correct the variants, or raise max_dropped", ["max_dropped", "max_dropped"]),
        ("raise regions.max_dropped", []),
        ("set hypothetical: true", ["hypothetical", "hypothetical"]),
        ("leave sample out", ["sample"]),
        ("lower tiles.min_reads", ["tiles.min_reads", "tiles.min_reads"]),
        ("lower data.tiles.min_reads, or chunk_bp", []),
    ],
)
def test_a_bare_key_is_seen(text, bare):
    assert bare_keys(text) == bare


def messages(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and text of what a file says about mending."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from ((node.lineno, texts(k.value)) for k in node.keywords if k.arg == "mend")
        elif isinstance(node, ast.FunctionDef) and node.name in FAULTS:
            inner = (n for n in ast.walk(node) if isinstance(n, ast.JoinedStr | ast.Constant))
            told = ((n.lineno, texts(n)) for n in inner if texts(n) != ast.get_docstring(node))
            yield from ((line, text) for line, text in told if " " in text)
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "mend":
            yield node.lineno, texts(node.value)


def code(root: Path) -> list[Path]:
    """Return the files of the package and the scripts."""
    package = sorted((root / "workflow" / "src" / "cisweep").rglob("*.py"))
    return [*package, *sorted((root / "scripts").glob("*.py"))]


def test_messages_name_keys_in_full(root):
    found = [(path.name, line, text) for path in code(root) for line, text in messages(path)]
    assert len(found) > 200
    wrong = [
        f"{name}:{line}: {key} in {text!r}"
        for name, line, text in found
        for key in dict.fromkeys(bare_keys(text))
        if (name, key) not in OF_PYTHON
    ]
    assert not wrong, "\n".join(wrong)


def test_no_other_text_tells_to_set_a_bare_key(root):
    """Notes and hints too; docstrings and comments are for readers of the code."""
    wrong = []
    for path in code(root):
        tree = ast.parse(path.read_text())
        blocks = (n for n in ast.walk(tree) if isinstance(n, ast.Expr))
        documented = {id(n.value) for n in blocks}  # docstrings, also those of attributes
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in documented:
                told = re.findall(r"\b(?:set|raise|lower|correct) ([a-z.]*_[\w.]*)", texts(node))
                bare = [key for key in told if key in bare_keys(f"set {key}")]
                wrong += [f"{path.name}:{node.lineno}: {key}" for key in bare]
    assert not wrong, "\n".join(wrong)
