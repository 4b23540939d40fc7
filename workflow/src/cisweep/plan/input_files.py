"""Do the files of a run belong to its genome? What can be seen of them before any job.

An index that is of another FASTA, intervals on chromosomes that the genome has not, a track without
a value: each would end in a product of zeros or without an effect, and no error.
"""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from cisweep.errors import CisweepError, RegionError
from cisweep.genome.fasta import Genome
from cisweep.genome.naming import renaming
from cisweep.genome.reads import check_bam
from cisweep.genome.regions import read_bed
from cisweep.genome.signal import check_signal
from cisweep.plan.contents.designs import read_priors
from cisweep.plan.plan import Plan
from cisweep.steps.train import is_reads
from cisweep.textfile import open_text

Check = Callable[[], object]


def file_checks(plan: Plan) -> list[Check]:
    """Return the checks of the run's files against its genome; each raises CisweepError."""
    found: list[Check] = []
    if plan.is_genome:
        lengths = plan.source.lengths
        found.append(partial(check_source, plan))
        found += [
            partial(_check_intervals, path, lengths, "regions.blacklist")
            for path in plan.config.regions.blacklist
        ]
        found += _design_checks(plan)
    if plan.is_on_if_known("train"):
        recipes = plan.step_config("train").models
        for name, recipe in recipes.items():
            found += _training_checks(recipe.data, f"steps.train.models.{name}.data")
    return found


def check_source(plan: Plan) -> None:
    """Raise a GenomeError unless the genome's index is that of its file.

    Looked at are the chromosomes on which the run's regions lie; those that another step alone
    reads are looked at when it does.
    """
    if plan.is_genome:
        plan.source.check(plan.swept_chroms())


def _design_checks(plan: Plan) -> list[Check]:
    step = plan.step_config("design")
    if step is None:
        return []
    beds = {"frozen": step.frozen, "composition": step.composition}
    found: list[Check] = [
        partial(_check_intervals, path, plan.source.lengths, f"steps.design.{key}")
        for key, path in beds.items()
        if path is not None
    ]
    if step.priors is not None:
        found.append(partial(_check_priors, step.priors, plan.source.lengths))
    return found


def _training_checks(data: Any, key: str) -> list[Check]:
    """Return the checks of the files of a recipe that have places in a genome of its own."""
    fasta = getattr(data, "genome", None)
    if fasta is None or not fasta.is_file():
        return []
    try:
        genome = Genome(fasta)
    except CisweepError as error:
        return [partial(_again, error)]
    peaks = data.peaks if isinstance(data.peaks, dict) else {"": data.peaks}
    found: list[Check] = [
        partial(genome.check, genome.lengths),
        *(
            partial(_check_peaks, path, genome.lengths, f"{key}.peaks.{task}".rstrip("."))
            for task, path in peaks.items()
            if path is not None
        ),
    ]
    tracks = [*getattr(data, "signal", []), *getattr(data, "controls", [])]
    bams = [path for path in tracks if path.suffix == ".bam"]
    found += [partial(check_bam, path, genome.lengths) for path in bams]
    if bigwigs := [path for path in tracks if not is_reads(path)]:
        found.append(partial(check_signal, bigwigs, genome.lengths, thoroughly=True))
    return found


def _again(error: CisweepError) -> None:
    raise error


def _check_peaks(path: Path, lengths: Iterable[str], key: str) -> None:
    """As _check_intervals; a FASTA, whose headers are places, is read as it is trained."""
    with open_text(path, RegionError) as handle:
        is_fasta = handle.read(1) == ">"
    if not is_fasta:
        _check_intervals(path, lengths, key)


def _check_intervals(path: Path, lengths: Iterable[str], key: str) -> None:
    """Raise a RegionError if no interval of a BED lies on a chromosome of the genome."""
    _check_names(dict.fromkeys(read_bed(path, key=key).chrom), lengths, path, key)


def _check_priors(path: Path, lengths: Iterable[str]) -> None:
    key = "steps.design.priors"
    _check_names(dict.fromkeys(row[0] for row in read_priors(path)), lengths, path, key)


def _check_names(names: Iterable[str], lengths: Iterable[str], path: Path, key: str) -> None:
    names = list(names)
    if set(names).isdisjoint(lengths):
        shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        raise RegionError(
            f"none of its chromosomes ({shown}) is in the genome ({', '.join([*lengths][:5])}, …), "
            f"so that {key} has no effect",
            where=str(path),
            mend=renaming(names, lengths) or f"use one naming for both, or leave {key} out",
        )


def file_notices(plan: Plan) -> list[str]:
    """Return lines of what is odd in the files of a run, and may be meant so."""
    step = plan.step_config("design")
    if step is None or step.priors is None or not plan.is_genome:
        return []
    unknown = [row[0] for row in read_priors(step.priors) if row[0] not in plan.source.lengths]
    if not unknown:
        return []
    mend = renaming(unknown, plan.source.lengths)
    names = ", ".join(list(dict.fromkeys(unknown))[:5])
    return [
        f"{step.priors}: {len(unknown)} priors lie on chromosomes that the genome has not "
        f"({names}) and have no effect{f'; {mend}' if mend else ''}"
    ]
