"""The C kernels, built for aarch64 and run under qemu-user, give the bytes that they give here."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from kernel_sources import exported, options, sources

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
COMPILER = "aarch64-linux-gnu-gcc"
TOLERANCE = 0.0
"""None at all: for ISO C (-std=c11) gcc contracts no product and sum to one rounding."""


@pytest.fixture(scope="module")
def qemu() -> str:
    """qemu-user of aarch64, or a skip that says what is missing."""
    found = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    if found is None or shutil.which(COMPILER) is None:
        pytest.skip(f"needs qemu-aarch64 and {COMPILER} (Debian: qemu-user-static, "
                    "gcc-aarch64-linux-gnu, libc6-dev-arm64-cross)")  # fmt: skip
    return found


def compared(root, qemu: str, folder: Path, changes: dict[str, str], rounds: int, *more: str):
    """Return kernel -> largest difference; changes: texts of the sources -> what replaces them."""
    csrc = root / "workflow" / "src" / "cisweep" / "_csrc"
    for file in sources(root):
        text = file.read_text()
        for old, new in changes.items():
            text = text.replace(old, new)
        (folder / file.name).write_text(text)
    names, program = sorted(exported(root)), folder / "kernels"
    listed = "-DCALLABLE=" + " ".join(f"X({name})" for name in names)
    command = [COMPILER, *options(root), *more, f"-I{csrc}", listed, "-static", "-o", str(program)]
    files = [str(HERE / "emulated_kernels.c"), *(str(folder / f.name) for f in sources(root))]
    done = subprocess.run([*command, *files, "-lm"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    run = [sys.executable, str(HERE / "emulated_kernels.py"), "1", str(rounds), f"{qemu} {program}"]
    done = subprocess.run([*run, *names], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return {name: float(off) for name, _, off in map(str.split, done.stdout.splitlines())}


def test_kernels_give_the_same_on_aarch64(root, qemu, tmp_path):
    found = compared(root, qemu, tmp_path, {}, 15)
    # Without the vectors of x86 there is no Winograd.
    assert set(found) == exported(root) - {"winograd_convolve"}
    assert {name: off for name, off in found.items() if off > TOLERANCE} == {}


def test_a_kernel_that_differs_is_found(root, qemu, tmp_path):
    """In the last bits of a float, in a whole number, and in what is returned."""
    changes = {
        "found[i] = 0.0f": "found[i] = 1e-7f",
        "counts[bins[i]]++": "counts[0]++",
        "left = kept;\n        }\n    }\n    return found;": "left = kept; }} return found + 1;",
    }
    found = compared(root, qemu, tmp_path, changes, 3, "-O1")
    differ = {name for name, off in found.items() if off}
    assert differ == {"window_sums", "seqlet_histogram", "seqlet_maxima"}
    assert found["window_sums"] < found["seqlet_histogram"] == float("inf")
