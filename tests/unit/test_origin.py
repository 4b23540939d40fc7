"""What a product was made of: damaged files, mixtures and replaced weights are refused."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from cisweep import driver
from cisweep.config.model import model_sha256
from cisweep.engine.policy import switch_off
from cisweep.job import Job
from cisweep.origin import check_one_origin, is_whole, note_path, read_origin, write_origin
from cisweep.plan.run_config import read_model_config

sys.path.insert(0, str(Path(__file__).parent))
from test_job import Names, Params, snakemake


@pytest.fixture
def part(tmp_path, monkeypatch):
    """Write a part of a merge with its note."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, text: str = "rows", settings: str = "s1", model: str = "abc") -> Path:
        path = tmp_path / "chunks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        write_origin(path, "predict_chunk", "m", settings, {"m": model})
        return path

    return write


def merge(root, folder, parts: list[Path]) -> Path:
    """Run a job that joins parts and return its product."""
    job = snakemake(
        root,
        folder,
        input=Names(chunks=[str(p) for p in parts]),
        output=Names(x=str(folder / "merged.txt")),
    )
    job.input = _Inputs(job.input)
    with Job(job) as job:
        joined = "".join(p.read_text() for p in job.inputs("chunks"))
        with job.product("x") as path:
            path.write_text(joined)
    return folder / "merged.txt"


class _Inputs(Names):
    """Snakemake's inputs: a name may stand for many, iteration gives single paths."""

    def __iter__(self):
        for value in dict.values(self):
            yield from [value] if isinstance(value, str) else value


def test_a_product_notes_its_bytes_and_all_models_behind_it(root, tmp_path, part):
    merged = merge(root, tmp_path, [part("a"), part("b", "more")])
    note = read_origin(merged)
    assert merged.read_text() == "rowsmore"
    assert (note.models, note.rule, note.settings) == ({"m": "abc"}, "try_it", "s1")
    assert len(note.sha256) == 64 and note_path(merged).name == ".merged.txt.origin"


def test_each_note_is_read_once_a_job(root, tmp_path, part, monkeypatch):
    parts, read = [part("a"), part("b", "more")], []
    text_of = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda p, **how: read.append(p) or text_of(p, **how))
    merged = merge(root, tmp_path, parts)
    assert [read.count(note_path(p)) for p in parts] == [1, 1]
    assert read_origin(merged).models == {"m": "abc"}


def test_why_a_fast_path_was_off_is_in_the_log_and_in_every_note(root, tmp_path):
    line = "fast path: off, because the model has hooks (prediction in full)"
    (tmp_path / "in.txt").write_text("1")
    with Job(snakemake(root, tmp_path)) as job:
        for _ in range(2):
            switch_off("prediction", "the model has hooks")
        with job.product("x") as path:
            path.write_text("rows")
    assert (tmp_path / "logs" / "log.txt").read_text().splitlines().count(line) == 1
    assert list(read_origin(tmp_path / "out.txt").fast_path) == [line]
    merged = merge(root, tmp_path, [tmp_path / "out.txt"])
    assert list(read_origin(merged).fast_path) == [line]
    other = merge(root, tmp_path, [tmp_path / "in.txt"])
    assert list(read_origin(other).fast_path) == []


def test_parts_of_two_models_are_not_merged(root, tmp_path, part, capsys):
    old, new = part("a"), part("b", model="def")
    with pytest.raises(SystemExit):
        merge(root, tmp_path, [old, new])
    said = capsys.readouterr().err
    assert f"{new}: it was made with other weights of model m than {old}" in said
    assert "delete the one that is out of date and run the workflow again" in said
    assert not (tmp_path / "merged.txt").exists()


def test_parts_of_two_settings_are_not_merged(root, tmp_path, part, capsys):
    old, new = part("a"), part("b", settings="s2")
    with pytest.raises(SystemExit):
        merge(root, tmp_path, [old, new])
    assert f"{new}: it was made with other settings than {old}" in capsys.readouterr().err


def test_settings_of_different_rules_and_models_may_differ(tmp_path, part):
    a, b = part("a"), part("b", settings="s2")
    write_origin(b, "predict_chunk", "other", "s2", {"other": "def"})
    found = check_one_origin((p, read_origin(p)) for p in (a, b))
    assert found == {"m": "abc", "other": "def"}


def test_a_damaged_part_is_named_and_taken_away(root, tmp_path, part, capsys):
    whole, damaged = part("a"), part("b", "rows 1 2 3")
    damaged.write_text("rows 1 2 2")
    with pytest.raises(SystemExit):
        merge(root, tmp_path, [whole, damaged])
    assert capsys.readouterr().err == (
        f"cisweep: try_it: {damaged}: its bytes are not those that were written. Mend: it is "
        "removed; this run, or the next, makes it again\n"
    )
    assert not damaged.exists() and not note_path(damaged).exists() and whole.exists()
    assert (tmp_path / "results" / "demo" / ".damaged").read_text() == f"{damaged}\n"


