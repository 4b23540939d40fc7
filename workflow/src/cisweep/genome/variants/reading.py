"""Variants from VCF, VCF.gz, BCF or a table; each one that cannot be scored keeps its reason.

Coordinates are 0-based: `pos` is the first base of `ref`. Multi-allelic rows are split, alleles are
upper case, and indels are left-normalised (see normalize.py).
"""

import csv
import re
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pandas as pd

from cisweep.bases import text_of
from cisweep.contracts import TOKEN_N
from cisweep.errors import VariantError
from cisweep.genome.fasta import SequenceSource, tokens_of_text
from cisweep.genome.naming import contig_alias
from cisweep.genome.regions import DROPPED_COLUMNS
from cisweep.genome.variants.audit import BLOCK_ALLELES, VariantAudit
from cisweep.genome.variants.normalize import normalize
from cisweep.textfile import control_letter, has_mark, open_text

VARIANT_DROP_REASONS = (
    "unknown_chromosome",
    "off_chromosome_end",
    "no_alt_allele",
    "non_ref_allele",
    "star_allele",
    "symbolic_allele",
    "not_acgt",
    "allele_too_long",
    "ref_equals_alt",
    "ref_mismatch",
    "duplicate",
    "too_many_n",
    "no_genotype",
    "not_in_sample",
    "unphased",
    "overlapping_alleles",
)
"""Why a variant has no effect in the products; each such variant has a row with one of these."""

_TABLE_SEPARATORS = {".tsv": "\t", ".txt": "\t", ".csv": ","}
LOOKED_AT = 5000
"""Alleles that are looked at before any job: in a bgzip genome each may cost a block of its own."""
_NEEDED = ("chrom", "pos_1based", "ref", "alt")
_VCF_SUFFIXES = (".vcf", ".vcf.gz", ".vcf.bgz", ".bcf")


@dataclass(frozen=True, slots=True)
class Variant:
    """One alternate allele.

    chrom: name in the genome; pos: 0-based position of ref's first base; id: the user's, or ".";
    group: the user's, or ""; row: number of the record in its file, from 1; shifted_bp: by how
    much left-normalisation moved it; source: chrom:pos_1based:ref:alt as the file has it;
    reason, detail: why it cannot be scored, or ""; genotype: of the chosen sample, 1 this allele
    and 0 any other (`0|1`, `1/1`, `0|1:PS`), or "" without a sample; haplotype: those of the
    sample that a window shows ("1", "2", "1,2"), or "".
    """

    chrom: str
    pos: int
    ref: str
    alt: str
    id: str = "."
    group: str = ""
    row: int = 0
    shifted_bp: int = 0
    source: str = ""
    reason: str = ""
    detail: str = ""
    genotype: str = ""
    haplotype: str = ""

    @property
    def key(self) -> str:
        """The variant's identity: chrom:pos_1based:ref:alt, normalised."""
        return f"{self.chrom}:{self.pos + 1}:{self.ref}:{self.alt}"

    @property
    def kind(self) -> str:
        """One of snv, mnv, insertion, deletion, delins (a replacement of unequal length)."""
        a, b = len(self.ref), len(self.alt)
        if a == b:
            return "snv" if a == 1 else "mnv"
        if min(a, b) > 1 or (self.ref[0] != self.alt[0] and self.ref[-1] != self.alt[-1]):
            return "delins"
        return "insertion" if b > a else "deletion"

    def duplicate_of(self, row: int) -> "Variant":
        """Return this variant as dropped, since an earlier row is the same."""
        return self.dropped("duplicate", f"the same variant as row {row}")

    def dropped(self, reason: str, detail: str) -> "Variant":
        """Return this variant with a reason why it has no effect."""
        return replace(self, reason=reason, detail=detail)


class VariantSet(NamedTuple):
    """What read_vcf returns: the variants to score and those with a reason, in file order."""

    kept: list[Variant]
    dropped: list[Variant]


@dataclass(frozen=True)
class VariantPolicy:
    """How variants are read.

    contig_aliases: name in the file -> name in the genome; max_allele_bp: longest allele;
    group_info: INFO field of a VCF that gives the group; max_dropped: largest share of rows
    without an effect; sample: of a VCF, whose genotypes are read; what it lacks is dropped.
    """

    contig_aliases: dict[str, str] = field(default_factory=dict)
    max_allele_bp: int = 1000
    group_info: str | None = None
    max_dropped: float = 0.5
    sample: str | None = None

    @classmethod
    def of(cls, step: Any) -> "VariantPolicy":
        """Return what the config of the step variants asks for."""
        return cls(
            step.contig_aliases, step.max_allele_bp, step.group_info, step.max_dropped, step.sample
        )


