"""Pairs of sequences for language models: from two FASTA files, or from variants and a genome."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice, zip_longest
from pathlib import Path

from cisweep.bases import BASES, text_of
from cisweep.config.model import LANGUAGE_HEADS
from cisweep.errors import ModelError, SequenceError
from cisweep.genome.fasta import fasta_records, header_name, letter_fault, name_fault
from cisweep.genome.variants.alleles import AlleleWindows
from cisweep.plan.chunks import split_items
from cisweep.plan.contents import Check
from cisweep.plan.contents.variants import chunks as variant_bins
from cisweep.plan.plan import Plan
from cisweep.plan.workload import bases_of_job
from cisweep.textfile import open_text


@dataclass(frozen=True)
class SequencePair:
    """A reference and an alternate sequence, upper case, of any lengths."""

    name: str
    ref: str
    alt: str
    group: str = ""


def read_fasta(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (name, sequence) of a FASTA file (plain or gzip), one record in memory at a time.

    Raises SequenceError for a missing or unreadable file, text before the first >, a name with a
    control letter, and a letter that is not of a nucleotide (IUPAC).
    """
    if not path.is_file():
        raise SequenceError("no such FASTA file", where=str(path), mend="correct the path")
    with open_text(path, SequenceError) as handle:
        for header, sequence in fasta_records(handle, path, SequenceError):
            name = header_name(header)
            # Pairs go by order, so that a name may be wanting.
            if fault := (name_fault(name) if name else None) or letter_fault(sequence):
                raise SequenceError(f"sequence {name!r} {fault[0]}", where=str(path), mend=fault[1])
            yield name, sequence.upper()


def read_pairs(
    ref: Path, alt: Path, group: str = "", limit: int | None = None
) -> Iterator[SequencePair]:
    """Yield the records of two FASTA files, paired by order; names need not match.

    limit: the first pairs to read; None for all. The pair's name is the alternate's, and the
    reference's in front where they differ.

    Raises SequenceError if one file has more records than the other, is empty, or holds an empty
    sequence.
    """
    n = 0
    # Unlike zip, zip_longest shows which of the two ends first.
    for n, (a, b) in enumerate(islice(zip_longest(read_fasta(ref), read_fasta(alt)), limit), 1):
        if a is None or b is None:
            shorter, longer = (ref, alt) if a is None else (alt, ref)
            raise SequenceError(
                f"it has {n - 1} records, and {longer} has more",
                where=str(shorter),
                mend="give as many alternate as reference sequences, in the same order",
            )
        for path, (name, sequence) in ((ref, a), (alt, b)):
            if not sequence:
                raise SequenceError(f"record {n} ({name}) has no bases", where=str(path))
        yield SequencePair(b[0] if a[0] == b[0] else f"{a[0]}|{b[0]}", a[1], b[1], group)
    if not n:
        raise SequenceError("there are no records", where=str(ref))


PAIRS_OF_BLOCK = 512
"""Pairs that go through the model together. A block's pairs are the same however many chunks
there are, since the last bits of a pair's scores depend on what shares its batches."""


@cache
def file_blocks(
    files: tuple[tuple[Path, Path], ...], limit: int | None, chunk_bp: int
) -> dict[str, range]:
    """Return chunk -> numbers of the blocks of pairs that one job scores; non-empty chunks only.

    files: (ref, alt) FASTA files; limit: as in read_pairs. A block belongs to the bin of its first
    base, the reference sequences laid end to end. Raises what read_pairs raises.
    """
    sizes: list[int] = []
    total = 0
    for ref, alt in files:
        for pair in read_pairs(ref, alt, "", limit):
            if total % PAIRS_OF_BLOCK == 0:
                sizes.append(0)
            sizes[-1] += len(pair.ref)
            total += 1
    return split_items(sizes, chunk_bp)


def chunks(plan: Plan, model: str) -> Iterable[str]:
    """Return the ids of the chunks of pairs of files, or of the variants."""
    return pair_chunks(plan) if plan.step_config("zero_shot").pairs else variant_bins(plan, model)


def chunk_key(plan: Plan, model: str, chunk: str) -> str:
    """Return which blocks of pairs of files a chunk has; those of variants follow from its file."""
    return str(pair_chunks(plan)[chunk]) if plan.step_config("zero_shot").pairs else ""


def checks(plan: Plan) -> list[Check]:
    """Return the checks of the pairs of sequences, and of the heads of the language models."""
    step = plan.step_config("zero_shot")
    wanted = [score for score in step.scores if score in ("likelihood_ratio", "masked_token_ratio")]
    found: list[Check] = [
        partial(_check_head, name, fold.weights, wanted, step.space == "logits")
        for name in plan.models_of("zero_shot")
        for fold in plan.models[name].folds
        if fold.hub is None
    ]
    return [*found, *([partial(pair_chunks, plan)] if step.pairs else [])]


def _check_head(name: str, folder: Path, scores: list[str], logits: bool) -> None:
    """Raise a ModelError if the language model's config.json names no head that a score needs."""
    path = folder / "config.json"
    if not path.is_file():
        return  # prepare says what the folder lacks
    try:
        architectures = json.loads(path.read_text())["architectures"]
        ends = [kind for a in architectures for e, kind in LANGUAGE_HEADS.items() if a.endswith(e)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return  # as above
    if not ends and (scores or logits):
        asked = f"scores: {scores[0]}" if scores else "space: logits"
        raise ModelError(
            f"steps.zero_shot.{asked} needs a language head, and the architecture "
            f"{', '.join(architectures)} has none",
            where=f"models.{name} ({path})",
            mend="use a checkpoint with its head, or distances of hidden states (l2, cosine)",
        )
    if "masked_token_ratio" in scores and ends and ends[0] != "masked":
        raise ModelError(
            f"steps.zero_shot.scores: masked_token_ratio needs a masked model, and the "
            f"architecture {', '.join(architectures)} predicts from left to right",
            where=f"models.{name} ({path})",
            mend="use likelihood_ratio in steps.zero_shot.scores",
        )


def pair_chunks(plan: Plan) -> dict[str, range]:
    """Return `file_blocks` of the pairs of the step zero_shot."""
    step = plan.step_config("zero_shot")
    files = tuple((pair.ref, pair.alt) for pair in step.pairs)
    return file_blocks(files, step.limit, bases_of_job(plan))


def pairs_of_alleles(alleles: AlleleWindows) -> list[SequencePair]:
    """Return the windows of both alleles of variants as pairs, named by the variant or its id."""
    return [
        SequencePair(v.key if v.id == "." else v.id, text_of(alleles.ref[i]), text_of(alt), v.group)
        for v, i, alt in zip(alleles.variants, alleles.ref_idx, alleles.alt)
    ]


def all_deletions(sequence: str, n: int) -> list[str]:
    """Return the sequence without each of its runs of n bases, from left to right."""
    return [sequence[:i] + sequence[i + n :] for i in range(len(sequence) - n + 1)]


def all_substitutions(sequence: str) -> list[str]:
    """Return the sequence with each base replaced by each of the three others."""
    return [
        sequence[:i] + base + sequence[i + 1 :]
        for i in range(len(sequence))
        for base in BASES
        if base != sequence[i]
    ]
