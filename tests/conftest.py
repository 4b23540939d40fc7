"""Fixtures of all tests: the shared data (where it is), the demo's files, small genomes."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from described import check_described

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure():
    """Two OpenMP threads on shared cores cost more than they give."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


LONGEST = (
    "test_empty_chunks", "test_chunk_invariance", "test_faults", "test_edits", "test_use",
    "test_experiments_workflow", "test_train_step", "test_no_signal", "test_variants_workflow",
    "test_hostile_names", "test_right_names",
)  # fmt: skip
"""Files of minutes. Begun last, one of them would leave all other processes idle until its end."""


def pytest_collection_modifyitems(items):
    """Begin with the longest files; the others keep their order."""
    rank = {name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


@pytest.fixture(autouse=True)
def one_thread():
    """Products of matrices differ in their last bits with the number of threads: keep it at 1,
    also after a test that set it."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the project."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data beside the checkout; a fresh clone does not have it."""
    path = ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("needs the shared data beside the checkout (../shared/data)")
    return path


@pytest.fixture(scope="session")
def resources() -> Path:
    """The demo's genome, motifs and model."""
    return ROOT / "workflow" / "resources"


@cache
def _warm_server(path: str) -> dict[str, str]:
    """Return what jobs need to find the server of warm jobs, which ends with this process."""
    folder = Path(tempfile.mkdtemp(prefix="warm"))
    environment = {"PYTHONPATH": path, "CISWEEP_WARM_PATH": path}
    command = [sys.executable, str(ROOT / "tests/warm/server.py"), str(folder / "jobs")]
    server = subprocess.Popen(command, env={**os.environ, **environment, "OMP_NUM_THREADS": "1"})
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.kill)
    return {**environment, "CISWEEP_WARM_JOBS": str(folder / "jobs")}


def warm_environment() -> dict[str, str]:
    """Return the environment of a run whose jobs start from the server of warm jobs."""
    given = os.environ.get("PYTHONPATH")
    parts = [str(ROOT / "tests" / "warm"), *([given] if given else [])]
    return {**os.environ, **_warm_server(os.pathsep.join(parts))}


def run_workflow(
    config: dict | None,
    folder: Path,
    *arguments: str,
    check: bool = True,
    cores: int = 2,
    timeout: float = 900,
    warm: bool = True,
) -> subprocess.CompletedProcess:
    """Run the workflow in `folder` with `config`, or the demo without any; return the process.

    warm: may its jobs run in a process that has imported all (tests/warm)?
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--directory",
        str(folder), "--cores", str(cores), *arguments,
    ]  # fmt: skip
    if config is not None:
        file = folder / "overlay.yaml"
        file.write_text(yaml.safe_dump(config))
        command[5:5] = ["--configfile", str(file)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, cwd=folder,
        env=warm_environment() if warm else None,
    )  # fmt: skip
    if check and done.returncode:
        raise AssertionError(f"snakemake failed:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}")
    if check:
        # Whatever a run of the tests writes is described in docs/output.md.
        for results in filter(Path.is_dir, (folder / "results").glob("*")):
            check_described(results)
    return done


@pytest.fixture(scope="session")
def snakemake():
    """The function run_workflow(config, folder, *arguments, check, cores, timeout)."""
    return run_workflow


@pytest.fixture(scope="session")
def has_chromium() -> str:
    """Path of headless Chromium."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("needs Chromium")
    return path
