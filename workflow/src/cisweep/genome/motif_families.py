"""Names of families of motifs, as a classification (TFClass, JASPAR's, CIS-BP's) gives them."""

from pathlib import Path

from cisweep.errors import MotifError
from cisweep.textfile import control_letter, read_rows

_MEND = "give a TSV with the columns motif (id or name) and family, one row a motif"


def read_motif_families(path: Path) -> dict[str, str]:
    """Return id or name of a motif (as it stands there) -> name of its family.

    The first row is the head and has the columns `motif` and `family`; others are left aside, and
    so are motifs without a family. Raises MotifError: no such columns, a row with too few cells, a
    motif of two families, a name with a control letter, or no family at all.
    """
    rows = read_rows(path, MotifError, "\t")
    _, head = next(rows, (1, []))
    if not {"motif", "family"} <= set(head):
        raise MotifError("has no columns motif and family", where=f"{path}, line 1", mend=_MEND)
    at, of = head.index("motif"), head.index("family")
    found: dict[str, str] = {}
    for line, cells in rows:
        where = f"{path}, line {line}"
        if len(cells) <= max(at, of):
            raise MotifError(f"a row has {len(cells)} cells", where=where, mend=_MEND)
        motif, family = cells[at].strip(), cells[of].strip()
        if letter := control_letter(motif + family):
            raise MotifError(f"a name has the letter {letter}", where=where, mend="take it out")
        if family and found.setdefault(motif, family) != family:
            text = f"motif {motif} is of family {found[motif]} already, and of {family} here"
            raise MotifError(text, where=where, mend="give each motif one family")
    if not found:
        raise MotifError("names no family", where=str(path), mend=_MEND)
    return found
