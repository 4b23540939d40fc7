"""The compiled kernels: one shared library, called through ctypes without the GIL.

A domain file declares the signature of its own kernel once:

    _scan = kernel("fimo_scan", None, [array(np.uint8, 1), ctypes.c_int64])

and numpy checks type, dimensions and contiguity at each call. Threads are Python threads
over independent blocks: ctypes lets go of the GIL while C runs.
"""

import ctypes
import importlib.util
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np

from cisweep.errors import CisweepError


@cache
def _library() -> ctypes.CDLL:
    spec = importlib.util.find_spec("cisweep._ckernels")
    if spec is None or spec.origin is None:
        raise CisweepError(
            "the compiled kernels of cisweep are missing",
            where="cisweep._ckernels",
            mend="install the package with pip (a C compiler is needed): pip install .",
        )
    return ctypes.CDLL(spec.origin)


def array(dtype: Any, ndim: int) -> Any:
    """Return the ctypes argument type of a C-contiguous array of `dtype` and `ndim`."""
    return np.ctypeslib.ndpointer(dtype=dtype, ndim=ndim, flags="C_CONTIGUOUS")


def kernel(name: str, restype: Any, argtypes: Sequence[Any]) -> Any:
    """Return C function `name` with its signature declared; it is looked up at the first call."""

    @cache
    def function() -> Any:
        symbol = getattr(_library(), name)
        symbol.restype, symbol.argtypes = restype, list(argtypes)
        return symbol

    return lambda *args: function()(*args)


def in_threads(run: Callable[[int, int], None], n: int, threads: int) -> None:
    """Call run(begin, end) for parts of 0 … n, one for each thread."""
    threads = min(threads, n)
    if threads < 2:
        run(0, n)
        return
    cuts = [n * i // threads for i in range(threads + 1)]
    list(_pool(os.getpid(), threads).map(run, cuts[:-1], cuts[1:]))


@cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Return the threads of a process: one that was forked has none of its parent's."""
    return ThreadPoolExecutor(threads)
