"""What a cluster does to jobs, beside scancel: time limits, memory, dead nodes, a deaf controller.

Each takes a minute or two, since Slurm counts its limits in minutes: `make accept` runs them.
"""

import os
import signal
import time
from pathlib import Path

import pytest
from cluster import PREDICTIONS, wait_for
from support import assert_same

pytestmark = pytest.mark.long

SCRIPT = "predict_chunk.py"


def at_work(cluster, driver) -> tuple[dict[str, str], int]:
    """Return a running job of predict_chunk and the process of its script."""
    job = cluster.running(driver.name, "predict_chunk")
    found = wait_for(lambda: cluster.processes(job["JobId"], SCRIPT), 60, "the script's process")
    return job, found[-1]


def same(driver, predicted: Path) -> None:
    """Assert that the run came to its good end and left nothing half-written."""
    code, text = driver.wait()
    assert code == 0, text[-6000:]
    assert_same(predicted, driver.folder)
    assert not list(driver.folder.rglob(".tmp*"))


def states(cluster, driver) -> list[str]:
    return sorted(job["JobState"] for job in cluster.jobs(driver.name, "predict_chunk"))


def test_a_job_over_its_time_is_tried_again(cluster, driver, settings, predicted):
    driver.start(settings, PREDICTIONS)
    job, pid = at_work(cluster, driver)
    os.kill(pid, signal.SIGSTOP)  # it works no more and does not end
    cluster.ask("scontrol", "update", f"JobId={job['JobId']}", "TimeLimit=1")
    same(driver, predicted)
    assert states(cluster, driver) == ["COMPLETED", "COMPLETED", "TIMEOUT"]


def test_a_job_that_is_killed_for_memory_is_tried_again_with_more(
    cluster, driver, settings, predicted
):
    """This cluster has no cgroups, so the test kills as the kernel does."""
    driver.start(settings, PREDICTIONS)
    _, pid = at_work(cluster, driver)
    os.kill(pid, signal.SIGKILL)
    same(driver, predicted)
    assert states(cluster, driver) == ["COMPLETED", "COMPLETED", "FAILED"]
    jobs = cluster.jobs(driver.name, "predict_chunk")
    again = max(jobs, key=lambda job: int(job["JobId"]))
    assert again["MinMemoryNode"] in ("8000M", "8G")


def test_a_node_that_dies(cluster, driver, settings, predicted):
    driver.start(settings, PREDICTIONS)
    job, _ = at_work(cluster, driver)
    node = job["NodeList"]
    cluster.kill(node)
    cluster.ask("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=died")
    try:
        same(driver, predicted)
    finally:
        cluster.start(node)
        cluster.ask("scontrol", "update", f"NodeName={node}", "State=RESUME", check=False)
        cluster.wait_until_idle()


def test_a_controller_that_is_away_for_a_minute(cluster, driver, settings, predicted):
    """The jobs end by themselves. The plugin (2.8) then asks sacct alone, which this cluster does
    not have, and waits for ever: the profile says what to do with such a driver."""
    driver.start(settings, PREDICTIONS)
    at_work(cluster, driver)
    cluster.kill("slurmctld")
    time.sleep(60)
    cluster.start("slurmctld")
    wait_for(lambda: not cluster.queue(driver.name), 120, "an empty queue")
    if driver.process.poll() is None:
        driver.process.kill()
        driver.process.wait()
        driver.run(settings, "--unlock")
    driver.run(settings, PREDICTIONS)
    same(driver, predicted)
