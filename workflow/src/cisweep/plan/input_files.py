"""Do the files of a run belong to its genome? What can be seen of them before any job.

An index that is of another FASTA, intervals on chromosomes that the genome has not, a track without
a value: each would end in a product of zeros or without an effect, and no error.
"""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from cisweep.errors import RegionError
from cisweep.genome.fasta import Genome
from cisweep.genome.naming import renaming
from cisweep.genome.regions import read_bed
from cisweep.plan.contents import Check
from cisweep.plan.plan import Plan


def file_checks(plan: Plan) -> list[Check]:
    """Return the checks of the run's files against its genome; each raises CisweepError."""
    found: list[Check] = []
    if plan.is_genome:
        lengths = plan.source.lengths
        found.append(partial(check_source, plan))
        found += [
            partial(check_intervals, path, lengths, "regions.blacklist")
            for path in plan.config.regions.blacklist
        ]
    return found


def check_source(plan: Plan) -> None:
    """Raise a GenomeError unless the genome's index is that of its file.

    Looked at are the chromosomes on which the run's regions lie; those that another step alone
    reads are looked at when it does.
    """
    if isinstance(plan.source, Genome):
        plan.source.check(plan.swept_chroms())


def check_intervals(path: Path, lengths: Iterable[str], key: str) -> None:
    """Raise a RegionError if no interval of a BED lies on a chromosome of the genome."""
    check_names(dict.fromkeys(read_bed(path, key=key).chrom), lengths, path, key)


def check_names(names: Iterable[str], lengths: Iterable[str], path: Path, key: str) -> None:
    """Raise a RegionError if none of the names in a file is a chromosome of the genome."""
    names = list(names)
    if set(names).isdisjoint(lengths):
        shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        raise RegionError(
            f"none of its chromosomes ({shown}) is in the genome ({', '.join([*lengths][:5])}, …), "
            f"so that {key} has no effect",
            where=str(path),
            mend=renaming(names, lengths)
            or f"use the same chromosome names in both, or leave {key} out",
        )
