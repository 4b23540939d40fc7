"""The rooms import in one direction, and parsing the workflow needs no torch."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

JOBS = sorted(
    path.stem
    for path in Path(__file__).parents[2].joinpath("workflow/src/cisweep/jobs").glob("[a-z]*.py")
)


def lint_imports(folder: Path) -> subprocess.CompletedProcess:
    """Run import-linter with the contracts of pyproject.toml."""
    tool = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert tool, "import-linter is not installed"
    return subprocess.run(
        [tool, "--no-cache"], cwd=folder, capture_output=True, text=True, timeout=120
    )


def test_the_contracts_are_kept(root):
    done = lint_imports(root)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("cisweep.outputs.tables", "cisweep.analysis.prediction.peaks"),
        ("cisweep.plan.chunks", "cisweep.sequence.tokens"),
        ("cisweep.steps.base", "torch"),
        ("cisweep.products.base", "cisweep.steps"),
        ("cisweep.jobs.predict", "cisweep.job"),
        ("cisweep.jobs.predict", "snakemake"),
        ("cisweep.report.page", "cisweep.jobs.report"),
    ],
)
def test_a_forbidden_import_breaks_a_contract(importer, imported, root, tmp_path):
    source = root / "workflow" / "src" / "cisweep"
    shutil.copytree(source, tmp_path / "cisweep", ignore=shutil.ignore_patterns("*.so", "_csrc"))
    file = tmp_path / f"{importer.replace('.', '/')}.py"
    file.write_text(file.read_text() + f"\n\ndef later():\n    import {imported}\n")
    shutil.copy(root / "pyproject.toml", tmp_path)
    tool = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    done = subprocess.run(
        [tool, "--no-cache"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1, done.stdout[-2000:]
    assert imported in done.stdout and "BROKEN" in done.stdout


@pytest.mark.parametrize(
    "module",
    [
        "cisweep.plan.plan",
        "cisweep.products",
        "cisweep.genome.loci",
        "cisweep.job",
        "cisweep.analysis.motifs.fimo",
        "cisweep.analysis.seqlets.recursive_seqlets",
        "cisweep.analysis.prediction.peaks",
        "cisweep.analysis.prediction.peak_selection",
        "cisweep.plan.contents.null_stretches",
        "cisweep.outputs.h5",
        "cisweep.report.page",
        "cisweep.plot",
        "cisweep.plan.document",
        "cisweep.cli.main, cisweep.cli.progress, cisweep.cli.starting",
        # What rules of the device need is imported by the functions that they run.
        ", ".join(f"cisweep.jobs.{step}" for step in JOBS),
    ],
)
def test_importing_it_does_not_load_torch(module):
    code = f"import sys, {module}; print(sorted(set(sys.modules) & {{'torch', 'tangermeme'}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("step", JOBS)
def test_a_job_starts_without_what_only_some_of_its_functions_need(step):
    """SciPy and matplotlib take longer to import than a short job takes."""
    code = f"import sys, cisweep.job, cisweep.jobs.{step}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert not {"scipy", "matplotlib"} & {name.split(".")[0] for name in done.stdout.split()}


def test_the_collector_looks_seldom_before_a_job_imports_what_takes_long():
    code = """
import gc, sys


class Look:
    def find_spec(self, name, path=None, target=None):
        if name in ("numpy", "pandas", "pydantic"):
            print(name, gc.get_threshold()[0])


sys.meta_path.insert(0, Look())
import cisweep.job
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split()) == ["50000"] * 3 + ["numpy", "pandas", "pydantic"]
