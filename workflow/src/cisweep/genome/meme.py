"""The writer of MEME motif files; the reader is in `motifs`."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cisweep.errors import MotifError
from cisweep.genome.motifs import SUM_TOLERANCE, UNIFORM, Motif
from cisweep.textfile import control_letter


def write_meme(filename: str | Path, motifs: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write matrices as a MEME 4 text file, from which `read_meme` gives the same numbers.

    Parameters: `filename`, which is replaced; `motifs`, a dict name → (4, width) of probabilities,
    arrays or tensors in rows A C G T, where the name may be two words ('MA0139.2 CTCF', identifier
    and alternate name); or a list of `Motif` or of matrices, which are called 0, 1, 2 and so on.
    Without motifs the file has a header only.
    Raises MotifError before anything is written: a matrix of another shape, or that is not made of
    probabilities (each column sums to 1 ± 0.01), a name that is empty or no line of text, and two
    motifs of one identifier, which MEME's programs and `load_motifs` refuse.
    Source: memelite 0.5 io.write_meme, which writes any numbers, and `nsites= 1` for all motifs,
    where the field is left out here unless a `Motif` says it.
    """
    named = motifs.items() if isinstance(motifs, Mapping) else enumerate(motifs)
    made = [_checked(m if isinstance(m, Motif) else _motif(str(name), m)) for name, m in named]
    _check_distinct(made)
    Path(filename).write_text(meme_text(made), encoding="utf-8")


def meme_text(
    motifs: Iterable[Motif], background: Sequence[float] = UNIFORM, decimals: int | None = None
) -> str:
    """Return motifs as the text of a MEME 4 file.

    background: frequencies of A C G T; decimals: of the probabilities, None for all that are
    needed to read the same number again.
    """
    letters = " ".join(f"{base} {p:.6g}" for base, p in zip("ACGT", background))
    lines = ["MEME version 4", "", "ALPHABET= ACGT", "", "strands: + -", ""]
    lines += ["Background letter frequencies", letters, ""]
    for motif in motifs:
        sites = "" if motif.nsites is None else f" nsites= {motif.nsites:g}"
        lines += [
            f"MOTIF {motif.name} {motif.alt}",
            f"letter-probability matrix: alength= 4 w= {motif.width}{sites} E= 0",
            *(" ".join(_number(p, decimals) for p in column) for column in motif.pwm.T.tolist()),
            "",
        ]
    return "\n".join(lines)


def _number(p: float, decimals: int | None) -> str:
    return repr(p) if decimals is None else f"{p:.{decimals}f}"


def _motif(name: str, matrix: Any) -> Motif:
    _check_name(name)
    words = name.split()
    if not words:
        raise MotifError("a motif's name is empty", mend="give each an identifier")
    if hasattr(matrix, "detach"):
        matrix = matrix.detach().cpu()
    return Motif(words[0], " ".join(words[1:]), np.asarray(matrix))


def _check_name(name: str) -> None:
    if letter := control_letter(name):
        raise MotifError(
            f"the name has the letter {letter}", where=f"motif {name!r}", mend="take it out"
        )


def _checked(motif: Motif) -> Motif:
    _check_name(motif.label)
    sums = motif.pwm.sum(axis=0)
    wrong = np.flatnonzero(np.abs(sums - 1) > SUM_TOLERANCE)
    if len(wrong):
        raise MotifError(
            f"position {wrong[0]} sums to {sums[wrong[0]]:g}",
            where=f"motif {motif.name}",
            mend="give probabilities: divide counts by their sum",
        )
    return motif


def _check_distinct(motifs: Sequence[Motif]) -> None:
    seen: set[str] = set()
    for motif in motifs:
        if motif.name in seen:
            raise MotifError(
                "two motifs have this identifier, the first word of their names",
                where=f"motif {motif.name}",
                mend="give each motif a different one",
            )
        seen.add(motif.name)
