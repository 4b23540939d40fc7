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


NOT_RUN = {
    "pip install .": "tests/workflow/test_installed.py installs the wheel",
    'pip install "snakemake-executor-plugin-slurm>=2.8,<3"': "it needs a network",
    "cisweep demo": "tests/workflow/test_installed.py runs it in an empty folder",
    **dict.fromkeys(
        blocks(ROOT / "docs" / "cluster.md", "sh")[-1].splitlines(),
        "tests/workflow/test_object_storage.py runs it against a server of this machine",
    ),
}
"""Commands that are not run here, and why."""
CISWEEP = "import sys; from cisweep.cli.main import main; sys.exit(main())"
FAST = ("make", "cisweep init", "cisweep unlock", "cisweep run my.yaml -n")
COMMANDS = sorted({
    line for page in PAGES for code in blocks(page, "sh") for line in code.splitlines() if line
} - set(NOT_RUN))  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the examples, and the demo's inputs under the names that the pages use."""
    folder, demo = tmp_path_factory.mktemp("own"), ROOT / "config" / "demo.yaml"
    given = yaml.safe_load(demo.read_text())
    config = yaml.safe_load(blocks(ROOT / "docs" / "usage.md", "yaml")[0])
    config |= {key: given[key] for key in ("genome", "models", "motifs", "regions")}
    (folder / "my.yaml").write_text(yaml.safe_dump(config | {"chunk_bp": 500_000}))
    (folder / "config").symlink_to(ROOT / "config")
    for name, path in (
        ("hg38.fa", given["genome"]["fasta"]),
        ("mine.yaml", next(iter(given["models"].values()))),
        ("motifs.meme", given["motifs"]),
    ):
        (folder / name).symlink_to(str(path).replace("{workflow}", str(ROOT)))
    (folder / "peaks.bed").write_text("chr20\t100000\t100200\n")
    return folder


def run(words: list[str], where: Path) -> str:
    done = subprocess.run(words, cwd=where, capture_output=True, text=True, timeout=300)
    assert not done.returncode, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "command",
    [pytest.param(c, marks=() if c.startswith(FAST) else pytest.mark.slow) for c in COMMANDS],
)
def test_commands_are_right(folder, command):
    """make and runs as dry runs, all else as it stands."""
    words = shlex.split(command)
    if words[0] == "make":
        run(["make", "-n", *words[1:]], ROOT)
        return
    assert words[0] == "cisweep", command
    if words[1] == "init":
        words += ["-o", "begun.yaml"]
    dry = words[1] == "run"
    words += ["-n"] * (dry and "-n" not in words)
    text = run([sys.executable, "-c", CISWEEP, *words[1:]], folder)
    assert not dry or re.search(r"^\d+ jobs to run: ", text, flags=re.M), text[-2000:]


def test_what_is_not_run_stands_in_a_page():
    text = "".join(page.read_text() for page in PAGES)
    assert [command for command in NOT_RUN if f"\n{command}\n" not in text] == []


def test_the_configs_are_right(tmp_path):
    found = [yaml.safe_load(b) for b in blocks(ROOT / "docs" / "usage.md", "yaml")]
    first, model, keras, table, specific = found
    run_model().model_validate(first)
    assert ModelConfig.model_validate(model).target_names == ["ctcf"]
    assert ModelConfig.model_validate(keras).custom_objects == {"Scale": "layers.py:Scale"}
    (tmp_path / "targets.tsv").write_text("name\tindex\tassay\nL2/3 IT\t0\tATAC\nb\t1\tChIP\n")
    table["targets"]["table"] = str(tmp_path / table["targets"]["table"])
    assert ModelConfig.model_validate(model | table).target_names == ["L2/3 IT"]
    assert run_model().model_validate(first | specific).steps.select.by == "specificity"
    (part,) = (yaml.safe_load(b) for b in blocks(ROOT / "docs" / "browsers.md", "yaml"))
    run_model().model_validate(first | part)


def test_each_page_is_in_the_menu():
    text = (ROOT / "mkdocs.yml").read_text()
    named = set(re.findall(r": (\w+\.md)$", text, flags=re.M))
    assert named == {p.name for p in PAGES} | {"config.md"}


def test_each_page_is_in_the_list_of_the_first():
    linked = set(re.findall(r"\]\((\w+\.md)\)", (ROOT / "docs" / "index.md").read_text()))
    assert linked == ({p.name for p in PAGES} | {"config.md"}) - {"index.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    """`make docs` finds this too (mkdocs --strict), but asks for packages of its own."""
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text()):
        file = ROOT / "config" / "README.md" if path == "config.md" else page.parent / path
        file = page if not path else file
        assert file.is_file(), path
        titles = re.findall(r"^#+ (.*)$", file.read_text(), flags=re.M) if anchor else []
        slugs = [re.sub(r"[^\w]+", "-", re.sub(r"[^\w\s-]", "", t.lower())) for t in titles]
        assert not anchor or anchor in slugs, f"{path}#{anchor}"
