"""What the sources of the C kernels and setup.py say, for tests that build them in another way."""

import ast
import re
from pathlib import Path


def sources(root: Path) -> list[Path]:
    """Return the C files of the kernels, without that of the Python module."""
    folder = root / "workflow" / "src" / "cisweep" / "_csrc"
    return sorted(path for path in folder.glob("*.c") if path.name != "module.c")


def exported(root: Path) -> set[str]:
    """Return the names of all functions of the C files that are not static."""
    found = set()
    for file in sources(root):
        text = re.sub(r"/\*.*?\*/", "", file.read_text(), flags=re.S)
        found |= set(re.findall(r"^(?:void|int|int64_t) (\w+)\(", text, re.M))
        found |= set(re.findall(r"^DEFINE_\w+\((seqlet_\w+),", text, re.M))
    return found


def options(root: Path) -> list[str]:
    """Return the options by which setup.py compiles them."""
    for node in ast.walk(ast.parse((root / "setup.py").read_text())):
        if isinstance(node, ast.keyword) and node.arg == "extra_compile_args":
            return ast.literal_eval(node.value)
    raise AssertionError("setup.py has no extra_compile_args")
