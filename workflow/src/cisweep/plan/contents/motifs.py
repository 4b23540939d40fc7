"""Motifs that a config names, and whether they fit into a window."""

from collections.abc import Iterable, Sequence

from cisweep.contracts import digest
from cisweep.errors import MotifError
from cisweep.genome.motifs import Motif


def choose_motifs(
    motifs: Sequence[Motif], names: Sequence[str] | None, where: str = "motifs"
) -> list[Motif]:
    """Return the motifs with these identifiers or names, in the file's order; None: all.

    Raises MotifError for a name that no motif has; where: key of the config that names them.
    """
    if names is None:
        return list(motifs)
    known = {m.name for m in motifs}.union(*({m.alt.upper(), m.factor.upper()} for m in motifs))
    unknown = [n for n in names if n not in known and n.upper() not in known]
    if unknown:
        raise MotifError(
            f"no motif is called {', '.join(unknown)}",
            where=where,
            mend="use an identifier (MA0139.2) or a name (CTCF) of the motif file",
        )
    wanted = set(names) | {n.upper() for n in names}
    return [m for m in motifs if wanted & {m.name, m.alt.upper(), m.factor.upper()}]


def refuse_wide(
    motifs: Iterable[Motif], window_bp: int, reader: str, *, where: str, mend: str
) -> None:
    """Raise a MotifError for a motif that is wider than the windows that `reader` reads."""
    for motif in motifs:
        if motif.width > window_bp:
            raise MotifError(
                f"motif {motif.name} has {motif.width} positions, and {reader} {window_bp} bp",
                where=where,
                mend=mend,
            )


def block_key(motifs: list[Motif]) -> str:
    """Return a hash of motifs: the `params` by which one block reruns."""
    return digest(*(f"{m.label}:{m.pwm.tobytes().hex()}" for m in motifs))
