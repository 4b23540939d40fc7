"""Locks of GPUs: one job a GPU, and nothing of the user's is written through them."""

import os
import socket
import subprocess
import sys
import time

import pytest

from cisweep.errors import CisweepError
from cisweep.gpu_lock import free_gpu, private_folder


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Folders of this user for all three places, and a file that must stay as it is."""
    for name, variable in (("run", "XDG_RUNTIME_DIR"), ("cache", "XDG_CACHE_HOME")):
        (tmp_path / name).mkdir(mode=0o700)
        monkeypatch.setenv(variable, str(tmp_path / name))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    for variable in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "precious").write_text("kept")
    return tmp_path


def locks(folder):
    return sorted(p.name for p in folder.rglob("*.lock"))


def held(count=1):
    with free_gpu(count) as index:
        return index


def test_the_lock_lies_in_a_folder_of_the_user(folders, monkeypatch):
    for place in ("run/cisweep", "cache/cisweep/locks", f"tmp/cisweep_{os.getuid()}"):
        assert held() == 0
        folder = folders / place
        assert locks(folder) == [f"gpu_{socket.gethostname()}__0.lock"]
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / locks(folder)[0]).stat().st_mode & 0o777 == 0o600
        # The next place is asked where this one is not there.
        variable = {"run": "XDG_RUNTIME_DIR", "cache": "XDG_CACHE_HOME"}.get(place.split("/")[0])
        if variable:
            monkeypatch.delenv(variable)
            monkeypatch.setenv("HOME", "/")


def test_a_home_without_the_variables(folders, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folders / "absent"))  # of the machine before
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(folders / "home"))
    assert held() == 0
    assert len(locks(folders / "home" / ".cache" / "cisweep" / "locks")) == 1


def test_a_link_in_the_shared_folder_is_not_followed(folders):
    """As c42e2eb wrote it: the name is known beforehand, and what it leads to was emptied."""
    old = folders / "tmp" / f"cisweep_gpu_{os.getuid()}___0.lock"
    old.symlink_to(folders / "precious")
    assert held() == 0
    assert (folders / "precious").read_text() == "kept"
    assert list((folders / "tmp").iterdir()) == [old]


def test_a_link_in_place_of_the_lock_is_refused(folders):
    assert held() == 0
    lock = folders / "run" / "cisweep" / f"gpu_{socket.gethostname()}__0.lock"
    lock.unlink()
    lock.symlink_to(folders / "precious")
    with pytest.raises(CisweepError, match=r"gpu_.*lock: the lock of a GPU cannot be opened"):
        held()
    assert (folders / "precious").read_text() == "kept"


@pytest.mark.parametrize("fault", ["link", "open", "file", "owner"])
def test_a_folder_that_others_can_write_is_not_used(folders, fault):
    (folders / "elsewhere").mkdir(mode=0o700)
    for folder in (folders / "run/cisweep", folders / "cache/cisweep/locks"):
        folder.parent.mkdir(exist_ok=True)
        if fault == "link":
            folder.symlink_to(folders / "elsewhere")
        elif fault == "file":
            folder.write_text("")
        else:
            folder.mkdir()
            folder.chmod(0o777 if fault == "open" else 0o700)
        if fault == "owner":
            if os.getuid():
                pytest.skip("only root can give a folder away")
            os.chown(folder, 12345, 12345)
    path, descriptor = private_folder()
    os.close(descriptor)
    assert path == folders / "tmp" / f"cisweep_{os.getuid()}"
    path.chmod(0o755)
    said = {
        "link": "run/cisweep .(Not a directory|Too many levels)",
        "open": "run/cisweep .its mode is 0777, not 0700",
        "file": "run/cisweep .File exists",
        "owner": "run/cisweep .it belongs to another user",
    }
    message = (
        f"no folder that belongs to this user alone.*{said[fault]}.*its mode is "
        "0755.*XDG_RUNTIME_DIR"
    )
    with pytest.raises(CisweepError, match=message):
        private_folder()
    assert not locks(folders)


@pytest.mark.parametrize(
    ("seen", "index", "name"),
    [
        ("MIG-GPU-5a/1/0,MIG-GPU-5a/2/0", 0, "MIG-GPU-5a%2F1%2F0"),
        ("../../precious", 0, "..%2F..%2Fprecious"),
        ("3,1", 0, "3"),
        ("a;rm -rf $HOME\n`x`", 0, "a%3Brm%20-rf%20%24HOME%0A%60x%60"),
    ],
)
def test_an_id_stays_within_the_name(folders, monkeypatch, seen, index, name):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", seen)
    monkeypatch.setenv("SLURM_JOB_ID", "7/../7")
    assert held() == index
    expected = f"gpu_{socket.gethostname()}_7%2F..%2F7_{name}.lock"
    assert [p.name for p in (folders / "run" / "cisweep").iterdir()] == [expected]
    assert (folders / "precious").read_text() == "kept"


def test_a_long_id_fits_a_file_name(folders, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-" + "x" * 300 + "1")
    assert held() == 0
    assert locks(folders)[0].endswith("x1.lock")


HOLD = """
import sys
from cisweep.gpu_lock import free_gpu
with free_gpu(int(sys.argv[1])) as index:
    print(index, flush=True)
    sys.stdin.read()
"""


def test_jobs_take_different_gpus_and_wait_for_one(folders, monkeypatch):
    def start(seen, count):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", seen)
        command = [sys.executable, "-c", HOLD, str(count)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    first, second = start("4,7", 2), start("4,7", 2)
    try:
        taken = {first.stdout.readline(), second.stdout.readline()}
        assert taken == {"0\n", "1\n"}
        # The same card under another number; a killed job lets go of it.
        third = start("7", 1)
        time.sleep(1)
        assert third.poll() is None
        first.kill()
        second.kill()
        assert third.stdout.readline() == "0\n"
        third.communicate("")
    finally:
        for job in (first, second):
            job.kill()
            job.communicate()
