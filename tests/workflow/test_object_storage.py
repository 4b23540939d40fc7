"""Inputs and results in S3, by Snakemake's storage plugin, from a server on this machine."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from support import NO_NULL, STEPS, config, jobs_run, same_product

pytestmark = pytest.mark.slow

BUCKET = "lab"
ON = {"predict": STEPS["predict"], "select": NO_NULL, "hits": STEPS["hits"], "report": {}}
COMPARED = ("predictions.h5", "peaks.tsv", "hits.parquet", "motif_ranking.tsv")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A client of a server with an empty bucket, and what Snakemake is told of it."""
    boto3 = pytest.importorskip("boto3", reason="needs boto3 (make install-test)")
    moto = pytest.importorskip("moto.server", reason="needs moto (make install-test)")
    pytest.importorskip("snakemake_storage_plugin_s3", reason="needs Snakemake's S3 plugin")
    thread = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    thread.start()
    url = "http://{}:{}".format(*thread.get_host_and_port())
    client = boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1",
        aws_access_key_id="id", aws_secret_access_key="secret",
    )  # fmt: skip
    client.create_bucket(Bucket=BUCKET)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNAKEMAKE_STORAGE_S3_ACCESS_KEY", "id")
        patch.setenv("SNAKEMAKE_STORAGE_S3_SECRET_KEY", "secret")
        yield client, ("--storage-s3-endpoint-url", url)
    thread.stop()


@pytest.fixture(scope="module")
def inputs(small_genome, resources, tmp_path_factory) -> dict[str, Path]:
    """Name in the bucket -> file of this machine: all that a run reads, without any index."""
    folder = tmp_path_factory.mktemp("inputs")
    for name in ("genome.fa", "motifs.meme"):
        shutil.copy(small_genome.with_name(name), folder)
    for name in ("ctcf_pu1.yaml", "ctcf_pu1.safetensors"):
        shutil.copy(resources / "models" / name, folder)
    rows = (f"{chrom}\t{at}\t{at + 200}\n" for chrom in ("chrA", "chrB")
            for at in range(1000, 11_000, 150))  # fmt: skip
    (folder / "peaks.bed").write_text("".join(rows))
    return {path.name: path for path in folder.iterdir()}


def run_of(at: str, **more) -> dict:
    """Return the config of the run whose inputs lie at a folder, or at s3://…"""
    named = {
        "genome": {"fasta": f"{at}/genome.fa"},
        "regions": {"bed": f"{at}/peaks.bed"},
        "models": {"m": f"{at}/ctcf_pu1.yaml"},
        "motifs": f"{at}/motifs.meme",
    }
    return config(Path("x")) | named | {"chunk_bp": 20_000, "steps": ON} | more


@pytest.fixture(scope="module")
def stored(server, inputs, snakemake, tmp_path_factory) -> Path:
    """The folder of a run that reads from the bucket, and is copied to it."""
    client, options = server
    for name, path in inputs.items():
        client.upload_file(str(path), BUCKET, f"in/{name}")
    # What an earlier run left there, and is no part of this one.
    client.put_object(Bucket=BUCKET, Key="out/small/old.tsv", Body=b"old")
    client.put_object(Bucket=BUCKET, Key="out/other/kept.tsv", Body=b"kept")
    folder = tmp_path_factory.mktemp("from s3")
    done = snakemake(run_of(f"s3://{BUCKET}/in", upload=f"s3://{BUCKET}/out"), folder, *options)
    assert f"s3://{BUCKET}/in/genome.fa was fetched" in done.stderr
    assert f"s3://{BUCKET}/in/ctcf_pu1.safetensors was fetched" in done.stderr
    return folder


def objects(client, prefix: str) -> dict[str, bytes]:
    """Return name -> bytes of the objects whose names begin so."""
    found = client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return {
        item["Key"].removeprefix(prefix):
            client.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read()
        for item in found
    }  # fmt: skip


def test_a_run_on_objects_is_that_of_the_same_files(stored, inputs, snakemake, tmp_path):
    wanted = [f"results/small/m/{name}" for name in COMPARED]
    snakemake(run_of(str(inputs["genome.fa"].parent)), tmp_path, *wanted)
    for name in wanted:
        same_product(stored / name, tmp_path / name)


def test_the_complete_run_is_in_the_bucket(stored, server):
    results = stored / "results" / "small"
    mine = {
        str(path.relative_to(results)): path.read_bytes()
        for path in results.rglob("*")
        if path.is_file()
        and not {"chunks", "logs", "benchmarks"} & set(path.parts)
        and not any(part.startswith(".") for part in path.relative_to(results).parts)
    }
    assert {"report.html", "provenance.json", "m/hits.parquet", "browser/igv.json"} <= set(mine)
    found = objects(server[0], "out/small/")
    assert found.pop(".snakemake_timestamp") == b""  # Snakemake's, of every folder
    assert found == mine
    assert set(objects(server[0], "out/other/")) == {"kept.tsv"}


def test_what_was_replaced_in_the_bucket_is_seen(stored, server, inputs, snakemake, tmp_path):
    client, options = server
    given = run_of(f"s3://{BUCKET}/in", upload=f"s3://{BUCKET}/out")
    done = snakemake(given, stored, *options, "-n")
    assert "Nothing to be done" in done.stdout + done.stderr
    fewer = inputs["peaks.bed"].read_text().splitlines(keepends=True)[5:]
    client.put_object(Bucket=BUCKET, Key="in/peaks.bed", Body="".join(fewer).encode())
    try:
        done = snakemake(given, stored, *options, "-n")
        jobs = jobs_run(done.stdout)
        assert jobs["predict_chunk"] >= 1 and jobs["upload"] == 1 and "prepare" not in jobs, jobs
    finally:
        client.upload_file(str(inputs["peaks.bed"]), BUCKET, "in/peaks.bed")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--default-storage-provider", "s3", "--default-storage-prefix", "s3://lab/x"),
         "--default-storage-provider: jobs read what stands beside their inputs"),
        (("--storage-s3-endpoint-url", "http://127.0.0.1:9"),
         "genome.fasta: s3://lab/in/genome.fa cannot be read (EndpointConnectionError"),
    ],
    ids=["default storage", "no server"],
)  # fmt: skip
def test_what_cannot_work_is_told_before_any_job(options, says, server, snakemake, tmp_path):
    given = run_of(f"s3://{BUCKET}/in")
    done = snakemake(given, tmp_path, *server[1], *options, "-n", check=False)
    said = done.stdout + done.stderr
    assert done.returncode and says in said and "Mend: " in said and "Traceback" not in said, said
