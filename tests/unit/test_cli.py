"""The command cisweep: its words, what it hands to Snakemake, and what it says at the end."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from cisweep import __version__
from cisweep.cli import main as command
from cisweep.cli.folder import workflow_folder
from cisweep.cli.main import main
from cisweep.cli.running import call, profile_folder, snakemake_command
from cisweep.errors import CisweepError
from cisweep.jobs.report import report_page

CONFIG = Path("my.yaml")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    CONFIG.write_text("run: mine\n")
    return tmp_path


@pytest.fixture
def called(monkeypatch) -> list[list[str]]:
    """Commands that would be run; each succeeds."""
    found: list[list[str]] = []
    monkeypatch.setattr(command, "call", lambda words: found.append(list(words)) or 0)
    return found


def said(capsys, words: list[str], code: int = 1) -> str:
    assert main(words) == code
    out, err = capsys.readouterr()
    return err if code else out


def test_a_clone_runs_its_own_workflow(root):
    assert workflow_folder() == root
    assert (workflow_folder() / "Snakefile").is_file()


@pytest.mark.parametrize("word", ["demo", "run", "init", "check", "estimate", "report", "unlock"])
def test_each_word_has_a_help(word, capsys):
    with pytest.raises(SystemExit) as ended:
        main([word, "--help"])
    assert ended.value.code == 0
    assert f"usage: cisweep {word}" in capsys.readouterr().out


def test_the_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"cisweep {__version__}\n"


def test_what_snakemake_is_given(root):
    start = [sys.executable, "-m", "snakemake"]
    file = ["--snakefile", str(root / "Snakefile")]
    assert snakemake_command(None, ["-n"]) == [
        *start, "--logger", "cisweep", "--cores", "all", *file, "-n"
    ]  # fmt: skip
    assert snakemake_command(CONFIG, ["target", "-j4"], verbose=True) == [
        *start, "--configfile", "my.yaml", *file, "target", "-j4"
    ]  # fmt: skip
    slurm = snakemake_command(CONFIG, [], "slurm")
    assert "--cores" not in slurm
    assert slurm[slurm.index("--workflow-profile") + 1] == str(root / "profiles" / "slurm")
    assert "--cores" in snakemake_command(CONFIG, [], "default")


@pytest.mark.parametrize("options", [["-c", "2"], ["-c2"], ["--cores=2"], ["--jobs", "3"], ["-j3"]])
def test_cores_that_are_given_stay(options):
    assert "all" not in snakemake_command(None, options)


def test_a_profile_of_the_user(folder):
    (folder / "mine").mkdir()
    (folder / "mine" / "config.yaml").write_text("executor: slurm\n")
    assert profile_folder("mine") == Path("mine")
    assert "--cores" not in snakemake_command(None, [], "mine")
    (folder / "mine" / "config.yaml").write_text("a: [\n")
    with pytest.raises(CisweepError, match=r"mine/config.yaml: is no YAML \(while parsing"):
        snakemake_command(None, [], "mine")
    with pytest.raises(CisweepError) as raised:
        profile_folder("sge")
    assert str(raised.value) == (
        "--profile: no profile 'sge'. Mend: give a folder that holds a config.yaml, or one of "
        "ci, default, slurm"
    )


def test_options_of_snakemake_are_handed_on(called, capsys):
    (folder := Path("results/mine")).mkdir(parents=True)
    (folder / "report.html").write_text("")
    assert main(["run", "my.yaml", "-n", "--rerun-triggers", "mtime"]) == 0
    assert called[0][-3:] == ["-n", "--rerun-triggers", "mtime"]
    assert capsys.readouterr().out == ""  # nothing was run, so nothing was found
    with pytest.raises(SystemExit):
        main(["report", "my.yaml", "--rerun-triggers"])
    assert "unrecognized arguments: --rerun-triggers" in capsys.readouterr().err


def test_a_config_that_is_none(called, capsys):
    assert said(capsys, ["run", "other.yaml"]) == (
        "cisweep: other.yaml: no such config. Mend: the config comes first, options of Snakemake "
        "behind it; `cisweep init` writes a config\n"
    )
    CONFIG.write_text("genome: x\n")
    assert said(capsys, ["run", "my.yaml"]) == (
        "cisweep: my.yaml: the run has no name. Mend: add a line `run: mine`\n"
    )
    assert called == []


def test_the_end_of_a_run_tells_findings_and_page(called, capsys):
    logs = Path("results/mine/logs")
    assert said(capsys, ["run", "my.yaml"], 0) == "done; the products are in results/mine\n"
    logs.mkdir(parents=True)
    (logs.parent / "report.html").write_text("")
    assert said(capsys, ["run", "my.yaml"], 0) == "The page: results/mine/report.html\n"
    lines = [f"finding: thing {i}" for i in range(10)]
    (logs / "report_page.log").write_text("\n".join(["cisweep 0.1.0, rule report_page", *lines]))
    out = said(capsys, ["run", "my.yaml"], 0).splitlines()
    assert out[:2] == ["Findings:", "  thing 0"]
    assert out[-2:] == ["  and 2 more on the page", "The page: results/mine/report.html"]
    assert len(out) == 11


def test_a_run_that_failed_says_how_it_goes_on(monkeypatch, capsys):
    monkeypatch.setattr(command, "call", lambda words: 3)
    assert main(["run", "my.yaml"]) == 3
    assert capsys.readouterr().out == (
        "the run is not complete; the same command goes on from what is there\n"
    )


def test_the_page_s_job_notes_its_findings(monkeypatch, capsys):
    class Page:
        warnings = [("a", "too few regions")]
        headlines = [("b", "CTCF drives ctcf")]

    class Of:
        class plan:
            products_of = staticmethod(lambda step: ["report.html"])
            models = {}

    for name in ("read_tsv", "read_json", "render"):
        monkeypatch.setattr(f"cisweep.jobs.report.{name}", lambda *args: None)
    monkeypatch.setattr("cisweep.jobs.report.read_page", lambda *args: Page)
    report_page(Of, Path("a"), Path("b"), Path("c"), {}, {})
    assert capsys.readouterr().out == "finding: too few regions\nfinding: CTCF drives ctcf\n"


def test_where_the_page_is(called, capsys, folder):
    page = folder / "results/mine/report.html"
    assert said(capsys, ["report", "my.yaml"]) == (
        "cisweep: results/mine/report.html: the run has no page. Mend: set "
        "steps.report: {} and run it (cisweep run)\n"
    )
    page.parent.mkdir(parents=True)
    page.write_text("")
    assert said(capsys, ["report", "my.yaml"], 0) == f"{page}\n"
    assert called == []
    assert main(["report", "my.yaml", "--remake"]) == 0
    assert called[0][-3:] == ["results/mine/report.html", "--forcerun", "report_page"]


def test_the_demo_is_the_run_without_a_config(called, capsys):
    assert said(capsys, ["report"]).startswith("cisweep: results/demo/report.html: ")
    assert main(["demo", "-n"]) == 0
    assert "--configfile" not in called[0]


def test_an_exit_status_is_handed_on_and_signals_too(tmp_path):
    assert call([sys.executable, "-c", "raise SystemExit(7)"]) == 7
    child = "import signal; print('up', flush=True); signal.pause()"
    program = f"""
        import sys
        from cisweep.cli.running import call
        sys.exit(call([sys.executable, "-c", {child!r}]))
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "up\n"
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM


