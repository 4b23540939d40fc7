"""Reading variants: every row is kept or has a reason, and bad files stop with a message."""

import contextlib
import gzip
import random
import re
from collections import Counter

import pysam
import pytest
from pydantic import ValidationError

from cisweep.errors import VariantError
from cisweep.genome.fasta import Genome, NamedSequences, tokens_of_text
from cisweep.genome.variants import reading as variants
from cisweep.genome.variants.reading import (
    VARIANT_DROP_REASONS,
    Variant,
    VariantPolicy,
    check_variants,
    dropped_variants_table,
    iter_variants,
    read_vcf,
)
from cisweep.genome.variants.selection import Selection
from cisweep.steps.variants import VariantsConfig

#            0         10        20
SEQUENCE = "GGGATTTTTTCACACACGATNNACGTTGCA"
GENOME = NamedSequences({"chr1": tokens_of_text(SEQUENCE), "chrM": tokens_of_text("ACGTACGT")})
LENIENT = VariantPolicy(max_dropped=1.0, max_allele_bp=10)


def vcf(folder, *rows, name="v.vcf", header=""):
    contigs = "##contig=<ID=chr1,length=30>\n##contig=<ID=chrM,length=8>\n"
    text = f"##fileformat=VCFv4.2\n{contigs}{header}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    text += "".join("\t".join([*map(str, row), ".", ".", "."][:8]) + "\n" for row in rows)
    path = folder / name
    path.write_text(text)
    return path


GOOD = ("chr1", 4, ".", "A", "G")


@pytest.mark.parametrize(
    ("row", "reason", "detail"),
    [
        (("chrUn", 4, ".", "A", "G"), "unknown_chromosome", "not in the genome"),
        (
            ("1", 4, ".", "A", "G"),
            "unknown_chromosome",
            "set steps.variants.contig_aliases: {1: chr1}",
        ),
        (
            ("MT", 1, ".", "A", "G"),
            "unknown_chromosome",
            "set steps.variants.contig_aliases: {MT: chrM}",
        ),
        (("chr1", 4, ".", "A", "."), "no_alt_allele", "ALT is missing"),
        (("chr1", 4, ".", "A", "<NON_REF>"), "non_ref_allele", "is not a sequence"),
        (("chr1", 4, ".", "A", "<*>"), "non_ref_allele", "is not a sequence"),
        (("chr1", 4, ".", "A", "*"), "star_allele", "another record"),
        (("chr1", 4, ".", "A", "<DEL>"), "symbolic_allele", "<DEL>"),
        (("chr1", 4, ".", "A", "A[chr1:20["), "symbolic_allele", "is not a sequence"),
        (("chr1", 4, ".", "A", "A" + "C" * 10), "allele_too_long", "11 bp, more than 10"),
        (("chr1", 4, ".", "A", "R"), "not_acgt", "ALT 'R'"),
        (("chr1", 21, ".", "N", "A"), "not_acgt", "REF 'N'"),
        (("chr1", 4, ".", "C", "G"), "ref_mismatch", "REF is C, the genome has A"),
        (("chr1", 21, ".", "A", "G"), "ref_mismatch", "the genome has N"),
        (("chr1", 4, ".", "A", "A"), "ref_equals_alt", "are equal"),
        (("chr1", 30, ".", "AC", "A"), "off_chromosome_end", "chr1 ends at 30"),
        (GOOD, "duplicate", "the same variant as row 1"),
    ],
)
def test_each_bad_variant_is_a_row_with_a_reason(tmp_path, row, reason, detail):
    kept, dropped = read_vcf(vcf(tmp_path, GOOD, row), GENOME, LENIENT)
    assert [v.key for v in kept] == ["chr1:4:A:G"]
    assert [(v.reason, v.row) for v in dropped] == [(reason, 2)]
    assert detail in dropped[0].detail
    assert reason in VARIANT_DROP_REASONS
    table = dropped_variants_table([*kept, *dropped])
    assert table["reason"].tolist() == [reason]
    assert table["detail"][0].startswith("row 2: ")