def read_vcf(
    path: str | Path, genome: SequenceSource, policy: VariantPolicy | None = None
) -> VariantSet:
    """Return the variants of a VCF, VCF.gz, BCF or table, split into kept and dropped.

    genome: a Genome or other source of tokens, for checking REF and normalising. A table has the
    columns chrom, pos_1based, ref, alt and, if wanted, id and group (.tsv, .txt, .csv, also .gz).

    Raises VariantError for what iter_variants says.
    """
    found = list(iter_variants(path, genome, policy))
    return VariantSet([v for v in found if not v.reason], [v for v in found if v.reason])


def iter_variants(
    path: str | Path, genome: SequenceSource, policy: VariantPolicy | None = None
) -> Iterator[Variant]:
    """Yield every alternate allele of the file once, checked and normalised, in file order.

    Raises VariantError when a row cannot be parsed, the file has no variant, no contig is in the
    genome, most REF alleles differ from the genome, or more than max_dropped have a reason; the
    last four at the end of the file.
    """
    path, policy = Path(path), policy or VariantPolicy()
    audit = VariantAudit(path, genome, policy)
    seen: dict[tuple[str, int, str, str], int] = {}
    for variant in checked_variants(path, genome, policy):
        if not variant.reason:
            place = (variant.chrom, variant.pos, variant.ref, variant.alt)
            if place in seen:
                variant = variant.duplicate_of(seen[place])
            else:
                seen[place] = variant.row
        audit.add(variant)
        yield variant
    audit.finish()


def checked_variants(
    path: str | Path, genome: SequenceSource, policy: VariantPolicy
) -> Iterator[Variant]:
    """Yield every alternate allele, checked and normalised, in file order; duplicates are not
    looked for, and the file as a whole is not judged (VariantAudit does), but for contig_aliases:
    at its end a VariantError tells one that names no contig of it."""
    path, unseen = Path(path), set(policy.contig_aliases)
    names: set[str] = set()
    for raw in _records(path, policy):
        if unseen:
            names.add(raw.chrom)
        yield _checked(raw, genome, policy)
    if not unseen <= names:
        check_aliases(policy, names | _header_contigs(path), path)


def check_variants(
    path: str | Path, policy: VariantPolicy | None = None, genome: SequenceSource | None = None
) -> None:
    """Raise VariantError if the file cannot be opened, is no format for variants, or lacks a
    column, the sample, the INFO field or any variant; header and first records are looked at.

    genome: of which neither the header nor those records name a contig. A file of at most LOOKED_AT
    alleles is compared with it as a whole, as iter_variants does: REF, names, max_dropped. A larger
    one would take planning too long; what is wrong with it as a whole, the step's first job says
    (but for contig_aliases, where the header declares contigs).
    """
    path, policy = Path(path), policy or VariantPolicy()
    first = list(islice(_records(path, policy), LOOKED_AT + 1))
    if not first:
        raise VariantError("the file has no variants", where=str(path))
    if genome is not None:
        declared = _header_contigs(path)
        names = {v.chrom for v in first} | declared
        VariantAudit(path, genome, policy).check_contigs(sorted(names))
        if len(first) <= LOOKED_AT:
            for _ in iter_variants(path, genome, policy):
                pass
        elif declared:
            check_aliases(policy, names, path)


def check_aliases(policy: VariantPolicy, names: Collection[str], path: Path) -> None:
    """Raise VariantError for a contig_aliases key that is none of the names of a file's contigs."""
    unknown = [name for name in policy.contig_aliases if name not in names]
    if unknown:
        known = sorted(names)
        raise VariantError(
            f"contig {unknown[0]!r}, which {path} has not",
            where=f"steps.variants.contig_aliases.{unknown[0]}",
            mend=f"use its names ({', '.join(known[:8])}{', …' if len(known) > 8 else ''}), or "
            "leave this one out",
        )


def _header_contigs(path: Path) -> set[str]:
    """Return the contigs that the header of a VCF declares."""
    import pysam

    if not path.name.lower().endswith(_VCF_SUFFIXES):
        return set()
    with _without_mark(path) as plain, pysam.VariantFile(str(plain)) as handle:
        return set(handle.header.contigs)