def test_init_writes_a_config_for_the_files(resources, capsys, root):
    model = resources / "models" / "ctcf_pu1.yaml"
    Path("g.fa").write_text(">a\nACGT\n")
    Path("r.bed").write_text("a\t0\t2\n")
    Path("m.meme").write_text("")
    words = ["init", "--genome", "g.fa", "--regions", "r.bed", "--model", str(model)]
    words += ["--run", "first", "-o", "new.yaml"]
    assert said(capsys, [*words, "--motifs", "m.meme"], 0) == (
        "new.yaml is written\nnext: cisweep check new.yaml, then cisweep run new.yaml\n"
    )
    text = Path("new.yaml").read_text()
    data, template = yaml.safe_load(text), yaml.safe_load((root / "config/config.yaml").read_text())
    assert data == template | {
        "run": "first", "genome": {"fasta": "g.fa"}, "regions": {"bed": "r.bed"},
        "models": {"ctcf_pu1": str(model)}, "motifs": "m.meme",
    }  # fmt: skip
    assert "# FASTA: plain, bgzip or gzip" in text and text.startswith("# Made by `cisweep init`")
    assert said(capsys, words) == (
        "cisweep: new.yaml: there is such a file. Mend: name another one: -o other.yaml\n"
    )


def test_init_without_regions_and_motifs(resources, capsys):
    model = resources / "models" / "ctcf_pu1.yaml"
    Path("g.fa").write_text(">a\nACGT\n")
    out = said(capsys, ["init", "--genome", "g.fa", "--model", str(model)], 1)
    assert out.startswith("cisweep: my.yaml: there is such a file")
    CONFIG.unlink()
    out = said(capsys, ["init", "--genome", "g.fa", "--model", str(model)], 0)
    assert "without motifs, the steps that need them are off" in out
    data = yaml.safe_load(CONFIG.read_text())
    assert data["regions"] == {"tile": {"stride_bp": 100}}  # half of the model's 200 bp
    assert "motifs" not in data
    assert set(data["steps"]) == {"predict", "select", "attribute", "report"}


def test_init_without_anything_says_what_is_to_be_filled_in(capsys):
    out = said(capsys, ["init", "-o", "new.yaml"], 0)
    assert "put the path of your genome under genome.fasta" in out
    assert "put the path of your model.yaml under models" in out


def test_init_tells_all_faults_at_once(capsys, resources):
    Path("a").mkdir()
    for path in ("a/m.yaml", "m.yaml"):
        text = (resources / "models" / "ctcf_pu1.yaml").read_text()
        Path(path).write_text(text)
    err = said(capsys, ["init", "--run", "a/b", "--genome", "no.fa", "-o", "no/my.yaml",
                        "--model", "m.yaml", "--model", "a/m.yaml"])  # fmt: skip
    for line in (
        "no: there is no such folder. Mend: make it",
        "--run: 'a/b' cannot be the name of a run. Mend: take letters, digits and _, and - and . "
        "behind them",
        "--genome: no such file no.fa. Mend: correct the path",
        "--model: two models would be called 'm'. Mend: give their files different names",
    ):
        assert line in err
