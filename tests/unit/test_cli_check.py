"""cisweep check: what it tells of a run, and all that is wrong with it."""

from pathlib import Path

import pytest
import yaml

from cisweep.cli import checking
from cisweep.cli import main as command
from cisweep.cli.checking import check
from cisweep.cli.main import main


def written(data: dict) -> Path:
    Path("my.yaml").write_text(yaml.safe_dump(data))
    return Path("my.yaml")


def test_a_run_that_is_right(config, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    found = check(written(config | {"device": "cuda"}))
    assert found.faults == []
    made, model, tried, device, disk, chunk = found.lines
    assert made == "g.fa had no .fai: made beside it"
    assert model == "model m: reads 200 bp; targets ctcf, pu1"
    assert tried.startswith("  on cpu: ") and " MB of memory; all 3 windows with all" in tried
    assert device == "  device is cuda, and no GPU is seen here: tried on the CPU"
    assert disk.startswith("disk: at most about 20 MB for results/mine; ")
    assert chunk.startswith("chunk_bp ")


def test_all_faults_at_once(config, capsys, monkeypatch, resources):
    text = (resources / "models" / "ctcf_pu1.yaml").read_text()
    Path("cut.safetensors").write_text("x")
    Path("cut.yaml").write_text(text.replace("ctcf_pu1.safetensors", "cut.safetensors"))
    config["models"]["cut"] = "cut.yaml"
    config["chunk_bp"] = 200
    monkeypatch.setattr(command, "call", lambda words: pytest.fail("nothing is to be run"))
    assert main(["check", str(written(config))]) == 1
    out, err = capsys.readouterr()
    assert "model m: reads 200 bp" in out and "it loads, and gives what its model.yaml says" in out
    assert err.startswith("cisweep: 2 fault(s):\n")
    assert "chunk_bp: 200 is less than twice the window of m" in err
    assert "cut.safetensors: the model file cannot be read" in err


def test_what_a_network_of_the_user_raises(config, monkeypatch):
    def failing(*args):
        raise RuntimeError("out of\nmemory")

    monkeypatch.setattr(checking, "_try", failing)
    assert check(written(config)).faults == ["models.m: RuntimeError: out of memory"]


def test_after_a_check_the_jobs_are_counted(config, monkeypatch, capsys):
    called = []
    monkeypatch.setattr(command, "call", lambda words: called.append(words) or 0)
    monkeypatch.setattr("cisweep.cli.checking.check", lambda path: checking.Checked(["fine"]))
    assert main(["check", str(written(config))]) == 0
    assert "--dry-run" in called[0] and capsys.readouterr().out == "fine\n"