def _records(path: Path, policy: VariantPolicy) -> Iterator[Variant]:
    """Yield the alternate alleles as the file has them; no ALT gives one row with alt "."."""
    if not path.is_file():
        raise VariantError("no such variant file", where=str(path), mend="correct the path")
    name = path.name.lower()
    if name.endswith(_VCF_SUFFIXES):
        return _vcf_records(path, policy)
    plain = name.removesuffix(".gz")
    for suffix, separator in _TABLE_SEPARATORS.items():
        if plain.endswith(suffix):
            if policy.sample is not None:
                raise VariantError(
                    f"a table has no samples, and sample is {policy.sample!r}",
                    where=str(path),
                    mend="give a VCF or BCF, or leave steps.variants.sample out",
                )
            if policy.group_info is not None:
                raise VariantError(
                    f"a table has no INFO fields, and group_info is {policy.group_info!r}",
                    where=str(path),
                    mend="name the groups in a column `group`, and leave "
                    "steps.variants.group_info out",
                )
            return _table_records(path, separator)
    raise VariantError(
        "not a format for variants",
        where=str(path),
        mend="give .vcf, .vcf.gz, .bcf, or a table (.tsv, .txt, .csv, also .gz)",
    )


def _vcf_records(path: Path, policy: VariantPolicy) -> Iterator[Variant]:
    import pysam

    verbosity = pysam.set_verbosity(0)  # htslib would print what the error below says
    row = 0
    try:
        with _without_mark(path) as plain, pysam.VariantFile(str(plain)) as handle:
            key = policy.group_info
            if key is not None and key not in handle.header.info:
                declared = ", ".join(handle.header.info) or "none"
                raise VariantError(
                    f"group_info {key!r} is not a declared INFO field (declared: {declared})",
                    where=str(path),
                )
            if policy.sample is not None:
                _choose_sample(handle, policy.sample, path)
            for row, record in enumerate(handle, 1):
                group = "" if key is None else _text_of(record.info.get(key, ""))
                alleles = _split(
                    (record.chrom, record.start, record.ref or "", record.alts or (".",)),
                    (record.id or ".", group, row),
                )
                if policy.sample is None:
                    yield from alleles
                else:
                    call = record.samples[0]
                    yield from (_carried(v, i, call) for i, v in enumerate(alleles, 1))
    except VariantError:
        raise
    except Exception as error:  # pysam has many for a file that is not what its name says
        why = str(error) or type(error).__name__
        if why == "truncated file":  # pysam's words for both
            why = "the file ends too early, or the next record is not one of VCF"
        raise VariantError(
            f"cannot be read as VCF or BCF after record {row} ({why})",
            where=str(path),
            mend="check it with `bcftools view`",
        ) from None
    finally:
        pysam.set_verbosity(verbosity)


@contextmanager
def _without_mark(path: Path) -> Iterator[Path]:
    """Give a VCF that htslib can read: a byte-order mark makes it no VCF for that."""
    if not has_mark(path):
        yield path
        return
    with TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.vcf"
        with open_text(path, VariantError, newline="") as source, open(plain, "w") as copy:
            shutil.copyfileobj(source, copy)
        yield plain


def _choose_sample(handle: Any, sample: str, path: Path) -> None:
    """Read the genotypes of one sample alone."""
    names = list(handle.header.samples)
    if sample not in names:
        shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
        raise VariantError(
            f"there is no sample {sample!r} (there are: {shown or 'none'})",
            where=str(path),
            mend="set steps.variants.sample to one of them, or leave it out",
        )
    handle.subset_samples([sample])


def _carried(variant: Variant, number: int, call: Any) -> Variant:
    """Return the allele with the sample's genotype, or dropped if the sample lacks it."""
    calls = call.get("GT") or ()
    if not calls or None in calls:
        return variant.dropped("no_genotype", "the sample's genotype is missing")
    if number not in calls:
        return variant.dropped("not_in_sample", "the sample does not carry it")
    text = ("|" if call.phased else "/").join(str(int(c == number)) for c in calls)
    block = call.get("PS")
    return replace(variant, genotype=text if block is None else f"{text}:{block}")


