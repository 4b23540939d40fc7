"""The package as a user installs it: sdist, wheel, an environment without the clone, the demo."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

from cisweep.environment import environment_file

pytestmark = pytest.mark.slow

LEFT_OUT = (".*", "build", "results", "benchmarks", "tests", "*.egg-info", "*.so", "__pycache__")


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command without anything of this environment's settings; return what it prints."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=environment, capture_output=True, text=True,
        timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}:\n{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory) -> Path:
    """The wheel, built from the sdist, so that the sdist has all that it takes."""
    folder = tmp_path_factory.mktemp("built")
    shutil.copytree(root, folder / "source", ignore=shutil.ignore_patterns(*LEFT_OUT))
    build = "from setuptools import build_meta; build_meta.build_sdist('..')"
    run(sys.executable, "-c", build, cwd=folder / "source")
    (sdist,) = folder.glob("*.tar.gz")
    pip = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation")
    run(*pip, "-w", folder, sdist, cwd=folder)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """Programs of an environment with the wheel, which takes what it depends on from here."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    (packages,) = folder.glob("lib/python*/site-packages")
    # A folder that a .pth names is searched, but its own .pth (the clone's) is not read.
    (packages / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps")
    run(*pip, "--force-reinstall", wheel, cwd=folder)
    return folder / "bin"


def test_the_demo_runs_in_an_empty_folder(installed, tmp_path):
    where = run(installed / "python", "-c", "from cisweep import _ckernels as c; print(c.__file__)",
                cwd=tmp_path)  # fmt: skip
    assert Path(where.strip()).is_relative_to(installed.parent)
    text = run(installed / "cisweep", "demo", "-n", cwd=tmp_path)
    assert "jobs to run: prepare 1, predict " in text and ", report 2" in text, text
    product = Path("results/demo/ctcf_pu1/prepare/prepared.json")
    text = run(installed / "cisweep", "demo", product, cwd=tmp_path)
    assert "prepare      done    1 job in " in text, text
    assert json.loads((tmp_path / product).read_text())["window_bp"] == 200
    # The rules' environment comes from the same wheel.
    environment = tmp_path / ".snakemake" / "cisweep" / "environment.yaml"
    assert ".whl" in yaml.safe_load(environment.read_text())["dependencies"][-1]["pip"][-1]


def test_pip_takes_the_environment_s_lines_in_another_folder(
    installed, root, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    file = Path(environment_file(root))
    lines = yaml.safe_load(file.read_text())["dependencies"][-1]["pip"]
    mine = [line for line in lines if line.startswith("cisweep")]
    copied = tmp_path / "elsewhere" / "requirements.txt"
    copied.parent.mkdir()
    copied.write_text("\n".join(mine))
    pip = (sys.executable, "-m", "pip", "--python", installed / "python", "install", "--dry-run")
    said = run(*pip, "--no-deps", "--no-build-isolation", "--ignore-installed", "-r", copied,
               cwd=copied.parent)  # fmt: skip
    assert "Would install cisweep-" in said