def test_beside_a_driver_a_damaged_part_stands_until_the_driver_takes_it_away(
    root, tmp_path, part, capsys
):
    # A job beside this one may be about to start: Snakemake ends without hooks where its input has
    # gone.
    damaged = part("a")
    damaged.write_text("ROWS")
    results = Path("results/demo")
    driver.begin(results)
    with pytest.raises(SystemExit):
        merge(root, tmp_path, [damaged])
    assert damaged.exists() and note_path(damaged).exists()
    driver.after_failure(results)
    assert not damaged.exists() and not note_path(damaged).exists()
    capsys.readouterr()


def test_all_damaged_parts_are_taken_away_at_once(root, tmp_path, part, capsys):
    parts = [part(name) for name in "abcde"]
    for path in parts[1:]:
        path.write_text("ROWS")
    with pytest.raises(SystemExit):
        merge(root, tmp_path, parts)
    assert f"{parts[1]}, {parts[2]}, {parts[3]} and 1 more: its bytes" in capsys.readouterr().err
    assert [p.name for p in parts if p.exists()] == ["a"]


def test_a_flipped_or_cut_off_note_is_damage(tmp_path, part):
    path = part("a")
    note = note_path(path)
    text = note.read_bytes()
    line = text.index(b"\n")
    for at in range(len(text)):
        note.write_bytes(text[:at] + bytes([text[at] ^ 4]) + text[at + 1 :])
        assert not is_whole(path), at
        note.write_bytes(text[:at])
        # Its first line alone has lost nothing: so are the notes of older releases.
        assert is_whole(path) == (at in (line, line + 1)), at
    note.write_bytes(text)
    assert is_whole(path)


def test_a_note_of_an_older_release_has_no_checksum_and_is_read(tmp_path, part):
    path = part("a")
    note_path(path).write_text(note_path(path).read_text().splitlines()[0] + "\n")
    assert is_whole(path) and read_origin(path).models == {"m": "abc"}


def test_an_input_that_no_line_of_the_script_asks_for_is_checked(root, tmp_path, part, capsys):
    path = part("a")
    path.write_text("ROWS")
    with pytest.raises(SystemExit), Job(snakemake(root, tmp_path, input=Names(any=str(path)))):
        raise AssertionError("the script is not reached")
    assert "its bytes are not those that were written" in capsys.readouterr().err


def test_a_damaged_product_of_the_run_is_set_aside(root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    peaks = Path("results/demo/m/peaks.bed")
    peaks.parent.mkdir(parents=True)
    peaks.write_text("chr1\t1\t2\n")
    write_origin(peaks, "select_peaks", "m", "s", {})
    peaks.write_text("chr1\t1\t3\n")
    with pytest.raises(SystemExit):
        merge(root, tmp_path, [peaks])
    assert "this run, or the next, makes it again" in capsys.readouterr().err
    assert not peaks.exists()
    assert Path("results/demo/m/peaks.bed.damaged").read_text() == "chr1\t1\t3\n"


def test_a_product_never_stands_without_its_note(root, tmp_path, monkeypatch):
    # A job that is killed between the two leaves a note, not a product that nobody checks.
    replaced, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (replaced.append(Path(b).name), replace(a, b)))
    (tmp_path / "in.txt").write_text("1")
    with Job(snakemake(root, tmp_path)) as job, job.product("x") as path:
        path.write_text("x")
    assert replaced == [".out.txt.origin", "out.txt"] and is_whole(tmp_path / "out.txt")


def test_a_product_that_somebody_edited_is_refused_but_kept(root, tmp_path, capsys):
    peaks = tmp_path / "peaks.bed"
    peaks.write_text("chr1\t1\t2\n")
    write_origin(peaks, "select_peaks", "m", "s", {})
    peaks.write_text("chr1\t1\t3\n")
    with pytest.raises(SystemExit):
        merge(root, tmp_path, [peaks])
    said = capsys.readouterr().err
    assert "delete it and run the workflow again, or, if you changed it on purpose, delete" in said
    assert str(note_path(peaks)) in said and peaks.exists()


def test_a_file_without_a_note_is_read_as_it_is(root, tmp_path):
    own = tmp_path / "mine.txt"
    own.write_text("x")
    assert merge(root, tmp_path, [own]).read_text() == "x"
    assert read_origin(own) is None


def test_a_damaged_product_is_not_reused_but_made_again(root, tmp_path):
    (tmp_path / "in.txt").write_text("1")
    made = []

    def run() -> None:
        with Job(snakemake(root, tmp_path)) as job, job.reuse() as unchanged:
            if not unchanged:
                made.append(1)
                for name in ("x", "y"):
                    with job.product(name) as path:
                        path.write_text(f"{name}1")

    run(), run()
    assert len(made) == 1
    (tmp_path / "out.txt").write_text("x2")
    run()
    assert len(made) == 2 and (tmp_path / "out.txt").read_text() == "x1"
    log = (tmp_path / "logs" / "log.txt").read_text()
    assert f"{tmp_path / 'out.txt'}: its bytes are not those that were written" in log


# ---- weights ---------------------------------------------------------------------------------


