"""Programs saved by torch.export.save (.pt2).

torch.export.load unpickles some records, evaluates symbolic sizes and guards as Python and loads
compiled libraries. Here the archive is read first, and one that holds more than operations and
tensors is refused; guards are not run, but the input's shape is checked against the program's.
"""

import ast
import inspect
import json
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cisweep.config.model import FoldConfig, ModelConfig
from cisweep.errors import ModelError
from cisweep.models.weights import broken, check_expansion, check_present

OLDEST_TORCH = (2, 8)
"""Older ones have another layout of the archive, which is not checked for code here."""
_OPERATIONS = ("torch.ops.aten.", "torch.ops.higher_order.", "_operator.", "torch.sym_", "math.")
_SYMBOL = re.compile(r"[A-Za-z]\w{0,30}")
_ARITHMETIC = (
    *(ast.Expression, ast.Call, ast.Name, ast.Load, ast.keyword, ast.Constant, ast.BinOp),
    *(ast.UnaryOp, ast.Compare, ast.operator, ast.unaryop, ast.cmpop),
)


class Exported(nn.Module):
    """An exported program as a module; it has one mode, so `eval` and `train` do nothing."""

    def __init__(self, program: torch.export.ExportedProgram):
        super().__init__()
        names = program.graph_signature.user_inputs
        nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
        self.shapes = [tuple(nodes[name].meta["val"].shape) for name in names if name in nodes]
        # Before torch 2.9 a program's module has no guards.
        guarded = "check_guards" in inspect.signature(program.module).parameters
        self.program = program.module(check_guards=False) if guarded else program.module()

    def forward(self, X: Tensor, *args: Tensor) -> Any:
        """Return what the program returns."""
        for i, (tensor, shape) in enumerate(zip((X, *args), self.shapes)):
            if len(tensor.shape) != len(shape) or any(
                isinstance(fixed, int) and fixed != given
                for fixed, given in zip(shape, tensor.shape)
            ):
                raise ModelError(
                    f"the exported program reads input {i} of shape {_text(shape)}, and got "
                    f"{_text(tensor.shape)}",
                    mend="set window_bp to that length; if the first axis is fixed, export with a "
                    "dynamic batch: dynamic_shapes={'X': {0: torch.export.Dim('batch')}}",
                )
        return self.program(X, *args)

    def train(self, mode: bool = True) -> "Exported":
        """Return the module as it is: an exported program keeps the mode of its export."""
        self.training = mode
        return self


def load(config: ModelConfig, fold: FoldConfig) -> nn.Module:
    """Return the fold's exported program as a module."""
    path = fold.weights
    check_present(path)
    if not reads_programs():
        oldest = ".".join(map(str, OLDEST_TORCH))
        raise ModelError(
            f"programs of torch.export need torch {oldest} or newer, and this is torch "
            f"{torch.__version__}",
            where=str(path),
            mend=f"install torch {oldest} or newer, or give the weights as a state dict with the "
            "adapter python",
        )
    check_expansion(path)
    try:
        if not config.trust_pickle:
            _refuse_code(path)
        with _weights_only(not config.trust_pickle):
            program = torch.export.load(path)
        return Exported(program)
    except ModelError:
        raise
    except Exception as error:  # of zip, JSON, torch.export: all say that the file is no program
        raise broken(path, error) from None


def reads_programs() -> bool:
    """Return whether this torch is new enough for exported programs."""
    return tuple(int(n) for n in torch.__version__.split(".")[:2]) >= OLDEST_TORCH


@contextmanager
def _weights_only(force: bool) -> Iterator[None]:
    """Make every torch.load inside unpickle tensors only, as torch.export.load does not."""
    name, before = "TORCH_FORCE_WEIGHTS_ONLY_LOAD", os.environ.get("TORCH_FORCE_WEIGHTS_ONLY_LOAD")
    if force:
        os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before


def _refuse_code(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            file = name.rpartition("/")[2]
            if "/aotinductor/" in name or file.startswith(("custom_obj", "opaque_obj")):
                raise _refused(path, f"it holds {name}")
            if "/models/" in name and name.endswith(".json"):
                _check_graph(path, json.loads(archive.read(name)))
            if file == "serialized_exported_program.json":
                raise ModelError(
                    "the program was exported by torch 2.7 or older",
                    where=str(path),
                    mend="load it there and export it again with torch 2.8 or newer",
                )


def _check_graph(path: Path, value: Any) -> None:
    """Raise if a size is more than arithmetic, or a node calls more than tensor operations."""
    if isinstance(value, list):
        for item in value:
            _check_graph(path, item)
    elif isinstance(value, dict):
        size = value.get("expr_str")
        if isinstance(size, str) and not _is_arithmetic(size):
            raise _refused(path, f"a size is {size!r}, which is not arithmetic")
        target = value.get("target")
        if "inputs" in value and isinstance(target, str) and not target.startswith(_OPERATIONS):
            raise _refused(path, f"it calls {target}")
        for item in value.values():
            _check_graph(path, item)


def _is_arithmetic(size: str) -> bool:
    """Return whether a symbolic size calls only sympy's classes, on numbers and symbol names."""
    try:
        nodes = list(ast.walk(ast.parse(size, mode="eval")))
    except SyntaxError:
        return False
    for node in nodes:
        if not isinstance(node, _ARITHMETIC):
            return False
        if isinstance(node, ast.Call) and not (
            isinstance(node.func, ast.Name) and node.func.id[:1].isupper()
        ):
            return False
        if isinstance(node, ast.Constant) and not _is_plain(node.value):
            return False
    return True


def _is_plain(value: Any) -> bool:
    # sympy evaluates a string argument as an expression of its own, so only a name may be one
    return isinstance(value, int | float) or (
        isinstance(value, str) and _SYMBOL.fullmatch(value) is not None
    )


def _text(shape: Any) -> str:
    return "(" + ", ".join(str(s) if isinstance(s, int) else "any" for s in shape) + ")"


def _refused(path: Path, what: str) -> ModelError:
    return ModelError(
        f"the exported program can run code, and is refused ({what})",
        where=str(path),
        mend="export the plain module, or set trust_pickle: true if you made the file",
    )
