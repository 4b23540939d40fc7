"""What stands in the pages of docs/ runs: Python as it is, commands of the shell as dry runs."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cisweep.config.model import ModelConfig
from cisweep.plan.run_config import run_model

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), flags=re.S | re.M)


@pytest.mark.parametrize("name", [p.name for p in PAGES if blocks(p, "python")])
def test_python_runs_as_it_stands(name, monkeypatch):
    """Blocks of a page one after the other; models.md asks for a package that may be absent."""
    monkeypatch.chdir(ROOT)
    if name == "models.md":
        pytest.importorskip("transformers")
    names: dict = {}
    for code in blocks(ROOT / "docs" / name, "python"):
        exec(compile(code, name, "exec"), names)
    assert names["attributions"].abs().sum() > 0


COMMANDS = sorted({
    line for page in PAGES for code in blocks(page, "sh") for line in code.splitlines() if line
})  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with profiles and examples, and my.yaml: the demo's inputs under one's own names."""
    folder = tmp_path_factory.mktemp("own")
    for name in ("profiles", "config"):
        (folder / name).symlink_to(ROOT / name)
    config = yaml.safe_load(blocks(ROOT / "docs" / "usage.md", "yaml")[0])
    demo = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
    config |= {key: demo[key] for key in ("genome", "models", "motifs", "regions")}
    (folder / "my.yaml").write_text(yaml.safe_dump(config | {"chunk_bp": 500_000}))
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_right(folder, command):
    words = shlex.split(command)
    if words[0] == "make":
        run, where = ["make", "-n", *words[1:]], ROOT
    else:
        assert words[0] == ".venv/bin/snakemake", command
        run = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), *words[1:]]
        run += [] if "-n" in words or "--unlock" in words else ["-n"]
        where = folder
    done = subprocess.run(run, cwd=where, capture_output=True, text=True, timeout=300)
    assert not done.returncode, done.stdout[-2000:] + done.stderr[-2000:]
    if "-n" in run and words[0] != "make":
        assert re.search(r"^predict_chunk +\d+$", done.stdout + done.stderr, flags=re.M)


def test_the_configs_are_right():
    first, model = (yaml.safe_load(b) for b in blocks(ROOT / "docs" / "usage.md", "yaml"))
    run_model().model_validate(first)
    assert ModelConfig.model_validate(model).target_names == ["ctcf"]
    (part,) = (yaml.safe_load(b) for b in blocks(ROOT / "docs" / "browsers.md", "yaml"))
    run_model().model_validate(first | part)


def test_each_page_is_in_the_menu():
    text = (ROOT / "mkdocs.yml").read_text()
    named = set(re.findall(r": (\w+\.md)$", text, flags=re.M))
    assert named == {p.name for p in PAGES} | {"config.md"}
