"""Make each call of a C kernel here and on an emulated CPU, and compare all that it wrote.

    python emulated_kernels.py SEED ROUNDS COMMAND NAME...

COMMAND runs emulated_kernels.c, whose functions are NAME...; the calls are those of
sanitized_kernels.py. Prints of each kernel how often something was compared, and the largest
difference: of floats relative to the largest in the array, of all else that is not equal inf.
"""

import ctypes
import math
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
import sanitized_kernels as driver

from cisweep import kernels

WHOLE, FLOATS = 20, 2
ASKED_OF_THE_CPU = {"fimo_has_avx2", "winograd_floats"}
"""The emulated CPU decides which kernels are called, and how."""
SCRATCH = {"fimo_scan": 13, "fimo_distribution": 7, "fimo_markov_distribution": 8,
           "window_shares": 4}  # fmt: skip
"""Arguments whose bytes mean nothing after the call."""


class Addresses:
    """Where the memory of each array lies that a kernel is given by its address."""

    def __init__(self):
        self.known: dict[int, tuple[int, int, np.dtype]] = {}
        original = torch.Tensor.data_ptr

        def data_ptr(tensor):
            found, storage = original(tensor), tensor.untyped_storage()
            dtype = torch.empty(0, dtype=tensor.dtype).numpy().dtype
            self.known[found] = storage.data_ptr(), storage.nbytes(), dtype
            return found

        def address_of(array):
            found = array.ctypes.data
            self.known[found] = found, array.nbytes, array.dtype
            return found

        torch.Tensor.data_ptr, driver.address_of = data_ptr, address_of


class Emulator:
    """The other process, and what its results differed by."""

    def __init__(self, command: list[str], names: list[str]):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.number = {name: i for i, name in enumerate(names)}
        self.addresses, self.lock = Addresses(), threading.Lock()
        self.here = kernels._library()
        self.calls: dict[str, int] = {}
        self.off: dict[str, float] = {}

    def __getattr__(self, name: str) -> "Function":
        return Function(self, name)

    def call(self, name: str, regions: list[bytes], arguments: list, floats: bytes):
        """Return what the function gives there, and its memory afterwards."""
        whole = arguments + [(-1, 0)] * (WHOLE - len(arguments))
        message = [struct.pack("<qq", self.number[name], len(regions))]
        message += [part for r in regions for part in (struct.pack("<q", len(r)), r)]
        message += [struct.pack("<qq", *pair) for pair in whole]
        self.process.stdin.write(b"".join(message) + floats.ljust(8 * FLOATS, b"\0"))
        self.process.stdin.flush()
        (given,) = struct.unpack("<q", self._read(8))
        return given, [self._read(len(r)) for r in regions]

    def _read(self, n: int) -> bytes:
        found = self.process.stdout.read(n)
        if len(found) != n:
            raise SystemExit(f"the emulated process ended with {self.process.wait()}")
        return found


class Function:
    """A kernel: what ctypes has, and the same function there."""

    def __init__(self, emulator: Emulator, name: str):
        self.emulator, self.name = emulator, name
        self.restype, self.argtypes = None, []

    def __call__(self, *args):
        with self.emulator.lock:
            return self._both(args)

    def _both(self, args):
        regions: dict[int, tuple[int, np.dtype]] = {}
        pointers: dict[int, tuple[int, int]] = {}
        whole: list[tuple[int, int]] = []
        floats = b""
        for i, (kind, value) in enumerate(zip(self.argtypes, args, strict=True)):
            if kind is ctypes.c_float:
                floats += struct.pack("<fi", value, 0)
            elif kind is ctypes.c_double:
                floats += struct.pack("<d", value)
            elif (place := self._place(kind, value)) is None:
                whole.append((-1, 0 if value is None else int(value)))
            else:
                address, base, size, dtype = place
                regions[base] = size, dtype
                pointers[i] = base, address - base
                whole.append((list(regions).index(base), address - base))
        before = [ctypes.string_at(base, size) for base, (size, _) in regions.items()]
        there, after = self.emulator.call(self.name, before, whole, floats)
        here = self._here(args)
        if self.name in ASKED_OF_THE_CPU:
            self._note(0.0)
            return there
        if self.restype is not None:
            self._note(0.0 if here == self.restype(there).value else math.inf)
        scratch = pointers.get(SCRATCH.get(self.name), (None, 0))[0]
        for (base, (size, dtype)), memory in zip(regions.items(), after):
            if base != scratch:
                self._compare(ctypes.string_at(base, size), memory, dtype)
        return here

    def _here(self, args):
        function = getattr(self.emulator.here, self.name)
        function.restype, function.argtypes = self.restype, self.argtypes
        return function(*args)

    def _place(self, kind, value):
        """Return an address and the memory around it (address, bytes, dtype); None for a number."""
        if isinstance(value, np.ndarray):
            return value.ctypes.data, value.ctypes.data, value.nbytes, value.dtype
        if isinstance(value, bytes):
            # The object keeps its bytes where they are.
            address = ctypes.cast(ctypes.c_char_p(value), ctypes.c_void_p).value
            return address, address, len(value), np.dtype(np.uint8)
        if kind is ctypes.c_void_p and value is not None:
            return value, *(self.emulator.addresses.known[value])
        return None

    def _compare(self, here: bytes, there: bytes, dtype: np.dtype) -> None:
        if here == there or not len(here):
            return self._note(0.0)
        if dtype.kind != "f":
            return self._note(math.inf)
        x, y = (np.frombuffer(memory, dtype).astype(np.float64) for memory in (here, there))
        both = np.isfinite(x) & np.isfinite(y)
        if not np.array_equal(x[~both], y[~both], equal_nan=True):
            return self._note(math.inf)
        top = max(np.abs(x[both]).max(), np.abs(y[both]).max())
        return self._note(float(np.abs(x[both] - y[both]).max() / top))

    def _note(self, off: float) -> None:
        calls, known = self.emulator.calls, self.emulator.off
        calls[self.name] = calls.get(self.name, 0) + 1
        known[self.name] = max(known.get(self.name, 0.0), off)


def main(seed: int, rounds: int, command: list[str], names: list[str]) -> None:
    """Make the calls of sanitized_kernels.py and print what was compared."""
    emulator = Emulator(command, names)
    kernels._library = lambda: emulator
    torch.set_num_threads(1)
    shapes = driver.Shapes(seed)
    for _ in range(rounds):
        for call in driver.CALLS:
            call(shapes)
    emulator.process.stdin.close()
    for name in sorted(emulator.calls):
        print(name, emulator.calls[name], emulator.off[name])


if __name__ == "__main__":
    given, rounds, command, *named = sys.argv[1:]
    main(int(given), int(rounds), command.split(), named)