def test_the_last_base_the_longest_allele_and_an_empty_one(tmp_path):
    rows = [("chr1", 30, ".", "A", "G"), ("chr1", 4, ".", "A", "A" + "C" * 9)]
    kept, dropped = read_vcf(vcf(tmp_path, *rows), GENOME, LENIENT)
    assert [(v.pos, len(v.alt)) for v in kept] == [(29, 1), (3, 10)] and not dropped
    path = tmp_path / "v.tsv"
    path.write_text("chrom\tpos_1based\tref\talt\nchr1\t4\t\tG\nchr1\t4\tAT\tR\n")
    table = dropped_variants_table(read_vcf(path, GENOME, LENIENT).dropped)
    # A row of a table of regions spans a base at least.
    assert table[["start", "end"]].to_numpy().tolist() == [[3, 4], [3, 5]]


def test_multiallelic_rows_are_split_and_lower_case_is_upper_case(tmp_path):
    path = vcf(tmp_path, ("chr1", 4, "rs1", "a", "g,T,<NON_REF>,AT"))
    kept, dropped = read_vcf(path, GENOME, LENIENT)
    assert [(v.pos, v.ref, v.alt, v.id) for v in kept] == [
        (3, "A", "G", "rs1"),
        (3, "A", "T", "rs1"),
        (3, "A", "AT", "rs1"),
    ]
    assert [v.reason for v in dropped] == ["non_ref_allele"]
    assert [v.kind for v in kept] == ["snv", "snv", "insertion"]


def test_indels_move_left_and_say_by_how_much(tmp_path):
    rows = [
        ("chr1", 9, ".", "TT", "T"),
        ("chr1", 15, ".", "CAC", "C"),
        ("chr1", 5, ".", "TTC", "T"),
    ]
    kept, dropped = read_vcf(vcf(tmp_path, *rows), GENOME, LENIENT)
    assert [(v.pos, v.ref, v.alt, v.shifted_bp) for v in kept] == [
        (3, "AT", "A", 5),
        (9, "TCA", "T", 5),
    ]
    assert kept[1].source == "chr1:15:CAC:C"
    assert dropped[0].reason == "ref_mismatch"  # TTC is not what stands at 5


@pytest.mark.parametrize(
    ("ref", "alt", "kind"),
    [
        ("A", "C", "snv"),
        ("AT", "CG", "mnv"),
        ("A", "AC", "insertion"),
        ("AC", "C", "deletion"),
        ("AC", "T", "delins"),
        ("ACG", "TT", "delins"),
        ("ACG", "AT", "delins"),
    ],
)
def test_kind(ref, alt, kind):
    assert Variant("chr1", 0, ref, alt).kind == kind


@pytest.mark.parametrize("name", ["v.vcf", "v.vcf.gz", "v.bcf", "v.tsv", "v.csv", "v.tsv.gz"])
def test_all_formats_give_the_same_variants(tmp_path, name):
    header = '##INFO=<ID=SET,Number=1,Type=String,Description="group">\n'
    rows = [("chr1", 4, "a", "A", "G", ".", ".", "SET=exon"), ("chrM", 2, ".", "C", "T,CG")]
    plain = vcf(tmp_path, *rows, header=header, name="plain.vcf")
    policy = VariantPolicy(group_info="SET")
    expected = read_vcf(plain, GENOME, policy).kept
    path = tmp_path / name
    if name.startswith("v.vcf") or name == "v.bcf":
        mode = {"v.vcf": "w", "v.vcf.gz": "wz", "v.bcf": "wb"}[name]
        with (
            pysam.VariantFile(plain) as old,
            pysam.VariantFile(path, mode, header=old.header) as new,
        ):
            for record in old:
                new.write(record)
    else:
        comma = "," if name == "v.csv" else "\t"
        lines = ["chrom pos_1based ref alt id group", "chr1 4 A G a exon", 'chrM 2 C "T,CG"']
        text = "\n".join(line.replace(" ", comma) for line in lines) + "\n"
        (gzip.open if name.endswith("gz") else open)(path, "wt").write(text)
        policy = VariantPolicy()
    assert read_vcf(path, GENOME, policy).kept == expected
    assert [v.group for v in expected] == ["exon", "", ""]


def test_aliases_rename_contigs(tmp_path):
    path = vcf(tmp_path, ("1", 4, ".", "A", "G"))
    assert read_vcf(path, GENOME, VariantPolicy({"1": "chr1"})).kept[0].chrom == "chr1"


