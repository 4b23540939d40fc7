"""Which contig of the genome another file's contig is, where only their names differ."""

import re
from collections.abc import Iterable

_ROMAN = re.compile(r"(x{0,3})(ix|iv|v?i{0,3})")
_UNITS = dict(zip(("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix"), range(10)))


def contig_alias(name: str, lengths: Iterable[str], others: Iterable[str] = ()) -> str | None:
    """Return the genome's contig that differs from `name` by naming only, or None.

    With and without chr (chr20, 20), M and MT, Arabic and Roman numbers (chr4, chrIV). others: the
    names that stand beside `name`. X is 10 only where other names are Roman; else it is a sex
    chromosome.
    """
    contigs = list(lengths)
    roman = any(_bare(n) == "ii" for n in (*contigs, *others))

    def same(contig: str) -> bool:
        a, b = _bare(contig), _bare(name)
        return a == b or (_number(a, roman) or a) == (_number(b, roman) or b)

    exact = [c for c in contigs if _bare(c) == _bare(name)]
    return next(iter(exact), None) or next((c for c in contigs if same(c)), None)


def contig_aliases(names: Iterable[str], lengths: Iterable[str]) -> dict[str, str]:
    """Return name -> the genome's contig, of those that differ by naming only."""
    names, contigs = list(dict.fromkeys(names)), list(lengths)
    found = {n: contig_alias(n, contigs, names) for n in names if n not in contigs}
    return {name: contig for name, contig in found.items() if contig is not None}


def renaming(names: Iterable[str], lengths: Iterable[str], most: int = 20) -> str:
    """Return how to mend names that differ by naming only: what each is in the genome, or ""."""
    pairs = [f"{name} is {contig}" for name, contig in contig_aliases(names, lengths).items()]
    more = ", …" if len(pairs) > most else ""
    return (
        f"rename its chromosomes as in the genome ({', '.join(pairs[:most])}{more})"
        if pairs
        else ""
    )


def _bare(contig: str) -> str:
    plain = contig.lower().removeprefix("chr")
    return "m" if plain == "mt" else plain


def _number(bare: str, roman: bool) -> int | None:
    """Return the number that a name is, if it is one."""
    if bare.isdecimal():
        return int(bare)
    found = _ROMAN.fullmatch(bare) if roman or bare != "x" else None
    return 10 * len(found[1]) + _UNITS[found[2]] if bare and found else None
