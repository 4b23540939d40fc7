"""The workflow on a cluster: the same products as on one machine, and what faults do to it."""

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cluster import PREDICTIONS, wait_for
from support import assert_same

pytestmark = pytest.mark.slurm

ATTRIBUTIONS = "results/small/ctcf_pu1/attributions.h5"
TRACK = "results/small/ctcf_pu1/tracks/ctcf.attr.bw"


def locked(folder: Path) -> bool:
    """Return whether a run holds the folder."""
    return any((folder / ".snakemake" / "locks").glob("*.lock"))


def recipe(root: Path, prefix: str) -> str:
    """Return the commands that the profile gives for a killed driver, for one run's prefix."""
    text = (root / "profiles/slurm/config.yaml").read_text()
    commands = [line.split("$ ", 1)[1] for line in text.splitlines() if line.startswith("#   $ ")]
    assert "scancel" in commands[0] and len(commands) == 1
    assert commands[0].count("cisweep_") == 1
    return commands[0].replace("cisweep_", f"{prefix}_")


def test_same_products_and_resources(cluster, driver, settings, predicted, tmp_path, snakemake):
    shutil.copytree(predicted, tmp_path / "local")
    wanted = (PREDICTIONS, ATTRIBUTIONS, TRACK)
    snakemake(settings, tmp_path / "local", *wanted)
    driver.run(settings, *wanted)
    assert_same(tmp_path / "local", driver.folder)
    limits = {"predict_chunk": ("4000M", "01:00:00"), "attribute_chunk": ("4000M", "02:00:00")}
    for rule, (memory, time) in limits.items():
        jobs = cluster.jobs(driver.name, rule)
        assert len(jobs) == 2
        for job in jobs:
            assert (job["MinMemoryNode"], job["TimeLimit"]) == (memory, time)
            assert job["Partition"] == "cpu" and "TresPerJob" not in job
            assert cluster.tasks()[job["JobId"]][1] == "none"


def test_gpu_rules_get_a_gpu_and_never_the_cpu(cluster, driver, settings):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("the pretended GPU is told from none only where torch sees no GPU")
    partitions = driver.folder.parent / "partitions.yaml"
    partitions.write_text("partitions:\n  cpu: {max_gpu: 0}\n  gpu: {max_gpu: 2}\n")
    arguments = ("--retries", "0", "--slurm-partition-config", str(partitions), PREDICTIONS)
    driver.start(settings | {"device": "cuda"}, *arguments)
    code, text = driver.wait()
    assert code != 0
    assert "device is 'cuda' but torch" in text and "sees no GPU" in text, text[-4000:]
    assert "set device: cpu, or install a CUDA build of torch" in text
    assert not (driver.folder / PREDICTIONS).exists()
    jobs = cluster.jobs(driver.name, "predict_chunk")
    assert jobs
    for job in jobs:
        node, devices = cluster.tasks()[job["JobId"]]
        assert (job["Partition"], job["TresPerJob"], node) == ("gpu", "gres:gpu:1", "g1")
        assert devices in ("0", "1")
    (prepare,) = cluster.jobs(driver.name, "prepare")
    assert prepare["Partition"] == "cpu" and "TresPerJob" not in prepare


def test_a_cancelled_job_is_tried_again(cluster, driver, settings, predicted):
    driver.start(settings, PREDICTIONS)
    victim = cluster.running(driver.name, "predict_chunk")
    cluster.ask("scancel", victim["JobId"])
    code, text = driver.wait()
    assert code == 0, text[-6000:]
    jobs = cluster.jobs(driver.name, "predict_chunk")
    assert sorted(job["JobState"] for job in jobs) == ["CANCELLED", "COMPLETED", "COMPLETED"]
    # The second attempt asks for twice the memory, in case the first was killed for it.
    again = max(jobs, key=lambda job: int(job["JobId"]))
    assert again["MinMemoryNode"] in ("8000M", "8G")
    assert_same(predicted, driver.folder)


def test_an_interrupted_driver_cancels_and_unlocks(cluster, driver, settings):
    driver.start(settings, PREDICTIONS)
    cluster.running(driver.name, "predict_chunk")
    assert locked(driver.folder)
    driver.process.send_signal(signal.SIGINT)
    code, _ = driver.wait(60)
    assert code != 0
    wait_for(lambda: not cluster.queue(driver.name), 30, "an empty queue")
    assert not locked(driver.folder)
    assert not (driver.folder / PREDICTIONS).exists()


def test_a_killed_driver_is_mended_by_the_profiles_recipe(
    cluster, driver, settings, predicted, root
):
    driver.start(settings, PREDICTIONS)
    cluster.running(driver.name, "predict_chunk")
    driver.process.kill()
    driver.process.wait()
    assert locked(driver.folder) and cluster.queue(driver.name)
    driver.start(settings, PREDICTIONS)
    code, text = driver.wait(120)
    assert code != 0 and re.search(r"cannot be locked|--unlock", text), text[-3000:]
    environment = cluster.environment() | {"USER": "root"}
    # The command names the jobs that go on, and leaves the folder locked while they do.
    unlock = "import sys; from cisweep.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", unlock, "unlock", "overlay.yaml"]
    told = subprocess.run(
        command, env=environment, cwd=driver.folder, capture_output=True, text=True, timeout=60
    )
    assert told.returncode == 1 and locked(driver.folder), told.stderr
    assert re.search(r"was killed; .*\n.* still in the queue \(\d+", told.stderr), told.stderr
    subprocess.run(
        ["bash", "-c", recipe(root, driver.name)], env=environment, check=True, timeout=60
    )
    wait_for(lambda: not cluster.queue(driver.name), 30, "an empty queue")
    driver.run(settings, "--unlock")
    assert not locked(driver.folder)
    driver.run(settings, PREDICTIONS)
    assert_same(predicted, driver.folder)
