"""Bad files: FASTA and index, sequences, BED, priors, motifs, variants, bigWig, weights."""

import gzip
import struct
import tempfile
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterable
from pathlib import Path

import pyBigWig
from harness import ROOT, Case

BINARY, LATIN = bytes(range(256)), "name\tsequence\nä\tACGT\n".encode("latin-1")
ALL_OFF = dict.fromkeys(("select", "attribute", "seqlets", "hits"))
BASES = "ACGTTGCATG" * 60
FASTA = f">chrA some words\n{BASES}\n>chrB\n{BASES}\n"
FAI = "chrA\t600\t17\t600\t601\nchrB\t600\t624\t600\t601\n"


# ---- FASTA and its indices ---------------------------------------------------------------


def fasta(name: str, *says: str, at: str = "parse", **files: str | bytes) -> Case:
    """Return the case of a genome; files: g_fa is g.fa, and so on."""
    named = {key.replace("_", "."): content for key, content in files.items()}
    path = "{dir}/g.fa.gz" if "g.fa.gz" in named else "{dir}/g.fa"
    given = {"genome": {"fasta": path}, "chunk_bp": 10**6}
    if at == "job":
        given |= {"steps": ALL_OFF, "regions": {"max_dropped": 1.0, "max_n": 1.0}}
    return Case(f"FASTA {name}", named, given, says, at)


def plain(name: str, *says: str, fa: str | bytes = FASTA, fai: str | bytes = FAI) -> Case:
    """Return the case of a FASTA that is not compressed."""
    return fasta(name, *says, g_fa=fa, g_fa_fai=fai)


def bgzip(text: str, block: int = 4096) -> tuple[bytes, bytes]:
    """Return a text compressed as bgzip does, in small blocks, and its .gzi."""
    out, places = b"", []
    raw = text.encode()
    for start in range(0, len(raw) + 1, block):
        part = raw[start : start + block]
        places.append((len(out), start))
        packer = zlib.compressobj(wbits=-15)
        data = packer.compress(part) + packer.flush()
        size = struct.pack("<H", len(data) + 25)
        head = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x06\0BC\x02\0" + size
        out += head + data + struct.pack("<II", zlib.crc32(part), len(part))
    pairs = [number for place in places[1:] for number in place]
    return out, struct.pack(f"<{1 + len(pairs)}Q", len(places) - 1, *pairs)


LONG = {name: BASES * 40 for name in ("chrA", "chrB")}
LONG_FASTA = "".join(f">{name}\n{text}\n" for name, text in LONG.items())
LONG_FAI = "chrA\t24000\t6\t24000\t24001\nchrB\t24000\t24013\t24000\t24001\n"
PACKED, GZI = bgzip(LONG_FASTA)
MIDDLE = len(PACKED) // 4


def packed(name: str, *says: str, at: str = "parse", gz=PACKED, gzi=GZI, fai=LONG_FAI) -> Case:
    """Return the case of a FASTA compressed by bgzip."""
    files = {"g_fa_gz": gz, "g_fa_gz_fai": fai, "g_fa_gz_gzi": gzi}
    return fasta(name, *says, at=at, **{k: v for k, v in files.items() if v is not None})


