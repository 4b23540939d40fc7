"""Inputs in S3: which objects are fetched, where to, when again, and what is told of others."""

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake_interface_executor_plugins.settings import SharedFSUsage

from cisweep import storage
from cisweep.config.objects import copy_path, object_name
from cisweep.errors import ConfigError
from cisweep.jobs.upload import upload
from cisweep.plan.plan import Plan
from cisweep.plan.run_config import load_config
from cisweep.plan.stored_inputs import fetch_inputs

COPIES = ".snakemake/cisweep/s3"


class Bucket(dict):
    """Name -> (bytes, time), as Snakemake's storage gives them."""

    def __init__(self, **given):
        super().__init__(given)
        self.fetched: list[str] = []

    def __call__(self, name: str) -> SimpleNamespace:
        found = SimpleNamespace()
        found.exists = lambda: name in self
        found.mtime, found.size = (lambda: self[name][1]), (lambda: len(self[name][0]))
        found.set_local_path = lambda path: setattr(found, "path", path)

        def retrieve_object():
            self.fetched.append(name)
            found.path.write_bytes(self[name][0])

        found.retrieve_object = retrieve_object
        return found


@pytest.fixture
def bucket(tmp_path, monkeypatch, resources) -> Bucket:
    monkeypatch.chdir(tmp_path)
    found, model = Bucket(), resources / "models" / "ctcf_pu1"
    found["s3://b/g.fa"] = (b">chr1\n" + b"ACGT" * 200 + b"\n", 100.0)
    found["s3://b/p.bed"] = (b"chr1\t100\t300\n", 101.0)
    found["s3://b/m/ctcf.yaml"] = (Path(f"{model}.yaml").read_bytes(), 102.0)
    found["s3://b/m/ctcf_pu1.safetensors"] = (Path(f"{model}.safetensors").read_bytes(), 103.0)
    return found


def given(**changes) -> dict:
    return {
        "run": "r", "genome": {"fasta": "s3://b/g.fa"}, "regions": {"bed": "s3://b/p.bed"},
        "models": {"m": "s3://b/m/ctcf.yaml"}, "steps": {"predict": {}}, "upload": "s3://b/out",
    } | changes  # fmt: skip


def test_a_name_and_the_path_of_its_copy():
    assert copy_path("s3://b/k/x.fa") == Path(COPIES, "b/k/x.fa")
    assert object_name(Path(COPIES, "b/k/x.fa")) == "s3://b/k/x.fa"
    assert object_name(Path("b/k/x.fa")) is None


def test_what_the_config_and_its_models_name_is_fetched(bucket, root):
    said = fetch_inputs(given(), root, bucket)
    assert sorted(bucket.fetched) == sorted(bucket) and len(said) == 4
    assert said[0] == "s3://b/g.fa was fetched (807 bytes)"
    config, models = load_config(given(), root)
    assert config.genome.fasta == Path(COPIES, "b/g.fa") and config.upload == "s3://b/out"
    for path in (config.genome.fasta, config.regions.bed, models["m"].folds[0].weights):
        content, time = bucket[object_name(path)]
        assert path.read_bytes() == content and path.stat().st_mtime == time


def test_weights_in_another_bucket_than_the_model_yaml(bucket, root):
    text = bucket["s3://b/m/ctcf.yaml"][0].replace(b"ctcf_pu1.saf", b"s3://c/w.saf")
    Path("mine.yaml").write_bytes(text)
    bucket["s3://c/w.safetensors"] = bucket.pop("s3://b/m/ctcf_pu1.safetensors")
    del bucket["s3://b/m/ctcf.yaml"]
    fetch_inputs(given(models={"m": "mine.yaml"}), root, bucket)
    assert Path(COPIES, "c/w.safetensors").is_file()
    # Without any object nothing is asked of the storage.
    assert fetch_inputs({"run": "r", "genome": {"fasta": "g.fa"}}, root, None) == []


def test_a_copy_is_fetched_again_where_the_object_changed(bucket, root):
    fetch_inputs(given(), root, bucket)
    made = Path(COPIES, "b/g.fa.fai")
    made.write_text("of the first")
    bucket.fetched.clear()
    assert fetch_inputs(given(), root, bucket) == [] == bucket.fetched
    assert made.exists()
    bucket["s3://b/g.fa"] = (b">chr1\n" + b"ACGA" * 200 + b"\n", 90.0)
    assert fetch_inputs(given(), root, bucket) == ["s3://b/g.fa was fetched (807 bytes)"]
    copy = Path(COPIES, "b/g.fa")
    # Newer than what was made of the one before, whenever it came into the bucket.
    assert copy.read_bytes() == bucket["s3://b/g.fa"][0] and copy.stat().st_mtime > 1e9
    assert not made.exists()
    # One that is in the bucket is taken; a lost copy comes with the object's time.
    bucket["s3://b/g.fa.fai"] = (b"chr1\t800\t6\t800\t801\n", 91.0)
    os.unlink(copy)
    fetch_inputs(given(), root, bucket)
    assert made.read_bytes() == bucket["s3://b/g.fa.fai"][0] and copy.stat().st_mtime == 90.0


