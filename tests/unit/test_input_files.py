"""Files that are not of a run's genome are told all at once; what may be meant is said."""

import re
from pathlib import Path

import pyBigWig
import pysam
import pytest

from cisweep.errors import CisweepError
from cisweep.plan import checks
from cisweep.plan.checks import checked_plan
from cisweep.plan.contents import step_notices
from cisweep.plan.plan import Plan

GENOME = "{workflow}/workflow/resources/genome/chr20_0_1Mb.fa.gz"
GOALS = {"up": [{"model": "ctcf_pu1", "target": "ctcf", "kind": "maximise"}]}


@pytest.fixture
def data(root, tmp_path, monkeypatch):
    """The function (blacklist, priors, steps) -> a config whose files stand in the folder."""
    monkeypatch.chdir(tmp_path)

    def write(name, text):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    def made(blacklist="chr20\t5\t9\n", priors="chr20\t5\t9\tA\t1\n", **steps):
        design = {"regions": write("d.bed", "chr20\t500000\t500200\tr\n"), "goals": GOALS}
        design["priors"] = write("p.tsv", priors)
        return {
            "run": "r",
            "genome": {"fasta": GENOME},
            "regions": {"tile": {"stride_bp": 100}, "blacklist": [write("b.bed", blacklist)]},
            "models": {"ctcf_pu1": "{workflow}/workflow/resources/models/ctcf_pu1.yaml"},
            "steps": {"predict": {}, "design": design} | steps,
        }

    return made


def test_sound_files_are_taken(data, root):
    assert step_notices(checked_plan(data(), root)) == []


def test_the_index_is_compared_where_regions_lie(data, root, tmp_path):
    """A wrong row of a contig that nothing reads stops no run; one of a swept contig does."""
    fasta = tmp_path / "g.fa"
    fasta.write_text(">chr20\n" + "ACGT" * 500 + "\n>chrUn\nACGT\n")
    Path(f"{fasta}.fai").write_text("chr20\t2000\t7\t2000\t2001\nchrUn\t9\t2015\t4\t5\n")
    (tmp_path / "r.bed").write_text("chr20\t1000\t1200\n")
    run = data(design=None) | {"genome": {"fasta": str(fasta)}}
    run["regions"] = {"bed": str(tmp_path / "r.bed"), "tile": None}
    assert checked_plan(run, root).swept_chroms() == ["chr20"]
    run["regions"] = {"tile": {"stride_bp": 100}, "chroms": "chr.*"}
    with pytest.raises(
        CisweepError, match="does not belong to the file .chrUn: the file has fewer than"
    ):
        checked_plan(run, root)


def test_all_files_are_told_at_once(data, root, tmp_path):
    with pyBigWig.open(str(tmp_path / "s.bw"), "w") as file:
        file.addHeader([("chr20", 1_000_000)])
        file.addEntries("chr20", 5, values=[float("nan")] * 9, span=1, step=1)
    (tmp_path / "v.vcf").write_text(
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        "20\t5\t.\tA\tG\t.\t.\t.\n"
    )
    steps = {
        "predict": {"signal": {"ctcf": {"paths": [str(tmp_path / "s.bw")]}}},
        "variants": {"path": str(tmp_path / "v.vcf")},
    }
    with pytest.raises(CisweepError) as error:
        checked_plan(data("20\t5\t9\n", "20\t5\t9\tA\t1\n", **steps), root)
    told = str(error.value)
    assert told.startswith("4 faults:")
    for part in (
        "b.bed: none of its chromosomes (20) is in the genome (chr20, …), so that "
        "regions.blacklist has no effect. Mend: rename its chromosomes as in the genome (20 is "
        "chr20)",
        "p.tsv: none of its chromosomes (20) is in the genome (chr20, …), so that "
        "steps.design.priors has no effect. Mend: rename its chromosomes as in the genome (20 is "
        "chr20)",
        "s.bw: has no value on any chromosome of the run",
        "v.vcf: the contigs of the variants and of the genome differ only by naming. Mend: set "
        "steps.variants.contig_aliases: {20: chr20}",
    ):
        assert told.count(part) == 1, told


def test_some_names_may_be_of_chromosomes_that_are_left_out(data, root):
    """A blacklist is that of a whole genome; priors are written by hand, so that a line says it."""
    both = data("chr1\t5\t9\nchr20\t5\t9\n", "20\t5\t9\tA\t1\nchr20\t5\t9\tA\t1\n")
    (notice,) = step_notices(checked_plan(both, root))
    assert notice.endswith(
        "p.tsv: 1 priors lie on chromosomes that the genome lacks (20) and have no effect; "
        "rename its chromosomes as in the genome (20 is chr20)"
    )


def test_notices_need_neither_design_nor_priors(data, root):
    config = data()
    config["steps"]["design"].pop("priors")
    assert step_notices(Plan.from_config(config, root)) == []
    config["steps"].pop("design")
    assert step_notices(Plan.from_config(config, root)) == []


@pytest.mark.parametrize("bgzip", [False, True])
def test_n_is_looked_at_where_it_costs_little(root, data, tmp_path, monkeypatch, bgzip):
    """Two of three windows of 200 bp are N; a read counts by itself too, at most as the file."""
    fasta = tmp_path / "g.fa"
    fasta.write_text(">chr20\n" + "ACGT" * 250 + "N" * 1000 + "\n")
    if bgzip:
        pysam.tabix_compress(str(fasta), f"{fasta}.gz")
        fasta = tmp_path / "g.fa.gz"
    pysam.faidx(str(fasta))
    (tmp_path / "r.bed").write_text("".join(f"chr20\t{s}\t{s + 9}\n" for s in (300, 1300, 1500)))
    run = data(design=None) | {"genome": {"fasta": str(fasta)}}
    run["regions"] = {"bed": str(tmp_path / "r.bed"), "tile": None}
    told = "regions of model ctcf_pu1: 2 of 3 regions are dropped (too_many_n 2, the first: 1.000 "
    bases = 3 * 200 + 2000
    monkeypatch.setattr(checks, "READ_BP", bases)
    with pytest.raises(CisweepError, match=re.escape(told)):
        checked_plan(run, root)
    run["regions"]["max_n"] = 1.0
    checked_plan(run, root)
    run["regions"]["max_n"] = 0.1
    monkeypatch.setattr(checks, "READ_BP", bases - 1)
    checked_plan(run, root)
