"""Contigs whose names differ: with and without chr, M and MT, Arabic and Roman numbers."""

import numpy as np
import pandas as pd
import pytest

from cisweep.errors import GenomeError, RegionError, VariantError
from cisweep.genome.fasta import NamedSequences
from cisweep.genome.naming import contig_alias, contig_aliases
from cisweep.genome.reads import count_ends
from cisweep.genome.regions import WindowPolicy, check_dropped, read_bed, to_windows
from cisweep.genome.signal import check_signal
from cisweep.genome.variants.reading import VariantPolicy, read_vcf

YEAST = [f"chr{r}" for r in ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")]
YEAST += [f"chr{r}" for r in ("XI", "XII", "XIII", "XIV", "XV", "XVI")]
ARABIC = [f"chr{i}" for i in range(1, 17)]
HUMAN = [f"chr{c}" for c in (*range(1, 23), "X", "Y", "M")]


@pytest.mark.parametrize(
    ("name", "contigs", "alias"),
    [
        ("20", HUMAN, "chr20"),
        ("chr20", ["20"], "20"),
        ("MT", HUMAN, "chrM"),
        ("chr4", YEAST, "chrIV"),
        ("10", YEAST, "chrX"),
        ("chrXVI", ARABIC, "chr16"),
        ("XIV", ARABIC, "chr14"),
        # Of the worm: X is its sex chromosome, and has no number.
        ("X", ["I", "II", "III", "IV", "V", "X"], "X"),
        # A sex chromosome is not the tenth, where nothing else is Roman.
        ("chrX", HUMAN[:10], None),
        ("chr10", ["chrX"], None),
        ("chr23", HUMAN[:10], None),
        ("chrUn", YEAST, None),
        ("chr", YEAST, None),
    ],
)
def test_a_contig_by_another_name(name, contigs, alias):
    assert contig_alias(name, contigs) == alias


def test_all_of_yeast_by_number_and_back():
    assert contig_aliases(ARABIC, YEAST) == dict(zip(ARABIC, YEAST))
    assert contig_aliases(YEAST, ARABIC) == dict(zip(YEAST, ARABIC))
    assert contig_aliases(YEAST, YEAST) == {}


def sites(names: list[str]) -> str:
    return "chrom\tpos_1based\tref\talt\n" + "".join(f"{n}\t2\tC\tT\n" for n in names)


def genome_of(names: list[str]) -> NamedSequences:
    return NamedSequences({name: np.array([0, 1, 2, 3], np.uint8) for name in names})


@pytest.mark.parametrize("shared", [[], ["chrM"]], ids=["no name is shared", "one is"])
def test_variants_of_numbered_chromosomes_name_the_key(shared, tmp_path):
    path = tmp_path / "v.tsv"
    path.write_text(sites([*ARABIC, *shared]))
    with pytest.raises(VariantError) as caught:
        read_vcf(path, genome_of([*YEAST, "chrM"]))
    assert "steps.variants.contig_aliases: {chr1: chrI, chr2: chrII," in caught.value.mend
    policy = VariantPolicy(contig_aliases=dict(zip(ARABIC, YEAST)))
    found = read_vcf(path, genome_of([*YEAST, "chrM"]), policy)
    assert [v.chrom for v in found.kept] == [*YEAST, *shared]


def test_an_unknown_contig_of_few_names_the_key(tmp_path):
    path = tmp_path / "v.tsv"
    path.write_text(sites(["chrI", "chrII", "chr3"]))
    (dropped,) = read_vcf(path, genome_of(YEAST)).dropped
    assert dropped.detail.endswith("set steps.variants.contig_aliases: {chr3: chrIII}")


@pytest.mark.parametrize("shared", [[], ["chrM"]], ids=["no name is shared", "one is"])
def test_regions_of_numbered_chromosomes_say_what_they_are(shared, tmp_path):
    path = tmp_path / "r.bed"
    path.write_text("".join(f"{n}\t40\t60\n" for n in [*ARABIC, *shared]))
    lengths = dict.fromkeys([*YEAST, "chrM"], 1000)
    rows = read_bed(path)
    _, dropped = to_windows(rows, lengths, WindowPolicy(20))
    with pytest.raises(RegionError) as caught:
        check_dropped(len(rows), dropped, 0.5, "r.bed", lengths)
    assert caught.value.mend.startswith(
        "rename its chromosomes as in the genome (chr1 is chrI, chr2 is chrII,"
    )
    assert ("raise regions.max_dropped" in caught.value.mend) == bool(shared)


def test_other_regions_are_told_as_before():
    dropped = pd.DataFrame({"chrom": ["scaffold"], "reason": ["unknown_chromosome"]})
    with pytest.raises(RegionError, match="use the same chromosome names in both"):
        check_dropped(1, dropped, 0.5, "r.bed", YEAST)


def test_signal_and_fragments_of_numbered_chromosomes_say_what_they_are(tmp_path):
    import pyBigWig

    with pyBigWig.open(str(tmp_path / "x.bw"), "w") as file:
        file.addHeader([("chr1", 100)])
        file.addEntries(["chr1"], [0], ends=[10], values=[1.0])
    with pytest.raises(GenomeError, match="chr1 is chrI"):
        check_signal([tmp_path / "x.bw"], YEAST)
    (tmp_path / "f.tsv").write_text("chr1\t1\t5\n")
    with pytest.raises(GenomeError, match="chr1 is chrI"):
        list(count_ends(tmp_path / "f.tsv", dict.fromkeys(YEAST, 10)))
