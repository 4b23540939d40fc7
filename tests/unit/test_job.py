"""Job: atomic products, reuse of unchanged ones, provenance, devices."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from cisweep.config.model import QualityConfig
from cisweep.errors import ConfigError, RegionError
from cisweep.job import Job
from cisweep.origin import note_path
from cisweep.plan.page import page_key
from cisweep.temporary import (
    FOREIGN_SECONDS,
    atomic,
    remove_leftovers,
    scratch_folder,
    this_host,
)


class Names(dict):
    """Snakemake's named lists: by name, and iterated over values."""

    __getattr__ = dict.get

    def __iter__(self):
        return iter(self.values())

    def __len__(self):
        return dict.__len__(self)

    def keys(self):
        return dict.keys(self)


class Params(dict):
    """Snakemake's params and wildcards."""

    def __getattr__(self, name):
        if name not in self:
            raise AttributeError(name)
        return self[name]


def snakemake(root, folder, config=None, **changes):
    """Return what a script finds as `snakemake`."""
    data = yaml.safe_load((root / "config" / "demo.yaml").read_text()) | (config or {})
    found = {
        "params": Params(root=str(root), settings="s1"),
        "input": Names(a=str(folder / "in.txt")),
        "output": Names(x=str(folder / "out.txt"), y=str(folder / "sub" / "more.txt")),
        "wildcards": Params(model="ctcf_pu1", chunk="c000001"),
        "threads": 1,
        "rule": "try_it",
        "config": data,
        "log": [str(folder / "logs" / "log.txt")],
    }
    return SimpleNamespace(**(found | changes))


def test_a_product_takes_its_name_once_complete(root, tmp_path):
    (tmp_path / "in.txt").write_text("1")
    with Job(snakemake(root, tmp_path)) as job:
        with job.product("x") as path:
            path.write_text("done")
            assert path.suffix == ".txt" and not (tmp_path / "out.txt").exists()
        assert (tmp_path / "out.txt").read_text() == "done" and not path.exists()
        print("to the log")
    log = (tmp_path / "logs" / "log.txt").read_text()
    assert "rule try_it" in log and "to the log" in log and "done after" in log


def test_outputs_take_their_names_in_the_order_that_is_given(root, tmp_path, monkeypatch):
    (tmp_path / "in.txt").write_text("1")
    replaced, replace_file = [], os.replace

    def noted(source, final):
        replaced.append(Path(final).name)
        replace_file(source, final)

    monkeypatch.setattr(os, "replace", noted)
    with Job(snakemake(root, tmp_path)) as job:
        with job.outputs("y", "x") as (more, out):
            more.write_text("y")
            out.write_text("x")
            assert not replaced
        assert [n for n in replaced if n.endswith(".txt")] == ["more.txt", "out.txt"]
        with pytest.raises(OSError), job.outputs("x", "y") as (out, more):
            out.write_text("new")
            raise OSError
    assert (tmp_path / "out.txt").read_text() == "x"
    assert (tmp_path / "sub" / "more.txt").read_text() == "y"


def test_a_listed_output_is_named_by_its_files(root, tmp_path):
    (tmp_path / "in.txt").write_text("1")
    output = Names(tables=[str(tmp_path / name) for name in ("b.txt", "a.txt")])
    job = Job(snakemake(root, tmp_path, output=output))
    with job.listed("tables", without_note=["a.txt"]) as paths:
        assert list(paths) == ["b.txt", "a.txt"]
        for name, path in paths.items():
            path.write_text(name)
    assert [(tmp_path / n).read_text() for n in paths] == list(paths)
    assert note_path(tmp_path / "b.txt").exists() and not note_path(tmp_path / "a.txt").exists()


def test_a_figure_has_its_copies_beside_it_or_is_absent(root, tmp_path):
    (tmp_path / "in.txt").write_text("1")
    names = ["v.a.svg", "v.a.png", "v.a.data.tsv", "v.a.tsv"]
    output = Names(**{f"o{i}": str(tmp_path / name) for i, name in enumerate(names)})
    job = Job(snakemake(root, tmp_path, output=output))
    with pytest.raises(FileNotFoundError), job.product("o0") as path:
        path.write_text("without the others")
    with job.product("o0") as path:
        for end in (".svg", ".png", ".data.tsv"):
            path.with_suffix(end).write_text(end)
    assert [(tmp_path / n).read_text() for n in names[:3]] == [".svg", ".png", ".data.tsv"]
    assert all(note_path(tmp_path / n).exists() for n in names[:3])
    assert not (tmp_path / "v.a.tsv").exists()  # another product
    job = Job(snakemake(root, tmp_path, output=Names(only=str(tmp_path / "w.svg"))))
    with job.product("only") as path:
        for end in (".svg", ".png", ".pdf", ".data.tsv"):
            path.with_suffix(end).write_text(end)
    assert not [p.name for p in tmp_path.iterdir() if ".tmp" in p.name]
    assert (tmp_path / "w.svg").exists() and not (tmp_path / "w.png").exists()