def _text_of(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _table_records(path: Path, separator: str) -> Iterator[Variant]:
    row = 0
    try:
        with open_text(path, VariantError, newline="") as handle:
            reader = csv.DictReader(handle, delimiter=separator)
            missing = [c for c in _NEEDED if c not in (reader.fieldnames or [])]
            if missing:
                raise VariantError(
                    f"a table of variants needs the columns {', '.join(_NEEDED)}; "
                    f"missing: {', '.join(missing)}",
                    where=str(path),
                )
            _check_header(reader.fieldnames, path)
            for row, line in enumerate(reader, 1):
                _check_row(line, f"{path}, row {row}")
                position = line["pos_1based"].strip()
                alts = tuple((line["alt"] or ".").strip().split(","))
                yield from _split(
                    (line["chrom"], int(position) - 1, (line["ref"] or "").strip(), alts),
                    (line.get("id") or ".", line.get("group") or "", row),
                )
    except csv.Error as error:
        raise VariantError(
            f"cannot be read as a table after row {row} ({error})", where=str(path)
        ) from None


def _check_header(names: Iterable[str], path: Path) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise VariantError(f"column {twice[0]!r} occurs twice", where=str(path))


def _check_row(line: dict[str | None, Any], where: str) -> None:
    """Raise VariantError for a cell too many, one that is wanting, or one that cannot be."""
    if None in line or None in [line[name] for name in _NEEDED]:
        raise VariantError(
            "the row does not have a cell for each column of the header",
            where=where,
            mend="complete the row",
        )
    position = line["pos_1based"].strip()
    if not re.fullmatch(r"0*[1-9][0-9]{0,14}", position):
        raise VariantError(f"pos_1based {position!r} is not a whole number from 1", where=where)
    for name, cell in line.items():
        if letter := control_letter(cell or ""):
            raise VariantError(
                f"{name} {cell!r} has the letter {letter}", where=where, mend="take it out"
            )


def _split(
    site: tuple[str, int, str, tuple[str, ...]], rest: tuple[str, str, int]
) -> Iterator[Variant]:
    chrom, pos, ref, alts = site
    for alt in alts:
        yield Variant(
            chrom, pos, ref.upper(), alt.upper(), *rest, source=f"{chrom}:{pos + 1}:{ref}:{alt}"
        )


def _checked(raw: Variant, genome: SequenceSource, policy: VariantPolicy) -> Variant:
    """Return the variant normalised, or as it came with a reason."""
    chrom = policy.contig_aliases.get(raw.chrom, raw.chrom)
    if chrom not in genome.lengths:
        alias = contig_alias(raw.chrom, genome.lengths)
        hint = f"; the genome has {alias!r}: set steps.variants.contig_aliases: "
        hint += f"{{{raw.chrom}: {alias}}}"
        return raw.dropped("unknown_chromosome", "not in the genome" + (hint if alias else ""))
    variant = replace(raw, chrom=chrom)
    if variant.reason:
        return variant
    if why := _bad_alleles(variant, policy.max_allele_bp):
        return variant.dropped(*why)
    if not 0 <= variant.pos <= genome.lengths[chrom] - len(variant.ref):
        return variant.dropped(
            "off_chromosome_end", f"{chrom} ends at {genome.lengths[chrom]} in the genome"
        )
    have = genome.tokens(chrom, variant.pos, variant.pos + len(variant.ref))
    if (have != tokens_of_text(variant.ref)).any():
        return variant.dropped(
            "ref_mismatch", f"REF is {variant.ref}, the genome has {text_of(have)}"
        )
    pos, ref, alt, shifted = normalize(genome, chrom, variant.pos, variant.ref, variant.alt)
    return replace(variant, pos=pos, ref=ref, alt=alt, shifted_bp=shifted)


def _bad_alleles(variant: Variant, max_allele_bp: int) -> tuple[str, str] | None:
    ref, alt = variant.ref, variant.alt
    if alt in (".", ""):
        return "no_alt_allele", "ALT is missing"
    if alt in BLOCK_ALLELES:
        return "non_ref_allele", f"ALT {alt} is not a sequence"
    if alt == "*":
        return "star_allele", "ALT * is a deletion that another record describes"
    if alt[0] == "<" or "[" in alt or "]" in alt:
        return "symbolic_allele", f"ALT {alt} is not a sequence"
    if max(len(ref), len(alt)) > max_allele_bp:
        return "allele_too_long", f"{max(len(ref), len(alt))} bp, more than {max_allele_bp}"
    for name, allele in (("REF", ref), ("ALT", alt)):
        if not allele or (tokens_of_text(allele) == TOKEN_N).any():
            return "not_acgt", f"{name} {allele!r} has letters other than A, C, G, T"
    if ref == alt:
        return "ref_equals_alt", "REF and ALT are equal"
    return None


def dropped_variants_table(variants: Iterable[Variant]) -> pd.DataFrame:
    """Return the variants that have a reason, as rows of dropped_regions.tsv.

    start, end span REF (0-based half-open); name is the id, or the variant as the file has it.
    """
    rows = [
        (
            v.chrom,
            v.pos,
            v.pos + max(1, len(v.ref)),
            ".",
            v.source if v.id == "." else v.id,
            v.reason,
            f"row {v.row}: {v.detail}",
        )
        for v in variants
        if v.reason
    ]
    return pd.DataFrame(rows, columns=DROPPED_COLUMNS)