ALIASES = VariantPolicy({"1": "chr1", "2": "chr2"})


def test_an_alias_of_no_contig_of_the_file_is_refused(tmp_path, monkeypatch):
    row = ("1", 4, ".", "A", "G")
    message = "steps.variants.contig_aliases.2: contig '2', which {} has not. Mend: use its names ("
    path = vcf(tmp_path, row)
    with pytest.raises(VariantError, match=re.escape(message.format(path) + "1")):
        read_vcf(path, GENOME, ALIASES)
    declared = vcf(tmp_path, row, header="##contig=<ID=2>\n", name="d.vcf")
    assert read_vcf(declared, GENOME, ALIASES).kept[0].chrom == "chr1"
    # Of a large file what the header declares; what it does not, its reading tells.
    monkeypatch.setattr(variants, "LOOKED_AT", 0)
    check_variants(declared, ALIASES, GENOME)
    known = vcf(tmp_path, row, header="##contig=<ID=1>\n", name="h.vcf")
    with pytest.raises(VariantError, match=re.escape(message.format(known) + "1")):
        check_variants(known, ALIASES, GENOME)
    table = tmp_path / "t.tsv"
    table.write_text("chrom\tpos_1based\tref\talt\n1\t4\tA\tG\n1\t5\tA\tG\n")
    check_variants(table, ALIASES, GENOME)
    with pytest.raises(VariantError, match=re.escape(message.format(table) + "1")):
        list(Selection(table, GENOME, ALIASES, lambda chrom: True, tmp_path).kept())


def test_a_table_has_no_info_fields(tmp_path):
    table = tmp_path / "t.tsv"
    table.write_text("chrom\tpos_1based\tref\talt\tgroup\nchr1\t4\tA\tG\texon\n")
    assert read_vcf(table, GENOME).kept[0].group == "exon"
    message = "a table has no INFO fields, and group_info is 'SET'. Mend: name the groups in a col"
    stops(table, message, VariantPolicy(group_info="SET"))


def phased(folder, *rows):
    """A VCF of two samples; rows are (position, ref, alt, genotype of s1, of s2)."""
    text = "##fileformat=VCFv4.2\n##contig=<ID=chr1,length=30>\n"
    text += '##FORMAT=<ID=GT,Number=1,Type=String,Description="g">\n'
    text += '##FORMAT=<ID=PS,Number=1,Type=Integer,Description="p">\n'
    text += (
        "#"
        + "\t".join(
            ["CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", "s1", "s2"]
        )
        + "\n"
    )
    for pos, ref, alt, *calls in rows:
        text += f"chr1\t{pos}\t.\t{ref}\t{alt}\t.\t.\t.\tGT:PS\t" + "\t".join(calls) + "\n"
    (folder / "phased.vcf").write_text(text)
    return folder / "phased.vcf"


def test_genotypes_of_the_chosen_sample(tmp_path):
    path = phased(
        tmp_path,
        (4, "A", "G", "0|0:.", "0|1:7"),
        (5, "T", "G,C", "0/0:.", "1|2:7"),
        (6, "T", "A", "0|0:.", "1/1:."),
        (7, "T", "A", "1|1:.", "0/0:."),
        (8, "T", "A", "0|0:.", "./.:."),
        (9, "T", "A", "0|0:.", "1:."),
        (10, "T", "A", "0|0:.", "1/0:."),
    )
    policy = VariantPolicy(sample="s2")
    kept, dropped = read_vcf(path, GENOME, policy)
    assert [(v.pos + 1, v.alt, v.genotype) for v in kept] == [
        (4, "G", "0|1:7"),
        (5, "G", "1|0:7"),
        (5, "C", "0|1:7"),
        (6, "A", "1/1"),
        (9, "A", "1"),
        (10, "A", "1/0"),
    ]
    assert [(v.pos + 1, v.reason) for v in dropped] == [(7, "not_in_sample"), (8, "no_genotype")]
    assert {v.reason for v in dropped} <= set(VARIANT_DROP_REASONS)
    # What a sample does not carry does not count as lost: s1 carries one of eight alleles.
    assert len(read_vcf(path, GENOME, VariantPolicy(sample="s1")).kept) == 1
    assert all(v.genotype == "" for v in read_vcf(path, GENOME).kept)


