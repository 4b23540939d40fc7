"""A Slurm cluster of three pretended nodes on this machine, for tests: no systemd, no accounting.

n1 and n2 form the partition `cpu`, g1 with two pretended GPUs the partition `gpu`. All its state
lies in one folder; every daemon is a child of this process and dies with it.
"""

import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("munged", "munge", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol")
NODES = ("n1", "n2", "g1")
PREDICTIONS = "results/small/ctcf_pu1/predictions.h5"  # what most tests ask a run for
SBIN = "/usr/sbin:/sbin"


def missing() -> str:
    """Return why no cluster can be booted here, or an empty string."""
    if os.getuid() != 0:
        return "needs root to boot a Slurm cluster"
    path = f"{os.environ.get('PATH', '')}:{SBIN}"
    absent = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    return f"needs Slurm ({', '.join(absent)} not installed)" if absent else ""


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> object:
    """Return the first true value of `condition`; fail with `what` after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds:.0f} s: {what}")


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies, however that dies."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Cluster:
    """The daemons, and what they say of their jobs."""

    def __init__(self) -> None:
        # Not pytest's folder: a socket's path has at most 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="cisweep_slurm_", dir="/tmp"))
        self.folder.chmod(0o755)
        self.conf = self.folder / "slurm.conf"
        self.tasks_file = self.folder / "tasks.txt"
        self.daemons: dict[str, subprocess.Popen] = {}

    # ---- life ----------------------------------------------------------------------------

    def boot(self) -> None:
        """Start all daemons and wait until every node is idle."""
        for name in ("munge", "ctld", "log", "bin", *(f"spool.{node}" for node in NODES)):
            (self.folder / name).mkdir()
        self._write_files()
        munge = self.folder / "munge"
        options = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log"}
        options["seed-file"] = "seed"
        flags = [f"--{option}={munge / name}" for option, name in options.items()]
        self._start("munged", "munged", "--foreground", "--force", *flags)
        wait_for((munge / "socket").exists, 20, "munged's socket")
        for name in ("slurmctld", *NODES):
            self.start(name)
        self.wait_until_idle()

    def start(self, name: str) -> None:
        """Start slurmctld, or a node; also again, after it died."""
        if name == "slurmctld":
            self._start(name, "slurmctld", "-D", "-i")
        else:
            self._start(name, "slurmd", "-D", "-N", name)

    def kill(self, name: str) -> None:
        """Kill slurmctld, or a node and all that runs on it, as a power cut does."""
        self.daemons[name].kill()
        self.daemons[name].wait()
        for job in [j for j in self.jobs("") if j.get("NodeList") == name] if name in NODES else []:
            for pid in self.processes(job["JobId"]):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def wait_until_idle(self) -> None:
        """Wait until every node is up and has no job."""
        wait_for(lambda: self._states() == {"idle"}, 60, f"idle nodes; see {self.folder}/log")

    def end(self) -> None:
        """Cancel all jobs, end all daemons by their process ids, delete the folder."""
        with contextlib.suppress(AssertionError, subprocess.SubprocessError):
            self.ask("scancel", "--user", "root", check=False)
            wait_for(lambda: not self.queue(), 15, "an empty queue")
        for daemon in reversed(
            self.daemons.values()
        ):  # munged last: the others need it to say goodbye
            daemon.terminate()
            try:
                daemon.wait(5)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def environment(self) -> dict[str, str]:
        """Return the environment of programs that use the cluster."""
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}:{SBIN}"
        return os.environ | {"SLURM_CONF": str(self.conf), "PATH": path}

    def _start(self, name: str, *command: str) -> None:
        with open(self.folder / "log" / f"{name}.out", "w") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment(),
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        self.daemons[name] = process

    def _states(self) -> set[str]:
        return set(self.ask("sinfo", "-h", "-o", "%T", check=False).split())

    def _write_files(self) -> None:
        key = self.folder / "munge" / "key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        self.conf.write_text(_slurm_conf(self.folder))
        # A GPU is a character device: /dev/null under further names.
        for i in range(2):
            os.mknod(self.folder / f"gpu{i}", 0o020666, os.makedev(1, 3))
        gpus = f"NodeName=g1 Name=gpu File={self.folder}/gpu[0-1] Flags=nvidia_gpu_env\n"
        (self.folder / "gres.conf").write_text(gpus)
        # A job's srun finds this configuration though SLURM_CONF is stripped from its environment.
        srun = shutil.which("srun")
        self._script("srun", f'SLURM_CONF={self.conf} exec {srun} "$@"')
        seen = '"$SLURM_JOB_ID $SLURMD_NODENAME ${CUDA_VISIBLE_DEVICES:-none}"'
        self._script("task_prolog", f"echo {seen} >> {self.tasks_file}")

    def _script(self, name: str, line: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)

    # ---- what it says --------------------------------------------------------------------

    def ask(self, *command: str, check: bool = True) -> str:
        """Return what one of Slurm's programs prints."""
        done = subprocess.run(
            command, env=self.environment(), capture_output=True, text=True, timeout=60
        )
        assert not check or done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def queue(self, prefix: str = "") -> list[str]:
        """Return the ids of waiting and running jobs whose name starts with `prefix`."""
        lines = self.ask("squeue", "-h", "-o", "%i %j", check=False).splitlines()
        rows = [line.split(maxsplit=1) for line in lines]
        return [row[0] for row in rows if row[1].startswith(prefix)]

    def jobs(self, prefix: str, rule: str = "") -> list[dict[str, str]]:
        """Return the fields of all jobs, ended ones too, of one run and one rule."""
        found = []
        for line in self.ask("scontrol", "--oneliner", "show", "jobs").splitlines():
            job = dict(field.split("=", 1) for field in line.split() if "=" in field)
            comment = job.get("Comment", "")
            mine = job.get("JobName", "").startswith(prefix)
            if mine and (not rule or comment.startswith(f"rule_{rule}_wildcards")):
                found.append(job)
        return found

    def running(self, prefix: str, rule: str, seconds: float = 120) -> dict[str, str]:
        """Return a job of a rule as soon as one runs."""

        def first() -> dict[str, str] | None:
            found = self.jobs(prefix, rule)
            return next((job for job in found if job["JobState"] == "RUNNING"), None)

        return wait_for(first, seconds, f"a running job of {rule}")

    def processes(self, job_id: str, words: str = "") -> list[int]:
        """Return the processes of a job whose command line holds `words`."""
        mine, found = f"SLURM_JOB_ID={job_id}".encode(), []
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                pid = int(folder.name)
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                step = command.startswith(f"slurmstepd: [{job_id}.")
                environment = (folder / "environ").read_bytes().split(b"\0")
                if words in command and (step or mine in environment):
                    found.append(pid)
        return found

    def tasks(self) -> dict[str, tuple[str, str]]:
        """Return job id -> (node, CUDA_VISIBLE_DEVICES or none), as the jobs' processes see it."""
        rows = [line.split() for line in self.tasks_file.read_text().splitlines()]
        return {job: (node, devices) for job, node, devices in rows}


@contextlib.contextmanager
def cluster():
    """Yield a booted cluster; nothing of it is left behind, whatever happens."""
    made = Cluster()
    try:
        made.boot()
        yield made
    finally:
        made.end()


def _free_ports(n: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]


def _slurm_conf(folder: Path) -> str:
    """Return slurm.conf. pgid tracking, as without cgroups it alone leaves no orphans."""
    host = socket.gethostname().split(".")[0]
    control, *ports = _free_ports(1 + len(NODES))
    lines = [
        "ClusterName=cisweep", f"SlurmctldHost={host}(127.0.0.1)", f"SlurmctldPort={control}",
        "SlurmUser=root", "SlurmdUser=root", "AuthType=auth/munge", "CredType=cred/munge",
        f"AuthInfo=socket={folder}/munge/socket", "AccountingStorageType=accounting_storage/none",
        f"StateSaveLocation={folder}/ctld", f"SlurmdSpoolDir={folder}/spool.%n",
        f"SlurmctldPidFile={folder}/ctld/pid", f"SlurmdPidFile={folder}/spool.%n/pid",
        f"SlurmctldLogFile={folder}/log/slurmctld.log", f"SlurmdLogFile={folder}/log/%n.log",
        f"TaskProlog={folder}/bin/task_prolog", "ProctrackType=proctrack/pgid",
        "TaskPlugin=task/none", "JobAcctGatherType=jobacct_gather/none", "SwitchType=switch/none",
        "MpiDefault=none", "ReturnToService=2", "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_Core_Memory", "SlurmdParameters=config_overrides",
        "SchedulerParameters=sched_interval=2,bf_interval=2,sched_min_interval=0,batch_sched_delay=0",
        "GresTypes=gpu", "MinJobAge=600", "KillWait=2", "SlurmdTimeout=60", "MessageTimeout=60",
    ]  # fmt: skip
    shape = "NodeAddr=127.0.0.1 CPUs=4 Boards=1 SocketsPerBoard=1 CoresPerSocket=4 RealMemory=20000"
    for node, port in zip(NODES, ports, strict=True):
        gpus = " Gres=gpu:2" if node == "g1" else ""
        lines.append(f"NodeName={node} NodeHostname={host} Port={port} {shape}{gpus}")
    lines.append("PartitionName=cpu Nodes=n1,n2 Default=YES MaxTime=1440 State=UP")
    lines.append("PartitionName=gpu Nodes=g1 MaxTime=1440 State=UP")
    return "\n".join(lines) + "\n"
