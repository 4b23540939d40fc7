"""Contract 6: bad input fails before any job, with what is wrong, where, and how to mend it."""

import gzip
import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from support import demo_config

from cisweep.errors import CisweepError, stop_at_faults
from cisweep.plan.contents import step_checks
from cisweep.plan.contents.zero_shot import pair_chunks
from cisweep.plan.plan import Plan


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory of a run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(root: Path, changes: dict) -> Plan:
    """Return the checked plan of the demo's config with `changes` laid over it."""

    made = Plan.from_config(demo_config(**changes), root)
    made.check_inputs()
    return made


def test_the_default_config_is_sound(root, folder):
    assert plan(root, {}).chunks("ctcf_pu1") == ["c000000", "c000001"]


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        ({"sede": 3}, ["sede: unknown key (did you mean seed?)"]),
        ({"seed": "many"}, ["seed: Input should be a valid integer", "got 'many'"]),
        ({"run": "My Run"}, ["run: use letters, digits, _, - and . only", "got 'My Run'"]),
        (
            {"steps": {"predict": {"batch_sise": 3}}},
            ["predict.batch_sise: unknown key (did you mean batch_size?)"],
        ),
        ({"steps": {"prdict": {}}}, ["steps.prdict: unknown key (did you mean predict?)"]),
        ({"regions": {"edge": "cut"}}, ["regions.edge", "'drop' or 'pad'", "got 'cut'"]),
        ({"regions": {"chroms": "chr("}}, ["regions.chroms: not a regular expression"]),
        ({"regions": {"bed": "x.bed"}}, ["regions: give tile or bed, not both"]),
        ({"regions": {"tile": None}}, ["regions: give tile or bed"]),
        (
            {"genome": "hg38.fa"},
            ["genome: give a mapping of keys (fasta), got 'hg38.fa'"],
        ),
        (
            {"regions": "peaks.bed"},
            ["regions: give a mapping of keys (tile, bed, edge, ", "got 'peaks.bed'"],
        ),
        (
            {"steps": {"hits": True}},
            ["steps.hits: give a mapping of keys (over, motifs, threshold, ", "got True"],
        ),
        ({"genome": None}, ["genome: missing; give genome and regions, or sequences"]),
        ({"models": {"ctcf_pu1": None}}, ["models: at least one model is needed"]),
        ({"models": {"ctcf_pu1": "no.yaml"}}, ["models.ctcf_pu1 (no.yaml): no such file"]),
        ({"steps": {"select": {"fdr": None}}}, ["steps.select: give fdr, top_n or threshold"]),
        (
            {"steps": {"select": {"null_windows": 0}}},
            [
                "steps.select.fdr needs shuffled windows: set steps.select.null_windows above 0, "
                "or steps.select.fdr: null"
            ],
        ),
        ({"steps": {"attribute": None}}, ["steps.seqlets: needs the step attribute"]),
        (
            {"steps": {"attribute": None, "discover": {}}},
            ["steps.discover: needs the step attribute"],
        ),
        (
            {"steps": {"attribute": {"hypothetical": False}, "discover": {}}},
            [
                "steps.discover: needs the attributions of all four bases; "
                "set steps.attribute.hypothetical: true"
            ],
        ),
        ({"motifs": None}, ["motifs: missing; needed by seqlets, hits (a file in MEME format)"]),
        ({"steps": {"select": {"targets": ["gata1"]}}}, ["no model has the target 'gata1'", "pu1"]),
        (
            {"steps": {"zero_shot": {}}},
            ["no model of the run is a language model"],
        ),
        ({"chunk_bp": 300}, ["chunk_bp: 300 is less than twice the window of ctcf_pu1 (200 bp)"]),
        ({"device": "gpu"}, ["device: cpu, cuda or cuda:N", "got 'gpu'"]),
        (
            {"sede": 3, "seed": "many", "steps": {"hits": {"threshold": 2}}},
            ["3 fault(s)", "sede: unknown key", "seed: ", "steps.hits.threshold: ", "got 2"],
        ),
        (
            {"genome": {"fasta": "no.fa"}},
            ["genome.fasta: no such file no.fa", "Mend: correct the path"],
        ),
        ({"regions": {"chroms": "chr7"}}, ["no chromosome of the genome matches 'chr7'", "chr20"]),
        ({"motifs": "no.meme"}, ["motifs: no such file no.meme"]),
    ],
)
def test_config_faults_name_the_key(root, folder, changes, messages):
    with pytest.raises(CisweepError) as caught:
        plan(root, changes)
    for message in messages:
        assert message in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "module", "message"),
    [
        (
            {"steps": {"discover": {}}},
            "modiscolite",
            r"steps.discover: needs tf-modiscolite, .* pip install 'cisweep\[motifs\]', or make",
        ),
        (
            {"models": {"lm": "{workflow}/workflow/resources/yeast_lm/model.yaml"}},
            "transformers",
            r"models.lm: needs transformers, which is not installed. Mend: pip .*\[lm\]",
        ),
    ],
)
def test_a_missing_package_is_told(root, folder, monkeypatch, changes, module, message):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == module else find(n))
    with pytest.raises(CisweepError, match=message):
        plan(root, changes)