def test_all_that_cannot_be_fetched_is_told_at_once(bucket, root):
    del bucket["s3://b/g.fa"], bucket["s3://b/p.bed"]
    with pytest.raises(ConfigError) as error:
        fetch_inputs(given(), root, bucket)
    assert "genome.fasta: no such object s3://b/g.fa. Mend: correct the name" in str(error.value)
    assert "regions.bed: no such object s3://b/p.bed" in str(error.value)


def test_no_weights_beside_the_model_yaml(bucket, root):
    del bucket["s3://b/m/ctcf_pu1.safetensors"]
    with pytest.raises(ConfigError, match="models.m: no such object s3://b/m/ctcf_pu1.safetens"):
        fetch_inputs(given(), root, bucket)


def test_a_server_that_does_not_answer(bucket, root):
    def store(name):
        raise OSError("no route to host")

    with pytest.raises(ConfigError) as error:
        fetch_inputs(given(), root, store)
    assert "genome.fasta: s3://b/g.fa cannot be read (OSError: no route to host). Mend: look at " \
        "--storage-s3-endpoint-url" in str(error.value)  # fmt: skip


def test_what_was_not_fetched_yet(bucket, root):
    data = given()
    fetch_inputs(data, root, bucket)
    Path(COPIES, "b/g.fa").unlink()
    with pytest.raises(ConfigError, match="genome.fasta: s3://b/g.fa was not fetched yet. Mend: "):
        Plan.from_config(data, root)._check_files()


@pytest.mark.parametrize("value", ["s3://b", "s3://b/", "s3://b/x/", "b/x", "s3://b/{x}", "", 1])
def test_a_place_for_results_is_a_folder_in_a_bucket(value, root, bucket):
    fetch_inputs(given(), root, bucket)
    with pytest.raises(ConfigError, match="upload: "):
        load_config(given(upload=value), root)


def settings(provider=None, shared=None):
    shared = SharedFSUsage.all() if shared is None else shared
    return SimpleNamespace(default_storage_provider=provider, shared_fs_usage=shared)


def test_jobs_share_one_folder():
    storage.check_local(settings())
    with pytest.raises(ConfigError) as error:
        storage.check_local(settings("s3"))
    assert str(error.value).startswith("--default-storage-provider: jobs read what stands beside")
    assert "Mend: leave it out; inputs may be s3://bucket/key" in str(error.value)
    with pytest.raises(ConfigError, match="^--shared-fs-usage: jobs read"):
        storage.check_local(settings(shared={SharedFSUsage.PERSISTENCE}))


def test_without_the_plugin(monkeypatch):
    monkeypatch.setattr(storage, "_PLUGIN", "no_such_plugin")
    with pytest.raises(ConfigError) as error:
        storage.stored(None, "s3://b/k")
    assert str(error.value) == (
        "s3://b/k: needs snakemake-storage-plugin-s3, which is not installed. Mend: pip install "
        "'cisweep[s3]'"
    )


def test_what_is_uploaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("report.html", ".driver", "m/hits.tsv", "m/.hits.tsv.origin", "m/chunks/c.h5",
                 "logs/a.log", "benchmarks/a.tsv", ".inputs/x/g.fa"):  # fmt: skip
        path = Path("results/r", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    of = SimpleNamespace(plan=SimpleNamespace(results="results/r"))
    assert upload(of, Path("there")) == 2
    found = {str(p.relative_to("there")): p.read_text() for p in Path("there").rglob("*.*")}
    assert found == {"report.html": "report.html", "m/hits.tsv": "m/hits.tsv"}

    def no_links(*paths):
        raise OSError("another file system")

    monkeypatch.setattr(os, "link", no_links)
    assert upload(of, Path("copied")) == 2
    assert Path("copied/m/hits.tsv").read_text() == "m/hits.tsv"


def test_what_is_uploaded_is_not_older_than_the_run_by_whole_seconds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    product = tmp_path / "results" / "r" / "peaks.tsv"
    product.parent.mkdir(parents=True)
    product.write_text("x")
    made = product.stat().st_mtime
    upload(SimpleNamespace(plan=SimpleNamespace(results="results/r")), Path("there"))
    assert int(time.time()) >= made  # as S3 tells it: in whole seconds, cut off
