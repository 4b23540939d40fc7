"""The C kernels compile without a warning by other compilers, and for the CPUs of ARM."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from kernel_sources import options

pytestmark = pytest.mark.slow

COMPILERS = {
    "clang": ("clang", []),
    "clang for aarch64": ("clang", ["--target=aarch64-linux-gnu", "-isystem",
                                    "/usr/aarch64-linux-gnu/include"]),
    "gcc for aarch64": ("aarch64-linux-gnu-gcc", []),
}  # fmt: skip


@pytest.mark.parametrize("name", COMPILERS)
def test_no_warning(name, root, tmp_path):
    command, more = COMPILERS[name]
    if shutil.which(command) is None:
        pytest.skip(f"needs {command} (Debian: clang, gcc-aarch64-linux-gnu)")
    (tmp_path / "a.c").write_text("#include <stdlib.h>\nint f(void) { return abs(-1); }\n")
    tried = subprocess.run([command, *more, "-c", "a.c"], cwd=tmp_path, capture_output=True)
    if tried.returncode:
        pytest.skip(f"{name} has no headers of C (Debian: libc6-dev-arm64-cross)")
    wanted = options(root)
    assert {"-Wall", "-Wextra"} <= set(wanted)
    include = sysconfig.get_path("include")
    for file in sorted((root / "workflow/src/cisweep/_csrc").glob("*.c")):
        words = [command, *more, *wanted, "-Werror", "-fPIC", "-I", include, "-c", str(file)]
        done = subprocess.run([*words, "-o", str(tmp_path / "a.o")], capture_output=True, text=True)
        assert done.returncode == 0, f"{file.name}:\n{done.stderr[-3000:]}"