NO_INDEX = ("g.fa.fai", "samtools faidx {dir}/g.fa")
STALE = (
    "{dir}/g.fa: the index g.fa.fai does not belong to the file",
    "rm {dir}/g.fa.fai; samtools",
)
GENOMES = [
    plain("is empty", "{dir}/g.fa: the FASTA is empty", "fetch the genome again", fa=""),
    plain("of an empty index", "the index is empty", *NO_INDEX, fai=""),
    plain("of a binary index", "cannot be read", *NO_INDEX, fai=BINARY),
    plain(
        "of an index with lines of 0 bases", "line 1 of the index has lines of 0 bases",
        *NO_INDEX, fai=FAI.replace("\t600\t601\n", "\t0\t0\n"),
    ),
    plain(
        "of an index with a negative length", "line 1 of the index is not name, length", *NO_INDEX,
        fai=FAI.replace("chrA\t600", "chrA\t-600"),
    ),
    plain(
        "of an index with digits of another script", "line 1 of the index is not name, length",
        *NO_INDEX, fai=FAI.replace("chrA\t600", "chrA\t٦٠٠"),
    ),
    plain(
        "of an index with too few cells", "line 2 of the index is not name, length", *NO_INDEX,
        fai=FAI.replace("\t624\t600\t601", ""),
    ),
    plain(
        "of an index with NUL in a name", "line 1: it is not text: it contains a NUL byte",
        "samtools faidx {dir}/g.fa", fai=FAI.replace("chrA", "ch\0rA"),
    ),
    plain(
        "of an index with a name twice", "line 2 of the index names 'chrA' a second time",
        *NO_INDEX, fai=FAI.replace("chrB", "chrA"),
    ),
    plain(
        "of an index of another file", *STALE, "chrB: before byte 624",
        fa=FASTA.replace("ACGT", "ACG", 1),
    ),
    plain(
        "of an index with the length of another file", *STALE,
        "chrB: the file has fewer than its 900 bases", fai=FAI.replace("chrB\t600", "chrB\t900"),
    ),
    plain(
        "of an index whose contigs are exchanged", *STALE,
        "chrA: before byte 624 there is '>chrB', not its header line",
        fai="chrB\t600\t17\t600\t601\nchrA\t600\t624\t600\t601\n",
    ),
    plain("that is cut off", *STALE, "chrB: the file has fewer", fa=FASTA[:-9]),
    plain("that went on", *STALE, "chrB: the file has more", fa=FASTA[:-1] + "AC\n"),
    plain("with other names", *STALE, "chrA: before byte 17", fa=FASTA.replace(">chr", ">Chr")),
    packed("bgzip without .gzi", "g.fa.gz.gzi", "has no .gzi index", "with bgzip", gzi=None),
    packed("gzip called bgzip", "{dir}/g.fa.gz: its index g.fa.gz.gzi belongs to", "with bgzip",
           gz=gzip.compress(LONG_FASTA.encode())),
    packed("bgzip that is cut off", "{dir}/g.fa.gz: ", "samtools faidx", gz=PACKED[:-60]),
    packed("bgzip cut off to half", "gzi belongs to another file", "samtools faidx",
           gz=PACKED[: len(PACKED) // 2]),
    packed("of a text as .gzi", "is no .gzi of", "samtools faidx", gzi=b"this is no index\n"),
    packed("of a .gzi that is cut off", "is no .gzi of", "samtools faidx", gzi=GZI[:-3]),
    packed("of the .gzi of another file", "{dir}/g.fa.gz: ", "samtools faidx",
           gzi=bgzip(LONG_FASTA, 5000)[1]),
    packed("bgzip with the index of another file", "does not belong to the file",
           "rm {dir}/g.fa.gz.fai {dir}/g.fa.gz.gzi; samtools",
           fai=LONG_FAI.replace("24013", "24010")),
    packed("bgzip with damage in the middle", "cannot be read (", "compare its checksum",
           gz=PACKED[:MIDDLE] + bytes(40) + PACKED[MIDDLE + 40 :]),
]  # fmt: skip


# ---- sequences ---------------------------------------------------------------------------

ON_SEQUENCES = {
    "genome": None,
    "regions": {"tile": None},
    "steps": {"hits": {"background": "uniform"}},
}
TABLE = "name\tsequence\nx\t" + BASES + "\n"


def sequences(name: str, content: str | bytes, *says: str, file: str = "s.tsv") -> Case:
    """Return the case of a file of sequences."""
    config = ON_SEQUENCES | {"sequences": f"{{dir}}/{file}"}
    return Case(f"sequences {name}", {file: content}, config, (f"{{dir}}/{file}", *says))


SEQUENCES = [
    sequences("in Latin-1", LATIN, "cannot be read ('utf-8'", "give UTF-8 text"),
    sequences("binary", BINARY, "cannot be read ('utf-8'", "give UTF-8 text"),
    sequences("in UTF-16", TABLE.encode("utf-16"), "UTF-16", "save it as UTF-8"),
    sequences("of a fake gzip", TABLE, "Not a gzipped file", "plain or gzip", file="s.tsv.gz"),
    sequences(
        "of a gzip that is cut off", gzip.compress(TABLE.encode())[:-9], "end-of-stream",
        "plain or gzip", file="s.tsv.gz",
    ),
    sequences("with two byte-order marks", BOM_UTF8 * 2 + TABLE.encode(), "control letters",
              "correct the header"),
    sequences("with a gap", TABLE.replace("ACG", "A-CG", 1), "letter '-' at position 1",
              "take gaps out, or write N"),
    sequences("with a space", TABLE.replace("ACG", "A CG", 1), "letter ' ' at position 1", "gaps"),
    sequences("of RNA", TABLE.replace("T", "U"), "letter 'U' at position 3", "write T for U"),
    sequences("of protein", ">p\nMKLVV\n", "('p') has the letter 'L' at position 2", "IUPAC"),
    sequences("with letters beyond ASCII", TABLE.replace("ACG", "ACĀG", 1), "'Ā' at position 2",
              "IUPAC"),
    sequences("with NUL in a name", ">x\0y\nACGT\n", "line 1: it is not text", "NUL"),
    sequences("with a control letter in a name", ">x\x01y\nACGT\n", "in its name", "take it out"),
    sequences("with a line end in a name", 'name,sequence\n"x\ny",ACGT\n', r"the letter '\n' in",
              "take it out", file="s.csv"),
    sequences("without a name", ">\nACGT\n", "sequence 1 ('') has no name", "a different name"),
    sequences("with a quote that does not end", 'name,sequence\n"x,ACGT\n', "at line 2",
              "cannot be read as a table", file="s.csv"),
    sequences("with a column twice", "name\tsequence\tsequence\nx\tA\tC\n", "stand twice: sequence",
              "correct the header"),
    sequences("in a row too short", "name\tsequence\tv\nx\tA\n", "line 2: 2 fields",
              "the header has 3"),
    sequences("with a name twice", ">x\nA\n>x\nC\n", "sequence name 'x'", "occurs twice"),
    sequences("without a sequence", "name\tsequence\n", "no sequence", "in the file"),
]  # fmt: skip


# ---- intervals ---------------------------------------------------------------------------


GOAL = {"model": "ctcf_pu1", "target": "ctcf", "kind": "maximise"}
DESIGN = {"goals": {"up": [GOAL]}, "regions": "{dir}/d.bed"}


def bed(name: str, row: str | bytes, *says: str, file: str = "r.bed") -> Case:
    """Return the case of a BED file of regions, whose second line is bad."""
    content = row if isinstance(row, bytes) else f"chrA\t500\t700\n{row}\n"
    config = {"regions": {"tile": None, "bed": f"{{dir}}/{file}"}}
    return Case(f"BED {name}", {file: content}, config, (f"{{dir}}/{file}", *says))


N_REGIONS = Case(
    "BED mostly on N",
    {"r.bed": "chrA\t500\t700\nchrA\t29300\t29500\nchrA\t29400\t29600\n"},
    {"regions": {"tile": None, "bed": "{dir}/r.bed"}},
    ("regions of model", "2 of 3 regions are dropped (too_many_n 2, the first: 1.000 of the window "
     "is N, more than 0.1), more than max_dropped 0.5", "raise regions.max_dropped"),
)  # fmt: skip


def intervals(name: str, content: str | bytes, *says: str) -> list[Case]:
    """Return the cases of a bad blacklist, and of what designs freeze."""
    design = DESIGN | {"frozen": "{dir}/b.bed"}
    files = {"b.bed": content, "d.bed": "chrA\t500\t700\n"}
    return [
        Case(f"blacklist {name}", files, {"regions": {"blacklist": ["{dir}/b.bed"]}},
             ("{dir}/b.bed: ", *says)),
        Case(f"steps.design.frozen {name}", files, {"steps": {"design": design}},
             ("{dir}/b.bed: ", *says)),
    ]  # fmt: skip


def priors(name: str, content: str | bytes, *says: str) -> Case:
    """Return the case of bad priors of a design."""
    design = DESIGN | {"priors": "{dir}/p.tsv"}
    files = {"p.tsv": content, "d.bed": "chrA\t500\t700\n"}
    return Case(f"priors {name}", files, {"steps": {"design": design}}, ("{dir}/p.tsv", *says))


A_PRIOR = ("line 1: ", "is not a prior", "give chrom, start, end, base")


def families(what: str, text, says: str) -> list[Case]:
    """Return the case of a TSV of families of motifs."""
    config = {"steps": {"report": {"motif_families": "{dir}/f.tsv"}}}
    return [
        Case(f"steps.report.motif_families {what}", {"f.tsv": text}, config, ("{dir}/f.tsv", says))
    ]


INTERVALS = [
    bed("with 5_00", "chrA\t5_00\t700", "line 2: start '5_00' is not a whole number", "digits 0"),
    bed("with Arabic digits", "chrA\t500\t٧٠٠", "line 2: end '٧٠٠' is not a whole", "digits 0"),
    bed("with a superscript", "chrA\t²\t700", "line 2: start '²' is not a whole", "digits 0"),
    bed("beyond 64 bits", f"chrA\t5\t{2**63 - 1}", "line 2: end '9223372036854775807'", "digits 0"),
    bed("with a control letter", "chrA\t5\t9\ta\x0bb", r"line 2: chrom or name has the letter '\x0",
        "take it out"),
    bed("with NUL", "chrA\t5\t9\ta\0b", "line 2: it is not text", "a NUL byte"),
    bed("binary", BINARY, "cannot be read", "give UTF-8 text"),
    bed("of names in quotes", b'"chrA"\t5\t9\n', "no region lies on a chromosome", "'\"chrA\"'"),
    bed("of a summit in Arabic digits", "chrA\t5\t9\tn\t0\t.\t1\t1\t1\t٢",
        "a narrowPeak row has 10 columns", "line 1", file="r.narrowPeak"),
    *intervals("of other names", "A\t5\t9\nB\t1\t2\n", "none of its chromosomes (A, B) is in the",
               "rename its chromosomes as in the genome (A is chrA, B is chrB)"),
    *intervals("of another genome", "chrII\t5\t9\n", "none of its chromosomes (chrII)",
               "use the same chromosome names in both, or leave"),
    *intervals("that is empty", "", "the BED file has no rows", "give at least one region, or"),
    Case("blacklist of Arabic digits", {"b.bed": "chrA\t٥\t9\n"},
         {"regions": {"blacklist": ["{dir}/b.bed"]}}, ("{dir}/b.bed, line 1", "digits 0")),
    Case("steps.ism.bed of other names", {"i.bed": "A\t500\t700\n"},
         {"steps": {"ism": {"bed": "{dir}/i.bed"}}},
         ("{dir}/i.bed: no region lies on a chromosome", "(A is chrA)")),
    Case("steps.ism.bed that is empty", {"i.bed": "# none\n"},
         {"steps": {"ism": {"bed": "{dir}/i.bed"}}},
         ("{dir}/i.bed: the BED file has no rows", "or leave steps.ism.bed out")),
    Case("steps.report.genes of other names", {"g.gtf": 'c\tx\tgene\t1\t9\t.\t+\t.\tgene_id "a"\n'},
         {"steps": {"report": {"genes": "{dir}/g.gtf"}}},
         ("{dir}/g.gtf: none of its chromosomes (c)", "or leave steps.report.genes out")),
    Case("steps.report.genes that is binary", {"g.gtf": BINARY},
         {"steps": {"report": {"genes": "{dir}/g.gtf"}}}, ("{dir}/g.gtf", "cannot be read")),
    *families("without its columns", "name\tclass\n", ", line 1: has no columns motif and family"),
    *families("of rows too short", "motif\tfamily\nMA1\n", ", line 2: a row has 1 cells"),
    *families("of two names", "motif\tfamily\nM\tA\nM\tB\n", "M is of family A already, and of B"),
    *families("with a control letter", "motif\tfamily\nM\ta\x0bb\n", "2: a name has the letter"),
    *families("without any", "motif\tfamily\nM\t\n", "names no family"),
    *families("that is binary", BINARY, "cannot be read"),
    priors("of another genome", "chrII\t5\t9\tA\t1\n", "none of its chromosomes (chrII)",
           "use the same chromosome names in both, or leave steps.design.priors out"),
    priors("of other names", "A\t5\t9\tA\t1\n", "none of its chromosomes (A)", "(A is chrA)"),
    priors("that are empty", "# none\n", "has no priors", "leave steps.design.priors out"),
    priors("that are binary", BINARY, "cannot be read", "give UTF-8 text"),
    priors("with Arabic digits", "chrA\t٥\t9\tA\t1\n", *A_PRIOR),
    priors("with 1_0", "chrA\t5\t9\tA\t1_0\n", *A_PRIOR),
    priors("of weight nan", "chrA\t5\t9\tA\tnan\n", *A_PRIOR),
    priors("of weight 1e99", "chrA\t5\t9\tA\t1e99\n", *A_PRIOR),
    priors("of base U", "chrA\t5\t9\tU\t1\n", *A_PRIOR),
    Case("forbidden motifs that are no MEME", {"m.meme": "MEME\n", "d.bed": "chrA\t500\t700\n"},
         {"steps": {"design": DESIGN | {"forbidden_motifs": "{dir}/m.meme"}}},
         ("{dir}/m.meme line 1", "this is not a MEME file")),
]  # fmt: skip


# ---- motifs ------------------------------------------------------------------------------

MEME = (
    "MEME version 4\n\nALPHABET= ACGT\n\nMOTIF m one\n"
    "letter-probability matrix: alength= 4 w= 2 nsites= 3\n1 0 0 0\n0 1 0 0\n"
)


def meme(name: str, old: str, new: str, *says: str) -> Case:
    """Return the case of a MEME file with one part in place of another."""
    assert old in MEME
    files = {"m.meme": MEME.replace(old, new)}
    return Case(f"MEME {name}", files, {"motifs": "{dir}/m.meme"}, ("{dir}/m.meme", *says))


MOTIFS = [
    meme("w= 1e400", "w= 2", "w= 1e400", "line 6: motif m: cannot read", "mend that line"),
    meme("w= nan", "w= 2", "w= nan", "line 6: motif m: cannot read", "mend that line"),
    meme("w= 3", "w= 2", "w= 3", "motif m has 2 matrix rows", "its header says w= 3"),
    meme("nsites= ٣", "nsites= 3", "nsites= ٣", "line 6: motif m: cannot read", "mend that line"),
    meme("Arabic digits", "1 0 0 0", "١ 0 0 0", "has 0 matrix rows", "its header says w= 2"),
    meme("nan", "1 0 0 0", "nan 0 0 1", "line 7", "is not made of probabilities"),
    meme("counts beyond floats", "1 0 0 0", "1e308 1e308 0 0", "line 7: motif m, row 1",
         "sums to 1"),
    meme("version of 5,000 digits", "version 4", "version " + "4" * 5000, "MEME version 444",
         "give version 4 or 5"),
    meme("version ٤", "version 4", "version ٤", "this is not a MEME file", "jaspar2meme"),
    meme("NUL in a name", "MOTIF m", "MOTIF m\0x", "line 5: it is not text", "a NUL byte"),
    meme("control letter in a name", "MOTIF m", "MOTIF m\x01", "line 5: a motif's name has the",
         "take it out"),
    Case("MEME binary", {"m.meme": BINARY}, {"motifs": "{dir}/m.meme"},
         ("{dir}/m.meme", "cannot be read")),
]  # fmt: skip


# ---- variants ----------------------------------------------------------------------------

VCF = (
    "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    "{chrom}\t{pos}\t.\tA\tG\t.\t.\t.\n"
)
TSV = "chrom\tpos_1based\tref\talt\n"


def variants(name: str, content: str | bytes, *says: str, file: str = "v.tsv", **more) -> Case:
    """Return the case of a file of variants."""
    step = {"path": f"{{dir}}/{file}"} | more
    return Case(f"variants {name}", {file: content}, {"steps": {"variants": step}}, says)


def vcf(chrom: str = "chrA", pos: str = "100") -> str:
    """Return a VCF of one variant."""
    return VCF.replace("{chrom}", chrom).replace("{pos}", pos)


BCF = gzip.compress(b"BCF\x02\x02" + struct.pack("<I", 40) + b"##fileformat=VCFv4.2\n")
READ, ROW = "{dir}/v.vcf: cannot be read as VCF or BCF after record 0", "{dir}/v.tsv, row 1: "
VARIANTS = [
    variants("of other names", vcf("A"), "{dir}/v.vcf: ",
             "Mend: set steps.variants.contig_aliases: {A: chrA}", file="v.vcf"),
    variants("of another genome", vcf("chr22"), "no contig of the variants (chr22) is in the",
             "use the genome that the variants", file="v.vcf"),
    variants("of another build", vcf(pos="102"), "{dir}/v.vcf: REF differs from the genome in 1 of",
             "use the genome that the variants were called on", file="v.vcf"),
    variants("that cannot be scored", TSV + "chrA\t101\tA\tG\nchrA\t4\tN\tG\nchrB\t5\tN\tG\n",
             "{dir}/v.tsv: 2 of 3 variants cannot be scored (2 not_acgt), more than the share "
             "steps.variants.max_dropped 0.5", "raise steps.variants.max_dropped"),
    variants("of position ٤", vcf(pos="٤"), READ, "bcftools view", file="v.vcf"),
    variants("of position 1_0", vcf(pos="1_0"), READ, "bcftools view", file="v.vcf"),
    variants("binary", BINARY, READ, "bcftools view", file="v.vcf"),
    variants("of an empty file", "", READ, "bcftools view", file="v.vcf"),
    variants("of a FASTA", FASTA, READ, "bcftools view", file="v.vcf"),
    variants("without rows", vcf().rsplit("{chrom}", 1)[0].rsplit("chrA", 1)[0],
             "{dir}/v.vcf: the file has", "no variants", file="v.vcf"),
    variants("of a zip", b"PK\x03\x04" + bytes(60), "{dir}/v.vcf.gz: cannot be read",
             "Not a gzipped file", file="v.vcf.gz"),
    variants("of a BCF that is cut off", BCF[:-12], "{dir}/v.bcf: cannot be read", "bcftools view",
             file="v.bcf"),
    variants("of a BCF with a bad header", BCF, "{dir}/v.bcf: cannot be read", "bcftools view",
             file="v.bcf"),
    variants("of a superscript", TSV + "chrA\t²\tA\tG\n", ROW, "'²' is not a whole number from 1"),
    variants("of Arabic digits", TSV + "chrA\t٤\tA\tG\n", ROW, "'٤' is not a whole number from 1"),
    variants("with too few cells", TSV + "chrA\t4\tA\n", ROW, "a cell for each column"),
    variants("with too many cells", TSV + "chrA\t4\tA\tG\tT\n", ROW, "complete the row"),
    variants("with a line end in a name", TSV + '"chrA\n"\t4\tA\tG\n', ROW, "take it out"),
    variants("with a column twice", TSV.replace("ref", "alt\tref") + "chrA\t4\tA\tC\tG\n",
             "{dir}/v.tsv: column 'alt'", "occurs twice"),
    variants("in UTF-16", (TSV + "chrA\t4\tA\tG\n").encode("utf-16"), "{dir}/v.tsv: the text is",
             "save it as UTF-8"),
]  # fmt: skip


# ---- bigWig ------------------------------------------------------------------------------


def bigwig(entries: Iterable[tuple[str, list[float]]], chroms: Iterable[str]) -> bytes:
    """Return a bigWig of values from base 100 of chromosomes of 10 kb."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.bw"
        with pyBigWig.open(str(path), "w") as file:
            file.addHeader([(name, 10_000) for name in chroms])
            for chrom, values in entries:
                file.addEntries(chrom, 100, values=values, span=1, step=1)
        return path.read_bytes()


def signal(name: str, content: str | bytes, *says: str, at: str = "parse") -> Case:
    """Return the case of a bigWig with which predictions are compared."""
    steps = {"predict": {"signal": {"ctcf": {"paths": ["{dir}/s.bw"]}}}}
    config = {"steps": steps | (ALL_OFF if at == "job" else {})}
    return Case(f"bigWig {name}", {"s.bw": content}, config, says, at)


RAMP = [float(i % 97) for i in range(3000)]
WHOLE = bigwig([("chrA", RAMP)], ["chrA", "chrB"])
TREE, DATA, INDEX = struct.unpack("<QQQ", WHOLE[8:32])
FLIPPED = WHOLE[: DATA + 200] + b"\xa5" * 60 + WHOLE[DATA + 260 :]
SOURCE = "compare its checksum with that of its source"
BIGWIGS = [
    signal("of a text", "chrA\t1\t2\t3\n", "{dir}/s.bw: is not a readable bigWig", SOURCE),
    signal("that is empty", "", "{dir}/s.bw: is not a readable bigWig", SOURCE),
    signal("that is cut off", WHOLE[: len(WHOLE) // 2], "{dir}/s.bw: is cut off", SOURCE),
    signal("cut off in its header", WHOLE[:50], "{dir}/s.bw: is cut off", SOURCE),
    signal("with a damaged header", WHOLE[:4] + b"\x99" + WHOLE[5:], "damaged header", SOURCE),
    signal("with a damaged list of chromosomes", WHOLE[:TREE] + b"\0\0" + WHOLE[TREE + 2 :],
           "{dir}/s.bw: has a damaged list", SOURCE),
    signal("with a damaged index", WHOLE[:INDEX] + b"\0" + WHOLE[INDEX + 1 :],
           "{dir}/s.bw: is cut off or damaged: an index", SOURCE),
    signal("that is a bigBed", struct.pack("<I", 0x8789F2EB) + bytes(90), "is a bigBed", SOURCE),
    signal("of NaN", bigwig([("chrA", [float("nan")] * 50)], ["chrA", "chrB"]),
           "{dir}/s.bw: has no value on any chromosome of the run", SOURCE),
    signal("of other names", bigwig([("A", RAMP)], ["A", "B"]),
           "has no chromosome 'chrA' (it has A, B", "(A is chrA, B is chrB)"),
    signal("without a value where the run looks", bigwig([("chrC", RAMP)], ["chrC", "chrA"]),
           "{dir}/s.bw: has no value on any chromosome of the run", SOURCE),
    signal("of flipped values", FLIPPED, "s.bw: ", SOURCE),
]  # fmt: skip


# ---- trainings ---------------------------------------------------------------------------


def training(name: str, files: dict[str, str | bytes], data: dict, *says: str) -> Case:
    """Return the case of a recipe whose files are bad."""
    split = {"by": "regions", "validation": ["chrB:0-300"], "test": ["chrB:300-600"]}
    recipe = {
        "split": split,
        "data": {"genome": "{dir}/g.fa", "window_bp": 100} | data,
        "module": "CNN" if data["kind"] == "peaks" else "BPNet",
        "task": "multilabel" if data["kind"] == "peaks" else "profile",
    }
    steps = ALL_OFF | {"predict": None, "train": {"models": {"t": recipe}}}
    config = {"models": {"ctcf_pu1": None}, "steps": steps}
    return Case(f"train {name}", {"g.fa": FASTA, "g.fa.fai": FAI} | files, config, says)


PARTS = {part: {"stretches": ["chrB"]} for part in ("train", "validation", "test")}
PEAKS = {"kind": "peaks", "peaks": {"ctcf": "{dir}/p.bed"}} | PARTS
SIGNAL = {"kind": "signal", "signal": ["{dir}/s.bw"], "peaks": "{dir}/p.bed", "output_bp": 50}
PEAK = {"p.bed": "chrA\t100\t200\n"}
TRAININGS = [
    training("peaks of other names", {"p.bed": "A\t1\t9\n"}, PEAKS, "none of its chromosomes (A)",
             "(A is chrA)"),
    training("peaks that are empty", {"p.bed": ""}, PEAKS, "{dir}/p.bed: the BED file has no rows",
             "or leave steps.train.models.t.data.peaks.ctcf out"),
    training("peaks with Arabic digits", {"p.bed": "chrA\t٥\t9\n"}, PEAKS,
             "{dir}/p.bed, line 1: start '٥'", "digits 0 to 9"),
    training("peaks of a profile of other names", {"p.bed": "A\t1\t9\n", "s.bw": WHOLE}, SIGNAL,
             "none of its chromosomes (A)", "(A is chrA)"),
    training("a genome with the index of another", PEAK | {"g.fa": FASTA[:-9]}, PEAKS, *STALE),
    training("a genome with a binary index", PEAK | {"g.fa.fai": BINARY}, PEAKS, "cannot be read",
             *NO_INDEX),
    training("signal that is cut off", PEAK | {"s.bw": WHOLE[: len(WHOLE) // 2]}, SIGNAL,
             "{dir}/s.bw: is cut off", SOURCE),
    training("signal of other names", PEAK | {"s.bw": bigwig([("A", RAMP)], ["A"])}, SIGNAL,
             "{dir}/s.bw: has no chromosome 'chrA'", "(A is chrA)"),
    training("matrices that are no MEME", PEAK | {"m.meme": "MEME\n"},
             PEAKS | {"matrices": "{dir}/m.meme"}, "{dir}/m.meme line 1", "is not a MEME file"),
    training("controls of NaN",
             PEAK | {"s.bw": WHOLE, "c.bw": bigwig([("chrA", [float("nan")] * 9)], ["chrA"])},
             SIGNAL | {"controls": ["{dir}/c.bw"]}, "{dir}/c.bw: has no value on any", SOURCE),
]  # fmt: skip


# ---- weights -----------------------------------------------------------------------------


def weights(name: str, value: float, *says: str) -> Case:
    """Return the case of the demo's weights with one number in place of another."""
    folder = ROOT / "workflow" / "resources" / "models"
    raw = (folder / "ctcf_pu1.safetensors").read_bytes()
    files = {
        "w.safetensors": raw[:-4] + struct.pack("<f", value),
        "m.yaml": (folder / "ctcf_pu1.yaml").read_text().replace("ctcf_pu1.saf", "w.saf"),
    }
    config = {"models": {"ctcf_pu1": None, "m": "{dir}/m.yaml"}, "steps": ALL_OFF}
    return Case(f"weights {name}", files, config, says, "job")


WEIGHTS = [
    weights("nan", float("nan"), "w.safetensors: ", "numbers that are NaN or infinite",
            "compare checksums"),
]  # fmt: skip

CASES = [
    *GENOMES, *SEQUENCES, N_REGIONS, *INTERVALS, *MOTIFS, *VARIANTS, *BIGWIGS, *TRAININGS, *WEIGHTS,
]  # fmt: skip
