"""Hands a job of Snakemake to the server of warm jobs, if there is one (tests/warm/server.py).

Python imports this file at its start where tests/warm is on its path. A job that the server takes
runs in a copy of it, in which all is imported; this process waits for its end. Any other process,
and every job where the server is gone, starts as always.
"""

import os
import sys


def hand_over(address: str, script: str) -> None:
    """Return if the job is to start as always; else end this process as the job ends."""
    import array
    import json
    import socket
    import struct

    line = socket.socket(socket.AF_UNIX)
    try:
        line.connect(address)
        note = json.dumps([script, os.getcwd(), dict(os.environ)]).encode()
        streams = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
        line.sendmsg([struct.pack("!I", len(note))], streams)
        line.sendall(note)
    except OSError:
        return
    code = line.recv(4)
    os._exit(struct.unpack("!i", code)[0] if len(code) == 4 else 1)


_ADDRESS = os.environ.get("CISWEEP_WARM_JOBS")
_IS_JOB = len(sys.orig_argv) == 2 and "/.snakemake/scripts/" in sys.orig_argv[1]
# A test that changes the path of imports means other modules than the server has.
_SAME_PATH = os.environ.get("PYTHONPATH") == os.environ.get("CISWEEP_WARM_PATH")
if _ADDRESS and _IS_JOB and _SAME_PATH:
    hand_over(_ADDRESS, sys.orig_argv[1])
