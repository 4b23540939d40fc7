"""The small genome of the workflow's tests."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

_spec = importlib.util.spec_from_file_location(
    "workflow_conftest", HERE.parent / "workflow" / "conftest.py"
)
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
small_genome = _module.small_genome


@pytest.fixture
def snakemake_of():
    """The function (config's path, working folder, *arguments) -> the finished process."""

    def run(overlay: Path, working: Path, *arguments: str) -> subprocess.CompletedProcess:
        working.mkdir()
        command = [
            sys.executable, "-m", "snakemake", "-s", str(HERE.parent.parent / "Snakefile"),
            "--directory", str(working), "--configfile", str(overlay), "--cores", "2", *arguments,
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=working)

    return run