def test_a_failed_writer_leaves_nothing(tmp_path):
    (tmp_path / "out.txt").write_text("old")
    with pytest.raises(ZeroDivisionError), atomic(tmp_path / "out.txt") as path:
        path.write_text("half")
        raise ZeroDivisionError
    assert [p.name for p in tmp_path.iterdir()] == ["out.txt"]
    assert (tmp_path / "out.txt").read_text() == "old"


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_job import snakemake
from cisweep.job import Job
from cisweep.origin import note_path
folder = Path({folder!r})
with Job(snakemake(Path({root!r}), folder, log=[])) as job, job.product("x") as path:
    path.write_text("half"); print("ready", flush=True); time.sleep(60)
"""


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_killed_job_leaves_no_product(root, tmp_path, sign):
    code = KILLED.format(tests=str(Path(__file__).parent), folder=str(tmp_path), root=str(root))
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # A shell without job control starts what is behind `&` with SIGINT ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout.readline().startswith("cisweep ")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(sign)
    process.wait(timeout=30)
    left = [p.name for p in tmp_path.iterdir()]
    # A kill that cannot be caught leaves the temporary file, under a name that nothing reads.
    name = f".tmp{process.pid}@{this_host()}.out.txt"
    assert left == ([name] if sign == signal.SIGKILL else [])
    removed, kept = remove_leftovers(tmp_path)
    assert [p.name for p in removed] == left and not kept and not list(tmp_path.iterdir())


CRASHED = """
import ctypes, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_job import snakemake
from cisweep.job import Job
from cisweep.origin import note_path
with Job(snakemake(Path({root!r}), Path({folder!r}))):
    ctypes.string_at(0)
