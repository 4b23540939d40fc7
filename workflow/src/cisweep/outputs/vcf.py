"""variants.vcf.gz: one record an alternate allele, with its effects in declared INFO fields."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import pysam

from cisweep.errors import ProductError

_NOT_OF_KEYS = re.compile(r"[^A-Za-z0-9_.]")

INFO_OF_COLUMN = {
    "prediction_ref": ("REFPRED", "prediction of the reference allele"),
    "prediction_alt": ("ALTPRED", "prediction of the alternate allele"),
    "delta": ("DELTA", "alternate minus reference prediction, in the target's own scale"),
    "delta_sd": ("SD", "standard deviation of DELTA over folds and strands"),
    "log2fc": ("LFC", "log2 fold change"),
    "delta_probability": ("DPROB", "change of the probability"),
    "profile_jsd": ("JSD", "Jensen-Shannon distance of the profiles, base 2"),
    "profile_max": ("PMAX", "largest change of a column's share of the profile, signed"),
    "active_allele_quantile": ("AAQ", "rank of the more active allele among peaks"),
    "p_value": ("P", "empirical two-sided p-value from shuffled flanks"),
    "q_value": ("Q", "Benjamini-Hochberg q-value"),
}
"""Column of the table of effects: (prefix of its INFO field, what it is)."""


def info_names(targets: Sequence[str]) -> dict[str, str]:
    """Return target -> how it stands in the key of an INFO field: letters, digits, _ and . alone
    (VCF 4.3).

    Any other letter becomes _; a name that is taken then gets _2, _3, …
    """
    plain = {t for t in targets if not _NOT_OF_KEYS.search(t)}
    found: dict[str, str] = {}
    taken: set[str] = set()
    for target in targets:
        stem = name = _NOT_OF_KEYS.sub("_", target)
        n = 1
        while name in taken or (name in plain and name != target):
            n += 1
            name = f"{stem}_{n}"
        found[target] = name
        taken.add(name)
    return found


class VcfWriter:
    """Writes effects as bgzip-compressed VCF with a tabix index.

    Parameters
    ----------
    path: of the .vcf.gz; the index is path + ".tbi".
    lengths: chromosome -> length in bp, in the order of the rows.
    targets: names of the targets; each field is PREFIX_target, with the target as `info_names`
        writes it.
    columns: columns of the table to write, keys of INFO_OF_COLUMN.
    source: what made the file, for the header.
    """

    def __init__(
        self,
        path: Path,
        lengths: Mapping[str, int],
        targets: Sequence[str],
        columns: Sequence[str],
        source: str,
    ):
        self.path, self.targets, self.columns = path, list(targets), list(columns)
        header = pysam.VariantHeader()
        header.add_meta("source", source)
        for name, length in lengths.items():
            header.contigs.add(name, length=length)
        header.info.add("SOURCE", 1, "String", "chrom:pos:ref:alt as in the input, if it differs")
        header.info.add("SHIFTED", 1, "Integer", "bases by which left-normalisation moved it")
        header.info.add("HAPLOTYPE", ".", "String", "haplotypes of the sample that it is scored on")
        header.info.add("GROUP", 1, "String", "group given by the user")
        self._keys = info_names(self.targets)
        for target, name in self._keys.items():
            for column in self.columns:
                prefix, meaning = INFO_OF_COLUMN[column]
                about = f"{_quoted(target)}: {meaning}"
                header.info.add(f"{prefix}_{name}", "A", "Float", about)
        self._file = pysam.VariantFile(str(path), "wz", header=header)

    def append(self, table: pd.DataFrame) -> None:
        """Add the rows of variants, all targets of a variant one after the other."""
        n = len(self.targets)
        if len(table) % n:
            raise ProductError(f"{len(table)} rows do not hold {n} targets per variant")
        first = table.iloc[::n]
        values = {c: table[c].to_numpy().reshape(-1, n) for c in self.columns}
        for i, row in enumerate(first.itertuples(index=False)):
            record = self._file.new_record(
                contig=row.chrom, start=row.pos, alleles=(row.ref, row.alt), id=row.id
            )
            # VCF positions are 1-based.
            if row.source != f"{row.chrom}:{row.pos + 1}:{row.ref}:{row.alt}":
                record.info["SOURCE"] = _value(row.source)
            if row.shifted_bp:
                record.info["SHIFTED"] = int(row.shifted_bp)
            if row.haplotype:
                record.info["HAPLOTYPE"] = tuple(row.haplotype.split(","))
            if row.group:
                record.info["GROUP"] = _value(row.group)
            for column in self.columns:
                prefix = INFO_OF_COLUMN[column][0]
                for name, value in zip(self._keys.values(), values[column][i]):
                    if value == value:
                        record.info[f"{prefix}_{name}"] = (float(value),)
            self._file.write(record)

    def __enter__(self) -> "VcfWriter":
        return self

    def __exit__(self, kind, error, trace) -> None:
        self._file.close()
        if kind is None:
            pysam.tabix_index(str(self.path), preset="vcf", force=True)


def _quoted(text: str) -> str:
    """Return text that may stand within the quotes of a header line (VCF 4.3)."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _value(text: str) -> str:
    """Return text that may stand in an INFO field (VCF 4.3: percent-encoded)."""
    for letter in "%;=, \t":
        text = text.replace(letter, f"%{ord(letter):02X}")
    return text


def move_index(temporary: Path, final: Path) -> None:
    """Give the index of a temporary VCF its final name."""
    os.replace(f"{temporary}.tbi", final)


def read_info(path: Path, fields: Iterable[str]) -> pd.DataFrame:
    """Return chrom, pos (0-based), ref, alt and the given INFO fields (first value) of a VCF."""
    fields = list(fields)
    rows = []
    with pysam.VariantFile(str(path)) as handle:
        for r in handle:
            values = [r.info.get(f) for f in fields]
            values = [v[0] if isinstance(v, tuple) else v for v in values]
            assert r.alts is not None  # VcfWriter gives each row one
            rows.append((r.chrom, r.start, r.ref, r.alts[0], *values))
    return pd.DataFrame(rows, columns=["chrom", "pos", "ref", "alt", *fields])
