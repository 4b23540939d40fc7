"""Runs jobs of Snakemake in copies of a process in which all is imported: python server.py ADDRESS

A run of the tests starts hundreds of jobs that compute for a tenth of a second and import for
three. Here a job is a fork: the same script, streams, folder and environment, and memory of its
own. What it leaves out is the start of Python and of imports, so whatever is about that (kills,
installation, first use) starts its jobs as always (`run_workflow(warm=False)`).
"""

import array
import contextlib
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import struct
import sys
import threading

MODULES = ("torch", "pandas", "pyarrow.parquet", "h5py", "scipy.stats", "scipy.cluster.hierarchy",
           "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg",
           "pysam", "pybigtools", "snakemake.script", "cisweep.job")  # fmt: skip


def warm() -> None:
    """Import what jobs import, and compute nothing."""
    import cisweep.analysis
    import cisweep.jobs
    import cisweep.report

    for name in MODULES:
        importlib.import_module(name)
    for package in (cisweep.analysis, cisweep.jobs, cisweep.report):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            with contextlib.suppress(ImportError):  # of an optional package
                importlib.import_module(found.name)


def received(line: socket.socket) -> tuple[list[int], str, str, dict[str, str]]:
    """Return the streams, script, folder and environment of a job."""
    fds = array.array("i", [0, 0, 0])
    head, passed, _, _ = line.recvmsg(4, socket.CMSG_SPACE(3 * fds.itemsize))
    fds = array.array("i", passed[0][2][: 3 * fds.itemsize])
    (size,) = struct.unpack("!I", head)
    note = b""
    while len(note) < size:
        note += line.recv(size - len(note))
    return list(fds), *json.loads(note)


def run(line: socket.socket) -> int:
    """Run one job and return its exit status."""
    streams, script, folder, environment = received(line)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[:] = [script]
    sys.path[0] = os.path.dirname(script)
    # Whoever waits for the job is killed in its place: the job then ends too.
    threading.Thread(target=lambda: (line.recv(1), os._exit(143)), daemon=True).start()
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())  # as Python does; a job may have set its own
        return 1
    return 0


def main(address: str) -> None:
    """Wait for jobs until the process that started this one is gone."""
    warm()
    gc.freeze()  # what is imported is not looked at again in each job
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen(64)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            line, _ = server.accept()
            if os.fork():
                line.close()
                continue
            server.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            code = 1
            try:
                code = run(line)
                sys.stdout.flush()
                sys.stderr.flush()
                line.sendall(struct.pack("!i", code))
            finally:
                os._exit(code)


if __name__ == "__main__":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: it ends with its parent
    main(sys.argv[1])
