"""Every reader of a user's text takes it with a byte-order mark, and refuses UTF-16 by name."""

import gzip
from codecs import BOM_UTF8
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cisweep.config.goal_table import with_goal_table
from cisweep.errors import CisweepError, RegionError
from cisweep.genome.fasta import read_fai, read_sequences, tokens_of_text
from cisweep.genome.motifs import read_meme
from cisweep.genome.reads import count_ends
from cisweep.genome.regions import read_bed, read_blacklist
from cisweep.genome.variants.reading import read_vcf
from cisweep.plan.contents.design import read_priors
from cisweep.plan.contents.zero_shot import read_fasta
from cisweep.plan.run_config import read_model_config
from cisweep.textfile import open_text, read_lines
from cisweep.train.data.peaks import read_located_fasta
from cisweep.train.data.tables import TableColumns, read_table

MEME = (
    "MEME version 4\n\nALPHABET= ACGT\n\nMOTIF m one\n"
    "letter-probability matrix: alength= 4 w= 1\n1 0 0 0\n"
)
MODEL = (
    "adapter: state_dict\nmodule: Linear\nwindow_bp: 8\ntargets: [{name: t}]\nfolds: [{weights: w}]"
)
VCF = (
    "##fileformat=VCFv4.2\n##contig=<ID=chr1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    "chr1\t2\tv\tC\tT\t.\t.\t.\n"
)


@dataclass
class Sequence:
    """A genome of one chromosome."""

    letters: str = "ACGTACGTAC"
    lengths: dict = field(default_factory=lambda: {"chr1": 10})

    def tokens(self, chrom: str, start: int, end: int) -> np.ndarray:
        return tokens_of_text(self.letters[start:end])


def variants(path: Path) -> Any:
    return read_vcf(path, Sequence()).kept


def fai(path: Path) -> Any:
    fasta = path.with_suffix("")
    fasta.write_text(">chr1\nACGT\n")
    return read_fai(fasta)


def goals(path: Path) -> Any:
    found = with_goal_table({"goals_table": path})
    found.pop("goals_table")
    return found


def sequences(path: Path) -> Any:
    source, names = read_sequences(path)
    return [(n, source.tokens(n, 0, source.lengths[n]).tolist()) for n in names]


def training(path: Path) -> Any:
    table = read_table([path], TableColumns(sequence="sequence", values=("y",)))
    return table.tokens, table.values


READERS = {
    "regions.bed": ("chr1\t10\t20\n", read_bed),
    "blacklist.bed": ("chr1\t10\t20\n", lambda path: read_blacklist([path])),
    "sequences.tsv": ("name\tsequence\na\tACGT\n", sequences),
    "sequences.csv": ("sequence,name\nACGT,a\n", sequences),
    "sequences.fa": (">a\nACGT\n", sequences),
    "pairs.fa": (">a\nACGT\n", lambda path: list(read_fasta(path))),
    "located.fa": (">chr1:0-4\nACGT\n", read_located_fasta),
    "motifs.meme": (MEME, read_meme),
    "genome.fa.fai": ("chr1\t4\t6\t4\t5\n", fai),
    "variants.tsv": ("chrom\tpos_1based\tref\talt\nchr1\t2\tC\tT\n", variants),
    "variants.csv": ("chrom,pos_1based,ref,alt\nchr1,2,C,T\n", variants),
    "variants.vcf": (VCF, variants),
    "model.yaml": (MODEL, read_model_config),
    "goals.tsv": ("region\tmodel\ttarget\tkind\nr\tm\tt\tmaximize\n", goals),
    "priors.tsv": ("chr1\t0\t5\tA\t-1\n", read_priors),
    "fragments.tsv": ("chr1\t1\t5\n", lambda path: list(count_ends(path, {"chr1": 10}))),
    "training.tsv": ("sequence\ty\nACGT\t1\n", training),
}
SHORT = [name for name in READERS if name not in ("model.yaml", "genome.fa.fai")]


def plain(value: Any) -> Any:
    """Return arrays, and what is like one, as lists, so that two values can be compared."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, pd.DataFrame):
        return value.to_dict()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    fields = getattr(value, "__dataclass_fields__", None)
    return value if fields is None else {name: plain(getattr(value, name)) for name in fields}


@pytest.mark.parametrize("name", READERS)
def test_a_byte_order_mark_is_taken_off(name, tmp_path):
    text, reader = READERS[name]
    path = tmp_path / name
    path.write_text(text)
    right = plain(reader(path))
    assert right
    path.write_bytes(BOM_UTF8 + text.encode())
    assert plain(reader(path)) == right
    path.write_bytes(BOM_UTF8 + text.replace("\n", "\r\n").encode())
    assert plain(reader(path)) == right


@pytest.mark.parametrize("name", SHORT)
def test_a_byte_order_mark_in_gzip_is_taken_off(name, tmp_path):
    text, reader = READERS[name]
    path = tmp_path / name
    path.write_text(text)
    right = plain(reader(path))
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(gzip.compress(BOM_UTF8 + text.encode()))
    assert plain(reader(packed)) == right


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", READERS)
def test_utf_16_is_refused_by_name(name, encoding, tmp_path):
    text, reader = READERS[name]
    path = tmp_path / name
    path.write_bytes(("\ufeff" + text).encode(encoding))
    why = r"is UTF-16 \(in Excel: Unicode text\).*as UTF-8"
    with pytest.raises(CisweepError, match=why) as caught:
        reader(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", [n for n in READERS if not n.endswith(".vcf")])
def test_what_is_no_utf_8_is_refused(name, tmp_path):
    text, reader = READERS[name]
    path = tmp_path / name
    path.write_bytes(text.encode() + b"# \xe9\n")
    with pytest.raises(CisweepError, match="'utf-8' codec can't decode"):
        reader(path)


def test_a_truncated_gzip_is_refused(tmp_path):
    path = tmp_path / "x.bed.gz"
    path.write_bytes(gzip.compress(b"chr1\t10\t20\n" * 1000)[:40])
    with pytest.raises(RegionError, match="x.bed.gz: cannot be read .*ended before"):
        read_bed(path)


def test_gzip_is_known_by_its_bytes_and_a_mark_is_taken_off_once(tmp_path):
    path = tmp_path / "no_suffix"
    path.write_bytes(gzip.compress(BOM_UTF8 + "\ufeffx\r\ny\n".encode()))
    assert read_lines(path, RegionError) == ["\ufeffx", "y"]
    with open_text(path, RegionError, newline="") as file:
        assert file.read() == "\ufeffx\r\ny\n"
