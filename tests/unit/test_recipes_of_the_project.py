"""The container, the hosted checks, the forms, the order of tests: what they name is there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml


def test_the_container_has_what_make_installs(root):
    text = (root / "Containerfile").read_text()
    make = (root / "Makefile").read_text()
    assert re.search(r"ARG TORCH=(.*)", text)[1] == re.search(r"TORCH \?= (.*)", make)[1]
    for path in re.search(r"COPY (requirements.*) /tmp/", text)[1].split():
        assert (root / path).is_file()
        assert f"-r {path}" in make
        # What a build without a network takes instead.
        assert f"--require-hashes -r {path}" in make.split("\nwheels:")[1].split("\n\n")[0]
    ignored = (root / ".dockerignore").read_text().split()
    assert {".git", ".venv*", "results", "wheels"} <= set(ignored)
    # Nothing that is needed for the build is left out of it.
    assert not {"workflow", "scripts", "config", "Snakefile", "setup.py"} & set(ignored)


def test_the_container_s_recipe_is_clean(root):
    hadolint = shutil.which("hadolint", path=Path(sys.executable).parent)
    if hadolint is None:
        pytest.skip("needs hadolint (make install-test)")
    done = subprocess.run([hadolint, root / "Containerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout


def test_hosted_checks_call_make(root):
    makefile = (root / "Makefile").read_text()
    for path in (root / ".github/workflows").glob("*.yml"):
        jobs = yaml.safe_load(path.read_text())["jobs"]
        commands = [s["run"] for job in jobs.values() for s in job["steps"] if "run" in s]
        assert any(command.startswith("make test") for command in commands)
        for command in commands:
            assert re.search(rf"^{command.split()[1]}:", makefile, flags=re.M), command


def test_the_catalogue_s_entry_and_the_forms(root):
    catalogue = yaml.safe_load((root / ".snakemake-workflow-catalog.yml").read_text())
    assert catalogue["usage"]["software-stack-deployment"]["conda"] is True
    assert (root / "workflow/Snakefile").is_file() and (root / "config/README.md").is_file()
    forms = sorted((root / ".github/ISSUE_TEMPLATE").glob("[!c]*.yml"))
    assert len(forms) == 2
    for form in map(yaml.safe_load, (path.read_text() for path in forms)):
        ids = [part["id"] for part in form["body"]]
        assert form["name"] and form["description"] and len(set(ids)) == len(ids)


def test_the_longest_files_are_there_and_named_once(root):
    text = (root / "tests" / "conftest.py").read_text()
    names = re.findall(r'"(test_\w+)"', text.split("LONGEST = (")[1].split(")")[0])
    assert len(set(names)) == len(names) > 5
    found = {path.stem for path in (root / "tests").rglob("test_*.py")}
    assert set(names) <= found