def test_missing_index_gives_the_samtools_command(root, folder, resources):
    with gzip.open(resources / "genome" / "chr20_0_1Mb.fa.gz", "rb") as source:
        (folder / "genome.fa").write_bytes(source.read())
    with pytest.raises(
        CisweepError, match=r"genome.fa.fai: the FASTA has no index. Mend: samtools"
    ):
        plan(root, {"genome": {"fasta": "genome.fa"}})
    assert not (folder / "genome.fa.fai").exists()  # nothing is written beside inputs


def test_gzip_instead_of_bgzip_is_told(root, folder, resources):
    shutil.copy(resources / "genome" / "chr20_0_1Mb.fa.gz", folder / "g.fa.gz")
    shutil.copy(resources / "genome" / "chr20_0_1Mb.fa.gz.fai", folder / "g.fa.gz.fai")
    with pytest.raises(CisweepError, match=r"no .gzi index. Mend: compress it with bgzip"):
        plan(root, {"genome": {"fasta": "g.fa.gz"}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr20\t500\t400\n", r"regions.bed, line 1: start 500 and end 400 of chr20 are not 0 <="),
        ("chr20\t1\t9\tx\t0\tplus\n", r"regions.bed, line 1: strand 'plus' \(column 6\) is not"),
        ("chr20\t100\t300\nchr20\tten\t400\n", r"regions.bed, line 2: start 'ten' is not a whole"),
        ("chr20\t-5\t400\n", r"line 1: start -5 and end 400"),
        ("chr20\t5\n", r"line 1: a BED row needs chrom, start, end; got 2 column"),
        ("", r"regions.bed: the BED file has no rows"),
        ("# a comment\ntrack name=x\n", r"the BED file has no rows"),
        ("20\t500\t700\n", r"no region lies on a chromosome of the genome \(for example '20'\)"),
        (
            "chr20\t100000\t100200\nchr20\t999990\t1000000\nchr7\t5\t9\n",
            r"2 of 3 regions are dropped \(off_chromosome_end 1, the first: line 2: a window of "
            r"200 bp leaves it; unknown_chromosome 1, .*\), more than max_dropped 0.5. Mend: "
            r"correct the regions or regions.chroms",
        ),
    ],
)
def test_bed_faults_name_file_and_line(root, folder, text, message):
    (folder / "regions.bed").write_text(text)
    with pytest.raises(CisweepError, match=message):
        plan(root, {"regions": {"tile": None, "bed": "regions.bed"}})


def test_missing_bed(root, folder):
    with pytest.raises(CisweepError, match=r"regions.bed: no such file no.bed"):
        plan(root, {"regions": {"tile": None, "bed": "no.bed"}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "motifs.meme"),
        ("MEME version 4\n\nMOTIF a\nletter-probability matrix: w= 3\n0.1 0.2\n", "line"),
    ],
)
def test_broken_motif_files(root, folder, text, message):
    (folder / "motifs.meme").write_text(text)
    with pytest.raises(CisweepError, match=message):
        plan(root, {"motifs": "motifs.meme"})


