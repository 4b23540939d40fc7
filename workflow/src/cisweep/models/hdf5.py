"""HDF5 files of Keras from strangers: read in a process of their own before they are loaded."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from cisweep.errors import ModelError
from cisweep.models.weights import EXPANDED_MAX_BYTES, EXPANSION_MAX, broken

SECONDS = 60
"""Of the processor, for one file."""
_READER = """
import io, resource, sys, zipfile
path, limit, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
import h5py
def read(_, item):
    if isinstance(item, h5py.Dataset) and item.nbytes <= limit:
        item[()]
if zipfile.is_zipfile(path):
    path = io.BytesIO(zipfile.ZipFile(path).read("model.weights.h5"))
with h5py.File(path, "r") as file:
    file.visititems(read)
    file.attrs.get("model_config")
"""


def check_readable(path: Path, size: int) -> None:
    """Let another process read a file, HDF5 or .keras, as its adapter will (half a second of the
    processor); raises ModelError where the HDF5 library ends that process, or never ends."""
    command = [sys.executable, "-c", _READER, str(path), str(_limit(size)), str(SECONDS)]
    ended = subprocess.run(command, capture_output=True).returncode
    if ended == -signal.SIGXCPU:
        raise broken(
            path, f"the HDF5 library reads it for more than {SECONDS} s without reaching its end"
        )
    if ended < 0:
        raise broken(path, f"the HDF5 library crashed the process that read it, signal {-ended}")


def check_size(item: Any, path: Path) -> None:
    """Raise a ModelError for weights of which the file holds the size alone, or almost."""
    if item.nbytes > _limit(path.stat().st_size):
        raise ModelError(
            f"{item.name} would take {item.nbytes:,} bytes, more than {EXPANSION_MAX} times the "
            "file",
            where=str(path),
            mend="save the model again with Keras, without compression",
        )


def _limit(size: int) -> int:
    return max(EXPANDED_MAX_BYTES, EXPANSION_MAX * size)