def test_samples_that_are_not_there(tmp_path):
    path = phased(tmp_path, (4, "A", "G", "0|0:.", "0|1:."))
    stops(path, "there is no sample 's3' (there are: s1, s2)", VariantPolicy(sample="s3"))
    stops(path, "sample 's1' carries none of the 1 variants", VariantPolicy(sample="s1"))
    stops(
        vcf(tmp_path, GOOD), "there is no sample 's1' (there are: none)", VariantPolicy(sample="s1")
    )
    table = tmp_path / "t.tsv"
    table.write_text("chrom\tpos_1based\tref\talt\nchr1\t4\tA\tG\n")
    stops(table, "a table has no samples, and sample is 's1'", VariantPolicy(sample="s1"))


def stops(path, message, policy=None, genome=GENOME):
    with pytest.raises(VariantError, match=re.escape(message)) as caught:
        list(iter_variants(path, genome, policy))
    assert str(path.name) in str(caught.value)


def test_contigs_that_differ_by_naming_offer_aliases(tmp_path):
    stops(vcf(tmp_path, ("1", 4, ".", "A", "G")), "set steps.variants.contig_aliases: {1: chr1}")
    stops(vcf(tmp_path, ("9", 4, ".", "A", "G")), "no contig of the variants (9) is in the genome")


def test_a_wrong_build_is_named(tmp_path):
    rows = [GOOD, ("chr1", 5, ".", "A", "G"), ("chr1", 6, ".", "A", "G")]
    stops(
        vcf(tmp_path, *rows), "in 2 of 3 variants (first: chr1:5:A:G: REF is A, the genome has T)"
    )
    stops(vcf(tmp_path, *rows), "the genome build is probably wrong")
    read_vcf(vcf(tmp_path, *rows[:2]), GENOME)  # half is not most


def test_too_many_dropped(tmp_path):
    deletion = "##ALT=<ID=DEL,Description=deletion>\n"
    rows = [GOOD, ("chr1", 5, ".", "T", "<DEL>"), ("chr1", 6, ".", "T", "<DEL>")]
    path = vcf(tmp_path, *rows, header=deletion)
    stops(path, "2 of 3 variants cannot be scored (2 symbolic_allele)")
    path = vcf(tmp_path, *rows, ("chr1", 5, ".", "T", "*"), header=deletion)
    stops(path, "2 of 3 variants cannot be scored (2 symbolic_allele)")
    stops(path, "max_dropped 0.5; 1 reference blocks are not counted")


def test_the_blocks_of_a_gvcf_are_no_dropped_variants(tmp_path):
    """One variant among blocks and spanning deletions, as HaplotypeCaller writes them."""
    blocks = [("chr1", at, ".", "T", alt) for at in range(5, 11) for alt in ("<NON_REF>", "<*>")]
    rows = [("chr1", 4, ".", "A", "G,<NON_REF>"), *blocks, ("chr1", 10, ".", "T", "*")]
    path = vcf(tmp_path, *rows, header="##ALT=<ID=NON_REF,Description=any>\n")
    found = read_vcf(path, GENOME, VariantPolicy(max_dropped=0.0))
    assert [v.key for v in found.kept] == ["chr1:4:A:G"]
    assert Counter(v.reason for v in found.dropped) == {"non_ref_allele": 13, "star_allele": 1}
    stops(vcf(tmp_path, *blocks), "the file has no variants (but 12 reference blocks, <NON_REF>)")
    strange = [("7", 5, ".", "T", "<NON_REF>")] * 3
    stops(vcf(tmp_path, ("1", 4, ".", "A", "G"), *strange), "set steps.variants.contig_aliases: {1")
    stops(vcf(tmp_path, ("1", 4, ".", "A", "G"), *blocks), "set steps.variants.contig_aliases: {1")


