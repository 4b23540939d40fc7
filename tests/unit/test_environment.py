"""The environment that Snakemake copies for `--sdm conda`: where it takes cisweep from."""

import json
import re
from pathlib import Path

import pytest
import yaml

from cisweep import __version__, environment
from cisweep.environment import environment_file, requirement


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pip_part(path: str) -> list[str]:
    return yaml.safe_load(Path(path).read_text())["dependencies"][-1]["pip"]


def test_a_clone_is_installed_from_its_own_folder(root, folder):
    path = environment_file(root)
    assert path == str(folder / ".snakemake" / "cisweep" / "environment.yaml")
    torch, mine = pip_part(path)
    assert torch.startswith("torch==")
    assert mine == f"cisweep[lm,motifs] @ {root.as_uri()}"
    assert not any(".." in line for line in pip_part(path))


def test_it_is_written_again_only_where_it_changes(root):
    path = Path(environment_file(root))
    before = path.stat()
    environment_file(root)
    assert path.stat().st_ino == before.st_ino
    path.write_text("half")
    environment_file(root)
    assert pip_part(str(path))


class Installed:
    """An installed distribution with a note of where it came from."""

    def __init__(self, note: str | None):
        self.note = note

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return self.note


def test_an_installed_package_is_taken_from_where_it_came(folder, monkeypatch):
    wheel = folder / "a b" / "cisweep.whl"
    note = json.dumps({"url": wheel.as_uri(), "archive_info": {}})
    monkeypatch.setattr(environment, "distribution", lambda name: Installed(note))
    named = f"cisweep[lm,motifs]=={__version__}"
    assert requirement(folder) == named  # the file has gone
    wheel.parent.mkdir()
    wheel.write_text("")
    assert requirement(folder) == f"cisweep[lm,motifs] @ {wheel.as_uri()}"
    monkeypatch.setattr(environment, "distribution", lambda name: Installed(None))
    assert requirement(folder) == named
    web = json.dumps({"url": "https://x.org/c.whl"})
    monkeypatch.setattr(environment, "distribution", lambda name: Installed(web))
    assert requirement(folder) == "cisweep[lm,motifs] @ https://x.org/c.whl"


def test_every_rule_has_it(root):
    files = [*(root / "workflow/rules").glob("*.smk"), *(root / "tests/data").rglob("*.smk")]
    text = "".join(path.read_text() for path in files)
    assert len(re.findall(r" +conda:\n +ENVIRONMENT\n", text)) == text.count("    conda:\n") > 50
