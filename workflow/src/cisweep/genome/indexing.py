"""Indices that a run can make itself: of a FASTA (.fai, .gzi) and of a BAM (.bai).

A missing one is made beside its file, or, where nothing can be written there, in a folder of the
run, beside a link to the file. A FASTA in plain gzip, which has no random access, is written again
as bgzip (`genome.fa.gz` as `genome.fa.bgz`). An index that is there is never touched: whether it is
that of its file is looked at when it is read.
"""

import gzip
import hashlib
import os
import zlib
from pathlib import Path

from cisweep.errors import GenomeError
from cisweep.temporary import atomic, temporary_path
from cisweep.textfile import open_bytes

_BLOCK = 1 << 20


def ready_path(path: Path, folder: Path | None) -> Path:
    """Return where a FASTA or BAM is to be read: the file, or what `make_ready` made of it.

    folder: where the run keeps what it cannot write beside the file. Where nothing was made it is
    the file itself, and its reader says what is missing.
    """
    if not path.is_file() or not _missing(path):
        return path
    made = (place for place in _places(path, folder) if _is_made(place, path))
    return next(made, path)


def make_ready(path: Path, folder: Path | None) -> list[str]:
    """Make what is missing of a FASTA or BAM for its reader; return what there is to say.

    Complete files appear under their names: other processes may read, or make, the same. Raises
    GenomeError where the file is none of its kind, or there is no place to write.
    """
    if not path.is_file() or not path.stat().st_size or ready_path(path, folder) != path:
        return []
    missing = _missing(path)
    if not missing:
        return []
    faults = []
    for place in _places(path, folder):
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if not os.access(place.parent, os.W_OK):
                raise PermissionError(f"{place.parent} is read-only")
            _make(path, place)
        except OSError as error:
            faults.append(str(error))
            continue
        if _is_plain_gzip(path):
            return [f"{path} is plain gzip, of which no part can be read alone: {place} is the "
                    "same as bgzip, with its index"]  # fmt: skip
        where = "beside it" if place == path else f"in {place.parent}"
        return [f"{path} had no {' and '.join(missing)}: made {where}"]
    raise GenomeError(
        f"it has no {' and '.join(missing)}, and none can be written ({'; '.join(faults)})",
        where=str(path), mend="make it in a folder where you may write, and name that",
    )  # fmt: skip


def _missing(path: Path) -> list[str]:
    """Return the suffixes of the indices that are missing."""
    if path.suffix == ".bam":
        names = (f"{path}.bai", path.with_suffix(".bai"), f"{path}.csi")
        return [] if any(map(os.path.exists, names)) else [".bai"]
    wanted = [".fai", ".gzi"] if _is_compressed(path) else [".fai"]
    return [suffix for suffix in wanted if not os.path.exists(f"{path}{suffix}")]


def _places(path: Path, folder: Path | None) -> list[Path]:
    """Return where the file may be read once it is ready, the best first."""
    name = f"{path.name.removesuffix('.gz')}.bgz" if _is_plain_gzip(path) else path.name
    if folder is None:
        return [path.with_name(name)]
    # Two genomes may have one name.
    own = hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:8]
    return [path.with_name(name), folder / own / name]


def _is_made(place: Path, path: Path) -> bool:
    """Is there a complete copy or link, of the file as it is now?"""
    if place == path or not place.is_file() or _missing(place):
        return False
    try:
        return _note(place).read_text() == _stamp(path)
    except FileNotFoundError:
        return False


def _make(path: Path, place: Path) -> None:
    if place == path:
        _make_indices(path, path, _missing(path))
        return
    _note(place).unlink(missing_ok=True)
    stamp = _stamp(path)
    with atomic(place) as temporary:
        if _is_plain_gzip(path):
            _write_bgzip(path, temporary)
        else:
            temporary.symlink_to(path.absolute())
    # Those of an earlier state of the file go with it.
    _make_indices(path, place, [".bai"] if path.suffix == ".bam" else [".fai", ".gzi"])
    with atomic(_note(place)) as temporary:
        temporary.write_text(stamp)


def _make_indices(source: Path, path: Path, wanted: list[str]) -> None:
    """Write the wanted indices of a file; each appears complete, and the .fai last.

    source: what the user gave.
    """
    import pysam

    made = {s: temporary_path(Path(f"{path}{s}")) for s in (".bai", ".gzi", ".fai")}
    try:
        if path.suffix == ".bam":
            pysam.index("-o", str(made[".bai"]), str(path))
        else:  # samtools writes both, of bgzip
            gzi, fai = str(made[".gzi"]), str(made[".fai"])
            pysam.faidx(str(path), "--fai-idx", fai, "--gzi-idx", gzi)
            # samtools leaves out, with a warning, what has the name of a sequence before it.
            named, headers = made[".fai"].read_text().count("\n"), _n_headers(path)
            if named != headers:
                raise _unusable(source, f"{headers} sequences have {named} different names")
        for suffix, temporary in made.items():
            if suffix in wanted and temporary.exists():
                os.replace(temporary, f"{path}{suffix}")
    except pysam.SamtoolsError:
        raise _unusable(source, "samtools says why above") from None
    finally:
        for temporary in made.values():
            temporary.unlink(missing_ok=True)


def _n_headers(path: Path) -> int:
    found, last = 0, b"\n"
    with open_bytes(path) as file:
        while block := file.read(_BLOCK):
            # With the byte before the block, so that a header at its start counts.
            found += (last + block).count(b"\n>")
            last = block[-1:]
    return found


def _unusable(path: Path, why: str) -> GenomeError:
    mend = "give each sequence a name of its own and lines of one length"
    if path.suffix == ".bam":
        mend = f"samtools sort it, then samtools index {path}"
    return GenomeError(f"it cannot be indexed ({why})", where=str(path), mend=mend)


def _write_bgzip(path: Path, target: Path) -> None:
    import pysam

    try:
        with open_bytes(path) as source, pysam.BGZFile(str(target), "wb") as out:
            while block := source.read(_BLOCK):
                out.write(block)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise GenomeError(
            f"cannot be read ({error})", where=str(path), mend="fetch the genome again"
        ) from None


def _is_compressed(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _is_plain_gzip(path: Path) -> bool:
    """Is it gzip without the extra field BC, by which bgzip tells the size of a block?"""
    with open(path, "rb") as file:
        head = file.read(18)
    return head[:2] == b"\x1f\x8b" and (len(head) < 18 or not head[3] & 4 or head[12:14] != b"BC")


def _note(place: Path) -> Path:
    return place.with_name(f".{place.name}.made_of")


def _stamp(path: Path) -> str:
    """Return what changes of a file when it is replaced or written to."""
    stat = path.stat()
    return f"{path.absolute()} {stat.st_size} {stat.st_mtime_ns}\n"
