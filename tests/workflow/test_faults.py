"""Kills, damage, a full disk, odd surroundings: the products of an undisturbed run, or a clear end.

The figures of RELIABILITY.md come from the same functions: `python -m benchmarks.reliability`.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).parent))
from benchmarks.reliability import (
    DAMAGED,
    MODEL,
    ODD_NAME,
    Run,
    damage,
    full_disk,
    jobs_of,
    kill_once,
    kills,
    odd_surroundings,
    read_only,
)
from support import assert_same, config, same_product

pytestmark = pytest.mark.slow

PREDICTIONS, ATTRIBUTIONS = str(MODEL / "predictions.h5"), str(MODEL / "attributions.h5")


@pytest.fixture(scope="module")
def settings(small_genome) -> dict:
    return config(small_genome, chunk_bp=22_000)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, settings) -> Path:
    """A run without faults."""
    run = Run(tmp_path_factory.mktemp("undisturbed"), settings)
    run.finish()
    return run.folder


def same(undisturbed: Path, folder: Path, *products: str) -> None:
    for product in products:
        same_product(undisturbed / product, folder / product)


def test_kills_and_then_a_clean_finish(undisturbed, settings, tmp_path):
    # SIGTERM of driver and jobs; then SIGKILL of a driver alone (its jobs go on), a job, both.
    run = Run(tmp_path / "run", settings, (PREDICTIONS, ATTRIBUTIONS))
    assert kill_once(run, "both", random.Random(3), signal.SIGTERM) != "nothing"
    assert not run.half_written() and not run.locked()
    kills(run, 3, seed=3)
    same(undisturbed, run.folder, PREDICTIONS, ATTRIBUTIONS)


def test_one_flipped_bit_in_each_kind_of_part(undisturbed, settings, tmp_path):
    run = Run(tmp_path / "run", settings)
    said = damage(undisturbed, run)
    assert_same(undisturbed, run.folder)
    # Those that are read before they would be made anew anyhow.
    for name in ("prepare/prepared.json", "predictions.h5", "chunks/select_null/c000000.npz"):
        assert f"cisweep: {MODEL / name} was damaged on the disk and is made again" in said
    assert len(DAMAGED) > len(said) > 3


def test_a_second_driver_is_refused_and_told_why(settings, tmp_path):
    run = Run(tmp_path, settings, (PREDICTIONS,))
    first = run.start()
    try:
        while first.poll() is None and not jobs_of(first):
            time.sleep(0.2)
        said = run.finish(check=False)
        told = f"cisweep: another run (process {first.pid}) is at work in results/small: wait until"
        assert told in said and "cannot be locked" in said
        assert first.poll() is None
    finally:
        for process in [*psutil.Process(first.pid).children(recursive=True), first]:
            process.kill()
        first.wait()
    said = run.finish(check=False)
    assert f"cisweep: the run before (process {first.pid}) was killed: run the same" in said


def test_a_disk_that_is_full_in_the_middle(undisturbed, settings, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)]
    if os.getuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        run = Run(disk / "run", settings, (PREDICTIONS,))
        room = (undisturbed / PREDICTIONS).stat().st_size
        said = full_disk(run, room)
        assert "No space left on device" in said
        same(undisturbed, run.folder, PREDICTIONS)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_odd_surroundings(undisturbed, small_genome, tmp_path):
    """Read-only inputs, umask 077, 64 open files, a plain C locale, another time zone, no HOME, and
    paths with spaces, quotes and other scripts, all at once. A name with {x} is refused."""
    given = tmp_path / ODD_NAME / "input"
    shutil.copytree(small_genome.parent, given)
    read_only(given)
    settings = config(given / small_genome.name, chunk_bp=22_000)
    track = str(MODEL / "tracks" / "ctcf.pred.bw")
    run = Run(tmp_path / ODD_NAME / "run", settings, (PREDICTIONS, track))
    run.finish(**odd_surroundings())
    same(undisturbed, run.folder, PREDICTIONS, track)
    assert (run.folder / PREDICTIONS).stat().st_mode & 0o777 == 0o600
