"""The C kernels under the address and undefined-behaviour sanitizers, on all their code paths."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from kernel_sources import exported

SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
DRIVER = Path(__file__).with_name("sanitized_kernels.py")
# What a CPU can do is asked at run time; other machines' code is built by other answers.
VARIANTS = {
    "best": [],
    "avx2": [(r'__builtin_cpu_supports\("avx512f"\)', "0")],
    "portable": [(r"#if .*defined\(__x86_64__\).*", "#if 0")],
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def compiler(tmp_path_factory):
    """The C compiler and its sanitizer's library, or a skip that says what is missing."""
    command = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(command) is None:
        pytest.skip(f"there is no C compiler {command}")
    source = tmp_path_factory.mktemp("try") / "a.c"
    source.write_text("int f(int x) { return x; }\n")
    build = [command, *SANITIZE, "-shared", "-fPIC", str(source), "-o", str(source.parent / "a.so")]
    done = subprocess.run(build, capture_output=True, text=True)
    found = subprocess.run(
        [command, "-print-file-name=libasan.so"], capture_output=True, text=True
    ).stdout.strip()
    if done.returncode or not os.path.isabs(found):
        pytest.skip(f"{command} has no address sanitizer as a library")
    return command, os.path.realpath(found)


def build(compiler, root, folder, changes):
    """Return the library of the kernels, sanitized, their source changed by patterns."""
    folder.mkdir()
    sources = root / "workflow" / "src" / "cisweep" / "_csrc"
    for file in sources.iterdir():
        text = file.read_text()
        for pattern, new in changes:
            text = re.sub(pattern, new, text)
        (folder / file.name).write_text(text)
    files = sorted(str(p) for p in folder.glob("*.c") if p.name != "module.c")
    options = [*SANITIZE, "-g", "-O1", "-std=c11", "-fno-math-errno", "-shared", "-fPIC"]
    library = folder / "kernels.so"
    subprocess.run([compiler[0], *options, *files, "-o", str(library), "-lm"], check=True)
    return library


def drive(compiler, root, libraries, rounds):
    """Call all kernels of each library; return (kernels called, exit code) of each, and stderr."""
    environment = os.environ | {
        "LD_PRELOAD": compiler[1],
        "ASAN_OPTIONS": "detect_leaks=0",  # Python leaks at its end
        "PYTHONPATH": str(root / "workflow" / "src"),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, str(DRIVER), "1", str(rounds), *map(str, libraries)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    called = re.findall(r"(.*\n)?ended with (\S+)\n", done.stdout)
    return [(set(names.split()), int(code)) for names, code in called], done.stderr


def test_no_kernel_leaves_its_arrays(compiler, root, tmp_path):
    libraries = [build(compiler, root, tmp_path / v, c) for v, c in VARIANTS.items()]
    ended, report = drive(compiler, root, libraries, rounds=40)
    assert [code for _, code in ended] == [0] * len(VARIANTS), report[-4000:]
    for variant, (called, _) in zip(VARIANTS, ended):
        # Without vectors there is no Winograd.
        assert exported(root) - called <= (
            {"winograd_convolve"} if variant == "portable" else set()
        )


FAULTS = {  # one step too far in a loop of a kernel; a number shifted by more than it has bits
    "heap-buffer-overflow": (r"(int64_t i = begin; i) < (end; i\+\+)", r"\1 <= \2"),
    "shift exponent": (
        r"(void seqlet_histogram\([^{]*\{)",
        r"\1 if (1 << ((int)n + 31) == 7) return;",
    ),
}


def test_planted_faults_are_found(compiler, root, tmp_path):
    """Without this the test above would pass with the sanitizers off."""
    for said, change in FAULTS.items():
        library = build(compiler, root, tmp_path / said.split()[0], [change])
        ended, report = drive(compiler, root, [library], rounds=10)
        assert ended[0][1] != 0
        assert said in report