def test_absent_weights(root, folder, resources):
    text = (resources / "models" / "ctcf_pu1.yaml").read_text()
    (folder / "model.yaml").write_text(text)
    with pytest.raises(CisweepError, match=r"models.ctcf_pu1: no such file ctcf_pu1.safetensors"):
        plan(root, {"models": {"ctcf_pu1": "model.yaml"}})


def test_faults_of_the_model_config_name_its_file(root, folder, resources):
    text = (resources / "models" / "ctcf_pu1.yaml").read_text()
    (folder / "model.yaml").write_text(text.replace("scale: logit", "scale: logits"))
    with pytest.raises(CisweepError) as caught:
        plan(root, {"models": {"ctcf_pu1": "model.yaml"}})
    assert "models.ctcf_pu1 (model.yaml).targets.0.scale" in str(caught.value)
    assert "got 'logits'" in str(caught.value)


def test_results_that_cannot_be_written(root, folder):
    (folder / "results").write_text("a file where the folder should be")
    with pytest.raises(
        CisweepError, match=r"cannot write to .*results.*Mend: run snakemake in a folder"
    ):
        plan(root, {})


def test_the_command_line_shows_the_message_and_runs_no_job(root, tmp_path, snakemake):
    done = snakemake({"sede": 3, "seed": "many"}, tmp_path, check=False)
    assert done.returncode != 0
    assert "sede: unknown key" in done.stderr and "seed: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{"), "model.safetensors"),
        (None, r"reads|shape|size"),
    ],
)
def test_a_broken_model_stops_in_prepare(root, tmp_path, resources, snakemake, make, message):
    text = (resources / "models" / "ctcf_pu1.yaml").read_text()
    text = text.replace("weights: ctcf_pu1.safetensors", "weights: model.safetensors")
    if make is None:
        shutil.copy(resources / "models" / "ctcf_pu1.safetensors", tmp_path / "model.safetensors")
        text = text.replace("n_filters: 48", "n_filters: 32")
    else:
        make(tmp_path / "model.safetensors")
    (tmp_path / "model.yaml").write_text(text)
    settings = demo_config(models={"ctcf_pu1": "model.yaml"})
    done = snakemake(settings, tmp_path, "--keep-going", check=False)
    assert done.returncode != 0
    log = (tmp_path / "results/demo/logs/prepare/ctcf_pu1.log").read_text()
    assert "model.safetensors" in log
    assert "Error in rule prepare" in done.stderr
    assert not list(tmp_path.glob("results/demo/ctcf_pu1/chunks/*/*.h5"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"marginalize": {"motifs": ["CTCX"]}}, "no motif is called CTCX"),
        ({"space": {"pairs": [["CTCF", "MA0080.7"]]}}, "3 motifs are called CTCF: MA0139.2"),
        (
            {"space": {"pairs": [["MA0139.2", "MA0080.7"]], "distances": [0, 190]}},
            r"steps.space.distances: MA0139.2 and MA0080.7 at 190 bp take \d+ bp, and the window",
        ),
        (
            {"select": None, "ablate": {}},
            "steps.ablate: hits are ablated in regions, and the .* tiles",
        ),
    ],
)
def test_faults_of_experiments_are_told_before_any_job(root, folder, changes, message):
    with pytest.raises(CisweepError, match=message):
        stop_at_faults(step_checks(plan(root, {"steps": changes})))


def test_pairs_of_unequal_files_are_told_before_any_job(root, folder):
    (folder / "ref.fa").write_text(">a\nACGT\n>b\nACG\n")
    (folder / "alt.fa").write_text(">a\nACGA\n")
    model = {"models": {"lm": "{workflow}/workflow/resources/yeast_lm/model.yaml"}}
    steps = {"steps": {"zero_shot": {"pairs": [{"ref": "ref.fa", "alt": "alt.fa"}]}}}
    with pytest.raises(CisweepError, match=r"alt.fa: it has 1 records, and ref.fa has more"):
        pair_chunks(plan(root, model | steps))