"""


def test_the_log_says_where_a_library_ended_the_process(root, tmp_path):
    """As a C library can by a damaged file."""
    (tmp_path / "in.txt").write_text("1")
    code = CRASHED.format(tests=str(Path(__file__).parent), folder=str(tmp_path), root=str(root))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert done.returncode == -signal.SIGSEGV
    log = (tmp_path / "logs" / "log.txt").read_text()
    assert "Fatal Python error: Segmentation fault" in log and "in string_at" in log


def test_what_a_living_process_writes_is_left_and_what_a_dead_one_left_goes(tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    folder = tmp_path / "m" / "chunks"
    folder.mkdir(parents=True)
    with atomic(folder / "a.h5") as mine, scratch_folder(folder / "b.h5"):
        mine.write_text("half")
        mine.with_name(f".tmp{dead.pid}@{this_host()}.c.h5").write_text("half")
        gone = mine.with_name(f".tmp{dead.pid}@{this_host()}.folder")
        gone.mkdir()
        (gone / "part").write_text("half")
        for name, age in (("new", 0), ("old", FOREIGN_SECONDS + 60)):
            foreign = mine.with_name(f".tmp{dead.pid}@elsewhere.{name}.h5")
            foreign.write_text("half")
            os.utime(foreign, (time.time() - age,) * 2)
        # A number that was given again: the process began after the file was last written to.
        again = mine.with_name(f".tmp{os.getpid()}@{this_host()}.d.h5")
        again.write_text("half")
        os.utime(again, (1e9, 1e9))
        (folder / ".tmp5.txt").write_text("a user's own")
        removed, kept = remove_leftovers(tmp_path)
        assert {p.name.split(".", 2)[2] for p in removed} == {"c.h5", "folder", "old.h5", "d.h5"}
        assert {p.name.split(".", 2)[2] for p in kept} == {"a.h5", "folder", "new.h5"}
    left = {p.name.rpartition("elsewhere.")[2] for p in folder.iterdir()}
    assert left == {"a.h5", "new.h5", ".tmp5.txt"}


def test_errors_of_the_user_are_one_line(root, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped, Job(snakemake(root, tmp_path)):
        raise RegionError("no rows", where="x.bed", mend="give one")
    assert stopped.value.code == 1
    assert capsys.readouterr().err == "cisweep: try_it: x.bed: no rows. Mend: give one\n"
    log = (tmp_path / "logs" / "log.txt").read_text()
    assert "failed after" in log and "RegionError" in log


def make(root, folder, parts=(), leave_out=(), **changes) -> bool:
    """Run a job that writes both outputs unless they are reused; return whether they were."""
    with Job(snakemake(root, folder, **changes)) as job:
        with job.reuse(*parts, leave_out=leave_out) as unchanged:
            if not unchanged:
                for name in ("x", "y"):
                    with job.product(name) as path:
                        path.write_text(name)
        return unchanged


def test_equal_inputs_and_params_reuse_the_product(root, tmp_path):
    source = tmp_path / "in.txt"
    source.write_text("1")
    assert not make(root, tmp_path, ("p",))
    before = (tmp_path / "out.txt").stat().st_mtime_ns
    os.utime(source, (time.time() + 100, time.time() + 100))
    assert make(root, tmp_path, ("p",))
    assert (tmp_path / "out.txt").stat().st_mtime_ns == before
    assert not make(root, tmp_path, ("q",))
    assert not make(root, tmp_path, ("q",), params=Params(root=str(root), settings="s2"))
    assert make(root, tmp_path, ("q",), params=Params(root=str(root), settings="s2"))
    source.write_text("2")
    assert not make(root, tmp_path, ("q",))
    source.write_text("3")
    assert not make(root, tmp_path, ("q",), leave_out=("a",))
    source.write_text("4")
    assert make(root, tmp_path, ("q",), leave_out=("a",))


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_a_damaged_product_is_made_again(root, tmp_path, damage):
    (tmp_path / "in.txt").write_text("1")
    assert not make(root, tmp_path)
    product = tmp_path / "sub" / "more.txt"
    product.unlink() if damage == "gone" else product.write_text("")
    assert not make(root, tmp_path)
    assert product.read_text() == "y" and make(root, tmp_path)


def test_a_job_that_fails_is_not_reused(root, tmp_path):
    (tmp_path / "in.txt").write_text("1")
    assert not make(root, tmp_path)
    job = Job(snakemake(root, tmp_path))
    with pytest.raises(OSError), job.reuse("other") as unchanged:
        assert not unchanged
        raise OSError
    assert not make(root, tmp_path)


def test_provenance_and_inputs(root, tmp_path):
    note = tmp_path / "prepared.json"
    note.write_text('{"model_sha256": "abc"}')
    given = Names(prepared=str(note), many=["a", "b"])
    job = Job(snakemake(root, tmp_path, {"seed": 5}, input=given))
    made = job.provenance()
    assert made["model_sha256"] == "abc" and made["seed"] == 5 and made["settings"] == "s1"
    assert [p.name for p in job.inputs("many")] == ["a", "b"] and job.inputs("none") == []
    assert job.plan.config.seed == 5
    assert job.given("prepared") == note and job.given_or_none("none") is None


def test_the_scope_of_a_job_is_named_by_its_wildcards(root, tmp_path):
    wildcards = Params(model="ctcf_pu1", chunk="c000001", target="ctcf")
    job = Job(snakemake(root, tmp_path, {"seed": 5}, wildcards=wildcards, threads=2))
    assert job.of_run.plan is job.plan and job.of_run.threads == 2
    assert job.of_run.origin == job.provenance()
    assert job.of_model.model == "ctcf_pu1" and job.of_model.config.window_bp == 200
    assert (job.of_chunk.model, job.of_chunk.chunk) == ("ctcf_pu1", "c000001")
    assert (job.of_target.model, job.of_target.target) == ("ctcf_pu1", "ctcf")


def test_a_missing_gpu_is_an_error(root, tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    before = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    try:
        job = Job(snakemake(root, tmp_path, {"device": "cuda"}))
        message = r"device: device is 'cuda' but torch .* sees no GPU.*Mend: set device: cpu"
        with pytest.raises(ConfigError, match=message), job.device():
            pass
        with job.device(needed=False) as device:
            assert device == "cpu"
        with Job(snakemake(root, tmp_path)).device() as device:
            assert device == "cpu"
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.set_num_threads(before[1])


def test_the_log_ends_with_what_is_known_against_a_model(root, tmp_path):
    """So that a step that uses a weak target repeats it; a training tells its own."""
    model = yaml.safe_load((root / "workflow/resources/models/ctcf_pu1.yaml").read_text())
    weights = root / "workflow/resources/models/ctcf_pu1.safetensors"
    model["folds"] = [{"weights": str(weights)}]
    weak = {"metric": "auroc", "value": 0.54, "remarks": ["AUROC 0.54 is near 0.5"]}
    model["quality"] = {"remarks": [], "targets": {"pu1": weak}}
    (tmp_path / "weak.yaml").write_text(yaml.safe_dump(model))
    config = {"models": {"weak": str(tmp_path / "weak.yaml")}}
    known = "warning: model weak: target pu1: AUROC 0.54 is near 0.5"

    def last(**changes):
        with Job(snakemake(root, tmp_path, config, **changes)) as job:
            assert job.plan.models
            job.warn("of its own")
        return (tmp_path / "logs" / "log.txt").read_text().splitlines()[-2:]

    assert last(wildcards=Params(model="weak")) == ["warning: of its own", known]
    assert last(wildcards=Params())[-1] == known
    for target, line in (("pu1", known), ("ctcf", "warning: of its own")):
        assert last(wildcards=Params(model="weak", target=target))[-1] == line
    assert last(wildcards=Params(model="weak"), rule="train")[-1] == "warning: of its own"
    other = dict(config["models"]) | {"good": str(root / "workflow/resources/models/ctcf_pu1.yaml")}
    config["models"] = other
    assert last(wildcards=Params(model="good"))[-1] == "warning: of its own"


def test_what_is_known_against_a_model_changes_no_result(root, tmp_path):
    with Job(snakemake(root, tmp_path)) as job:
        plan = job.plan
    known = QualityConfig(remarks=["the last of 9 epochs was kept"])
    doubted = replace(
        plan,
        models={n: m.model_copy(update={"quality": known}) for n, m in plan.models.items()},
    )
    for step in ("predict", "attribute", "hits"):
        assert plan.settings(step, "ctcf_pu1") == doubted.settings(step, "ctcf_pu1")
    # The page shows it.
    assert page_key(plan, "report") != page_key(doubted, "report")
