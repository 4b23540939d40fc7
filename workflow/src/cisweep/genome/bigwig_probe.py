"""Is a file a whole bigWig, and has it values where a run looks? Asked in a process of its own.

pyBigWig (0.3.29) ends the process by a segmentation fault at some damaged files. So what its header
says is compared with the file first, by Python alone, and then another process opens it; where
that process dies, the file is named. Source of the layout: Kent et al. 2010, BigWig and BigBed,
supplementary tables 5 to 14.
"""

import json
import math
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_BIGWIG, _BIGBED, _CHROM_TREE, _INDEX = 0x888FFC26, 0x8789F2EB, 0x78CA8C91, 0x2468ACE0
_HEADER = struct.Struct("<IHHQQQHHQQIQ")
_ZOOM = struct.Struct("<IIQQ")
_LOOK_BP, _LOOKS = 5_000_000, 200
_SECONDS = 120


@dataclass(frozen=True)
class Probe:
    """What was found: the file's chromosomes (name -> bp), and what is wrong with it, or None."""

    chroms: dict[str, int]
    fault: str | None = None


def header_fault(path: Path) -> str | None:
    """Return why the bytes of a file are no whole bigWig, or None. Only its tables are read."""
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            return _header_fault(file, size)
    except OSError as error:
        return f"is no readable bigWig ({error.strerror or error})"
    except struct.error:
        return "is cut off: its header points beyond its end"


def _header_fault(file, size: int) -> str | None:
    head = file.read(_HEADER.size)
    magic = head[:4]
    if magic == _BIGBED.to_bytes(4, "little"):
        return "is a bigBed, not a bigWig"
    if magic != _BIGWIG.to_bytes(4, "little"):
        return "is no readable bigWig (it does not begin like one)"
    _, version, n_zooms, tree, data, index, _, _, _, summary, _, _ = _HEADER.unpack(head)
    zooms = [_ZOOM.unpack(file.read(_ZOOM.size)) for _ in range(n_zooms)]
    offsets = [tree, data, index, summary, *(o for z in zooms for o in z[2:])]
    if max(offsets) >= size:
        return "is cut off: its header points beyond its end"
    if not 1 <= version <= 4 or min(tree, data, index) < _HEADER.size:
        return "has a damaged header"
    file.seek(tree)
    tree_magic, _, key_bytes, value_bytes, n_chroms = struct.unpack("<IIIIQ", file.read(24))
    if tree_magic != _CHROM_TREE or value_bytes != 8 or not 0 < key_bytes <= 1 << 16:
        return "has a damaged list of chromosomes"
    if n_chroms * (key_bytes + 8) > size:
        return "is cut off or damaged: its list of chromosomes is longer than the file"
    for place in (index, *(z[3] for z in zooms)):
        file.seek(place)
        index_magic, _, _, _, _, _, _, end = struct.unpack("<IIQIIIIQ", file.read(40))
        if index_magic != _INDEX or end > size:
            return "is cut off or damaged: an index of its values does not fit the file"
    return None


def probe_all(wanted: Sequence[tuple[Path, Sequence[str]]]) -> list[Probe]:
    """Return what is found of each (bigWig, chromosomes that the run reads), in order.

    One process looks at all files; where it dies, another goes on behind that file.
    """
    found: list[Probe] = []
    while len(found) < len(wanted):
        rest = [(str(path), list(chroms)) for path, chroms in wanted[len(found) :]]
        command = [sys.executable, "-c", f"from {__name__} import main; main()"]
        try:
            done = subprocess.run(
                command, input=json.dumps(rest).encode(), capture_output=True, timeout=_SECONDS
            )
            out, how = done.stdout, _ending(done)
        except subprocess.TimeoutExpired as late:
            out, how = late.stdout or b"", f"keeps pyBigWig busy for more than {_SECONDS} s"
        lines = out.decode().splitlines()
        found += [Probe(**json.loads(line)) for line in lines]
        if len(lines) < len(rest):
            found.append(Probe({}, how))
    return found


def _ending(done: subprocess.CompletedProcess) -> str:
    if done.returncode < 0:
        return f"is damaged: pyBigWig ends the process that reads it (signal {-done.returncode})"
    last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or [str(done.returncode)]
    return f"cannot be looked at: {last[0]}"


def main() -> None:
    """Read [[path, chromosomes], …] from standard input; write one line of JSON a file."""
    for path, chroms in json.load(sys.stdin):
        found = probe(Path(path), chroms)
        print(json.dumps({"chroms": found.chroms, "fault": found.fault}), flush=True)


def probe(path: Path, chroms: Sequence[str]) -> Probe:
    """Return what is found of a bigWig; pyBigWig opens it in this process.

    chroms: on one of these there must be a value, if the file has any of them.
    """
    fault = header_fault(path)
    if fault is not None:
        return Probe({}, fault)
    import pyBigWig

    try:
        with pyBigWig.open(str(path)) as file:
            known = dict(file.chroms())
            shared = [c for c in chroms if c in known]
            if shared and not _has_values(file, {c: known[c] for c in shared}):
                return Probe(known, "has no value on any chromosome of the run (NaN is none)")
            return Probe(known)
    except Exception as error:  # RuntimeError, and whatever a damaged list of names leads to
        return Probe({}, f"is no readable bigWig ({error})")


def _has_values(file, lengths: dict[str, int]) -> bool:
    """Is there a number on one of the chromosomes? Looks at as much as 1 Gb of them."""
    starts = ((c, low) for c, length in lengths.items() for low in range(0, length, _LOOK_BP))
    for n, (chrom, low) in enumerate(starts):
        if n == _LOOKS:
            return True
        entries = file.intervals(chrom, low, min(low + _LOOK_BP, lengths[chrom])) or ()
        if any(not math.isnan(value) for _, _, value in entries):
            return True
    return False