@pytest.fixture
def model(root, tmp_path):
    """A copy of the demo's model: (its yaml, its weights)."""
    source = root / "workflow" / "resources" / "models"
    for name in ("ctcf_pu1.yaml", "ctcf_pu1.safetensors"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    return tmp_path / "ctcf_pu1.yaml", tmp_path / "ctcf_pu1.safetensors"


def reading_job(root, folder, model, **changes) -> SimpleNamespace:
    config = {"models": {"ctcf_pu1": str(model[0])}}
    given = _Inputs(weights=[str(model[1])])
    output = Names(x=str(folder / "out.txt"))
    return snakemake(root, folder, config, input=given, output=output, **changes)


def test_the_note_has_the_hash_of_the_weights_that_were_loaded(root, tmp_path, model):
    with Job(reading_job(root, tmp_path, model)) as job, job.product("x") as path:
        path.write_text("x")
    expected = model_sha256(read_model_config(model[0]), {})[0]
    assert read_origin(tmp_path / "out.txt").models == {"ctcf_pu1": expected}


def test_weights_replaced_while_a_job_runs_leave_no_product(root, tmp_path, model, capsys):
    job = reading_job(root, tmp_path, model)
    with pytest.raises(SystemExit), Job(job) as opened, opened.product("x") as path:
        path.write_text("x")
        model[1].write_bytes(model[1].read_bytes() + b" ")
    said = capsys.readouterr().err
    assert f"{model[1]}: the weights were replaced while the workflow was running" in said
    assert "what was made with the old ones is made again" in said
    assert not (tmp_path / "out.txt").exists()


def test_weights_replaced_since_they_were_prepared_are_refused(root, tmp_path, model, capsys):
    prepared = tmp_path / "prepared.json"
    prepared.write_text('{"model_sha256": "old"}')
    write_origin(prepared, "prepare", "ctcf_pu1", "s", {"ctcf_pu1": "old"})
    job = reading_job(root, tmp_path, model)
    job.input["prepared"] = str(prepared)
    with pytest.raises(SystemExit), Job(job) as opened, opened.product("x") as path:
        path.write_text("x")
    assert "the weights were replaced while the workflow was running" in capsys.readouterr().err
    assert not (tmp_path / "out.txt").exists()


def test_a_training_whose_folds_are_called_weights_notes_no_model(root, tmp_path):
    fold = tmp_path / "fold0.safetensors"
    fold.write_bytes(b"1")
    job = snakemake(
        root, tmp_path, input=_Inputs(weights=[str(fold)]), wildcards=Params(model="ctcf_pu1"),
        output=Names(x=str(tmp_path / "out.txt")),
    )  # fmt: skip
    with Job(job) as opened, opened.product("x") as path:
        path.write_text("x")
    assert read_origin(tmp_path / "out.txt").models == {}


def test_files_of_one_name_count_each_by_itself(tmp_path, root):
    source = (root / "workflow" / "resources" / "models" / "ctcf_pu1.yaml").read_text()
    data = yaml.safe_load(source)
    for fold in ("a", "b"):
        (tmp_path / fold).mkdir()
        (tmp_path / fold / "model.safetensors").write_text(fold)
    data["folds"] = [{"weights": f"{f}/model.safetensors", "test_chroms": []} for f in "ab"]
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(data))
    config = read_model_config(tmp_path / "m.yaml")
    before, names = model_sha256(config, {})
    assert set(names) == {"a/model.safetensors", "b/model.safetensors"}
    (tmp_path / "a" / "model.safetensors").write_text("new")
    assert model_sha256(config, {})[0] != before
    assert (
        model_sha256(config, {"owner/name": "1"})[0] != model_sha256(config, {"owner/name": "2"})[0]
    )


def test_weights_in_a_folder_are_watched_file_by_file_and_code_by_its_file(
    tmp_path, root, monkeypatch
):
    folder = tmp_path / "lm"
    (folder / "sub").mkdir(parents=True)
    for name in ("config.json", "sub/weights.bin"):
        (folder / name).write_text("1")
    (tmp_path / "my_nets").mkdir()
    (tmp_path / "my_nets" / "__init__.py").write_text("raise RuntimeError('not to be run')")
    (tmp_path / "my_nets" / "nets.py").write_text("raise RuntimeError('not to be run')")
    source = (root / "workflow" / "resources" / "models" / "ctcf_pu1.yaml").read_text()
    data = yaml.safe_load(source) | {"module": "my_nets.nets:Net", "adapter": "python"}
    data["folds"] = [{"weights": "lm", "test_chroms": []}]
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(data))
    monkeypatch.syspath_prepend(tmp_path)
    config = read_model_config(tmp_path / "m.yaml")
    watched = [folder / "config.json", folder / "sub" / "weights.bin"]
    package = tmp_path / "my_nets"
    assert config.watched_files() == [*watched, package / "nets.py", package / "__init__.py"]
    built_in = root / "workflow" / "resources" / "models" / "ctcf_pu1.yaml"
    assert read_model_config(built_in).module_files() == []
    data["module"] = "nowhere.nets:Net"
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(data))
    assert read_model_config(tmp_path / "m.yaml").module_files() == []