def test_contigs_are_looked_at_before_any_job(tmp_path, monkeypatch):
    def check(*rows, **policy):
        check_variants(vcf(tmp_path, *rows), VariantPolicy(**policy), GENOME)

    check(("chr1", 4, ".", "A", "G"))
    with monkeypatch.context() as patch:
        patch.setattr(variants, "LOOKED_AT", 0)
        check(("chr7", 4, ".", "A", "G"))  # of a large file; its header has chr1
    path = tmp_path / "t.tsv"
    path.write_text("chrom\tpos_1based\tref\talt\n1\t4\tA\tG\n")
    check_variants(path, VariantPolicy(contig_aliases={"1": "chr1"}), GENOME)
    for text, aliases, message in [
        ("1", {}, "differ only by naming. Mend: set steps.variants.contig_aliases: {1: chr1}"),
        ("7", {}, "no contig of the variants (7) is in the genome (chr1, chrM, …)"),
        ("7", {"7": "chr7"}, "no contig of the variants (7) is in the genome (chr1, chrM, …)"),
    ]:
        path.write_text(f"chrom\tpos_1based\tref\talt\n{text}\t4\tA\tG\n")
        with pytest.raises(VariantError, match=re.escape(message)):
            check_variants(path, VariantPolicy(contig_aliases=aliases), GENOME)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [GOOD, *(("chr1", at, ".", "N", "A") for at in (5, 6))],
            "2 of 3 variants cannot be scored (2 not_acgt), more than the share "
            "steps.variants.max_dropped 0.5. Mend: correct the variants, or raise",
        ),
        (
            [("chr1", at, ".", "C", "A") for at in (5, 6, 7)],
            "REF differs from the genome in 3 of 3 variants (first: chr1:5:C:A: REF is C, the "
            "genome has T); the genome build is probably wrong",
        ),
    ],
)
def test_a_small_file_is_judged_before_any_job(tmp_path, monkeypatch, rows, message):
    path = vcf(tmp_path, *rows)
    for check in (check_variants, lambda p, policy, genome: read_vcf(p, genome, policy)):
        with pytest.raises(VariantError, match=re.escape(message)):
            check(path, VariantPolicy(), GENOME)
    monkeypatch.setattr(variants, "LOOKED_AT", 3)
    with pytest.raises(VariantError, match=re.escape(message)):
        check_variants(path, VariantPolicy(), GENOME)
    monkeypatch.setattr(variants, "LOOKED_AT", 2)
    check_variants(path, VariantPolicy(), GENOME)


@pytest.fixture
def bcf(tmp_path):
    rows = [("chr1", 4, f"r{i}", "A", "G") for i in range(3000)]
    with (
        pysam.VariantFile(str(vcf(tmp_path, *rows))) as source,
        pysam.VariantFile(str(tmp_path / "v.bcf"), "wb", header=source.header) as target,
    ):
        for record in source:
            target.write(record)
    return tmp_path / "v.bcf"


def test_a_bcf_that_is_cut_off_or_damaged(bcf):
    check_variants(bcf, LENIENT, GENOME)
    raw = bcf.read_bytes()
    for size in (len(raw) - 40, len(raw) // 2, 60, 20, 3):
        bcf.write_bytes(raw[:size])
        stops(bcf, "cannot be read as VCF or BCF after record", LENIENT)
    plain = bytearray(gzip.decompress(raw))
    rng = random.Random(0)
    for _ in range(300):  # whatever is flipped, no other error comes
        changed = bytearray(plain)
        changed[rng.randrange(400)] ^= 1 << rng.randrange(8)
        bcf.write_bytes(gzip.compress(changed, 1))
        with contextlib.suppress(VariantError):
            check_variants(bcf, LENIENT, GENOME)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("chr1\t²\tA\tG", "row 1: pos_1based '²' is not a whole number from 1"),
        ("chr1\t٤\tA\tG", "row 1: pos_1based '٤' is not a whole number from 1"),
        ("chr1\t1_0\tA\tG", "row 1: pos_1based '1_0' is not a whole number from 1"),
        ("chr1\t" + "9" * 30 + "\tA\tG", "is not a whole number from 1"),
        ("chr1\t4\tÄ€\tG", "1 of 1 variants cannot be scored (1 not_acgt)"),
        ("chr1\t4\tA", "row 1: the row does not have a cell for each column of the header"),
        ("chr1\t4\tA\tG\tT", "row 1: the row does not have a cell for each column of the header"),
        ('"chr1\n"\t4\tA\tG', r"row 1: chrom 'chr1\n' has the letter '\n'"),
    ],
)
def test_rows_of_tables_that_are_refused(tmp_path, row, message):
    path = tmp_path / "t.tsv"
    path.write_text(f"chrom\tpos_1based\tref\talt\n{row}\n")
    stops(path, message)


