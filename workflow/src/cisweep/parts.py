"""Small files that one job writes and another reads: JSON and arrays, with one clear error."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile
from zlib import error as ZlibError

import numpy as np

from cisweep.errors import ProductError

_NO_ARRAYS = (
    *(OSError, ValueError, EOFError, KeyError, BadZipFile, ZlibError),
    *(NotImplementedError, AttributeError),  # a flipped method, or no archive
)
DAMAGED = "delete it and run the workflow again, which makes it again"


def read_json(path: Path) -> Any:
    """Return the content of a JSON file; ProductError if it is missing, cut off or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise unreadable(path, "JSON", error) from None


def read_arrays(path: Path) -> Mapping[str, np.ndarray]:
    """Return all arrays of an .npz file; ProductError if it is missing, cut off or damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except _NO_ARRAYS as error:
        raise unreadable(path, "npz", error) from None


def unreadable(path: Path, kind: str, error: Exception) -> ProductError:
    """Return the error of a product that cannot be read as what it is."""
    if isinstance(error, FileNotFoundError):
        again = "run the workflow again, which makes it"
        return ProductError("there is no such file", where=str(path), mend=again)
    return ProductError(f"not a readable {kind} file ({error})", where=str(path), mend=DAMAGED)