def test_a_column_that_stands_twice(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("chrom,pos_1based,ref,alt,alt\nchr1,4,A,G,T\n")
    stops(path, "column 'alt' occurs twice")


def test_unreadable_files(tmp_path):
    stops(tmp_path / "none.vcf", "no such variant file")
    (tmp_path / "x.bed").write_text("chr1\t3\t4\n")
    stops(tmp_path / "x.bed", "give .vcf, .vcf.gz, .bcf, or a table")
    (tmp_path / "not.vcf").write_text("hello\n")
    stops(tmp_path / "not.vcf", "cannot be read as VCF or BCF after record 0")
    stops(vcf(tmp_path, name="empty.vcf"), "the file has no variants")
    stops(
        vcf(tmp_path, GOOD, name="g.vcf"),
        "'SET' is not a declared INFO field",
        VariantPolicy(group_info="SET"),
    )
    stops(vcf(tmp_path, GOOD, ("chr1", "x", ".", "A", "G"), name="p.vcf"), "after record 1")
    (tmp_path / "t.tsv").write_text("chrom\tpos\tref\talt\nchr1\t4\tA\tG\n")
    stops(tmp_path / "t.tsv", "missing: pos_1based")
    (tmp_path / "t.tsv").write_text("chrom\tpos_1based\tref\talt\nchr1\t4\tA\tG\nchr1\t0\tA\tG\n")
    with pytest.raises(VariantError, match=r"t\.tsv, row 2: pos_1based '0' is not a whole number"):
        read_vcf(tmp_path / "t.tsv", GENOME)
    (tmp_path / "t.tsv.gz").write_bytes(
        gzip.compress(b"chrom\tpos_1based\tref\talt\n" + b"chr1\t4\tA\tG\n" * 9)[:-9]
    )
    stops(tmp_path / "t.tsv.gz", "cannot be read (Compressed file ended")


def test_a_sample_without_haplotypes_is_a_fault_of_the_config():
    with pytest.raises(ValidationError, match="needs haplotype: true"):
        VariantsConfig(path="v.vcf", sample="s")
    with pytest.raises(ValidationError, match="n_nulls must be 0 with haplotype"):
        VariantsConfig(path="v.vcf", haplotype=True, n_nulls=1)


def test_the_header_tells_most_faults_before_any_job(tmp_path):
    check_variants(vcf(tmp_path, GOOD))
    for make, message, policy in [
        (lambda: tmp_path / "none.vcf", "no such variant file", None),
        (lambda: vcf(tmp_path, name="e.vcf"), "the file has no variants", None),
        (lambda: vcf(tmp_path, GOOD), "'SET' is not a declared", VariantPolicy(group_info="SET")),
        (lambda: vcf(tmp_path, GOOD), "there is no sample 'x'", VariantPolicy(sample="x")),
    ]:
        with pytest.raises(VariantError, match=re.escape(message)):
            check_variants(make(), policy)


def test_truncated_vcf_gz_is_an_error_not_fewer_variants(tmp_path):
    rows = [("chr1", 4, f"r{i}", "A", "G") for i in range(20000)]
    whole = tmp_path / "whole.vcf.gz"
    pysam.tabix_compress(str(vcf(tmp_path, *rows)), str(whole))
    cut = tmp_path / "cut.vcf.gz"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    stops(cut, "cannot be read as VCF or BCF", LENIENT)


def test_na12878_has_a_row_for_every_variant(shared_data):
    folder = shared_data / "human_chr20"
    genome = Genome(folder / "chr20.fa.gz")
    kept, dropped = read_vcf(folder / "NA12878_0-1Mb.vcf.gz", genome)
    assert (len(kept), len(dropped)) == (1700, 0)
    assert sum(v.kind == "snv" for v in kept) == 1425
    with gzip.open(folder / "NA12878_0-1Mb.vcf.gz", "rt") as handle:
        lines = [line.split("\t") for line in handle if not line.startswith("#")]
    assert [(v.pos + 1, v.ref, v.alt) for v in kept if v.kind == "snv"] == [
        (int(f[1]), f[3], f[4]) for f in lines if len(f[3]) == len(f[4]) == 1
    ]
