"""Names in files that others made are text in every product and page: nothing of them is run, no
path follows them, and they stand there letter by letter."""

import html
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import h5py
import pandas as pd
import pysam
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from support import STEPS, config, products

pytestmark = pytest.mark.slow

TAG = "<script>window.owned=1</script>"
NAMES = {  # in which no format allows white space, but for targets
    "contig": [f"../../up;touch$IFS$PWD/owned&{TAG}", "c'\"`{x}%s\\n__import__('os')é"],
    "region": [
        f"r1\"'{TAG}",
        "../../owned;$(touch owned)",
        "{wildcards.x}é中",
        "=cmd|'/C calc'!A1",
    ],
    "motif": [f"M1{TAG}", "../../owned", "M3'\";$(touch${IFS}owned)", "M4é{x}&amp;"],
    "variant": [f"v1{TAG}", "../../owned", "v3'\"$(touch${IFS}owned)"],
    "target": [f"../../owned;$(touch owned), {{x}} $\\frac$ é中{TAG}", "'\"`*~2f |&"],
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, resources):
    """A genome, regions, motifs and variants whose names are those above; the files' folder."""
    folder = tmp_path_factory.mktemp("hostile") / "inputs"
    folder.mkdir()
    source = pysam.FastaFile(str(resources / "genome" / "chr20_0_1Mb.fa.gz"))
    with open(folder / "genome.fa", "w") as handle:
        for i, name in enumerate(NAMES["contig"]):
            handle.write(
                f">{name}\n{source.fetch('chr20', 250_000 + 8000 * i, 258_000 + 8000 * i)}\n"
            )
    pysam.faidx(str(folder / "genome.fa"))
    rows = [
        f"{contig}\t{1000 + 700 * j}\t{1400 + 700 * j}\t{name}\t0\t+\n"
        for contig in NAMES["contig"]
        for j, name in enumerate(NAMES["region"])
    ]
    (folder / "regions.bed").write_text("".join(rows))
    text = (resources / "motifs" / "JASPAR2026_CORE_vertebrates_nr.meme").read_text()
    header, *motifs = text.split("MOTIF ")
    wanted = [m for m in motifs if m.split()[1] in ("CTCF", "SPI1", "KLF4", "NRF1")]
    renamed = [
        f"MOTIF {new} {new}\n" + motif.split("\n", 1)[1]
        for new, motif in zip(NAMES["motif"], wanted)
    ]
    assert len(renamed) == 4
    (folder / "motifs.meme").write_text(header + "".join(renamed))
    table = "chrom\tpos_1based\tref\talt\tid\tgroup\n"
    for j, name in enumerate(NAMES["variant"]):
        ref = source.fetch("chr20", 250_000 + 1200 + 700 * j, 250_001 + 1200 + 700 * j).upper()
        alt = "A" if ref != "A" else "C"
        table += f"{NAMES['contig'][0]}\t{1201 + 700 * j}\t{ref}\t{alt}\t{name}\tg{TAG}\n"
    (folder / "variants.tsv").write_text(table)
    model = yaml.safe_load((resources / "models" / "ctcf_pu1.yaml").read_text())
    for target, name in zip(model["targets"], NAMES["target"]):
        target["name"] = name
    model["quality"]["targets"] = dict(zip(NAMES["target"], model["quality"]["targets"].values()))
    model["folds"][0]["weights"] = str(resources / "models" / "ctcf_pu1.safetensors")
    (folder / "model.yaml").write_text(yaml.safe_dump(model, allow_unicode=True))
    return folder


@pytest.fixture(scope="module")
def run(hostile, snakemake):
    """The folder of a run over these files."""
    folder = hostile.parent / "run"
    steps = STEPS | {
        "select": {"fdr": None, "top_n": 4},
        "seqlets": {"fdr": 0.5},
        "variants": {"path": str(hostile / "variants.tsv"), "n_nulls": 2},
        "report": {"hub": {"assembly": "hg38", "email": "a@b.c"}},
    }
    given = {"bed": str(hostile / "regions.bed")}
    models = {"ctcf_pu1": str(hostile / "model.yaml")}
    snakemake(config(hostile / "genome.fa", regions=given, steps=steps, models=models), folder)
    return folder


class Page(HTMLParser):
    """The elements of a page and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.handlers, self.words = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.handlers += [name for name, _ in attributes if name.startswith("on")]

    def handle_data(self, data):
        (self.scripts if self.tags and self.tags[-1] == "script" else self.words).append(data)

    def handle_endtag(self, tag):
        self.tags.append(f"/{tag}")


def test_the_page_shows_names_as_text(run):
    text = (run / "results" / "small" / "report.html").read_text()
    page = Page(text)
    # Its own two scripts alone: with such chromosomes it has no explorer.
    tables, folds = page.scripts
    assert "Tables of the page" in tables and "Folded parts" in folds and not page.handlers
    assert "no explorer of tracks" in text
    assert "window.owned" in " ".join(page.words)
    assert html.escape(TAG) in text
    assert TAG not in text.replace(html.escape(TAG), "")


def test_no_file_was_made_outside_the_run(run, hostile):
    made = {p.name for p in run.parent.rglob("*")} | {p.name for p in run.parent.parent.iterdir()}
    assert "owned" not in made and not any(name.startswith("up") for name in made)
    assert {p.name for p in hostile.iterdir()} == {
        "genome.fa", "genome.fa.fai", "regions.bed", "motifs.meme", "variants.tsv",
        "model.yaml",
    }  # fmt: skip
    assert {p.name for p in run.iterdir()} <= {"results", ".snakemake", "overlay.yaml"}


@pytest.mark.parametrize("suffix", [".svg", ".xml", ".html", ".txt"])
def test_what_a_browser_opens_holds_no_element_of_a_name(run, suffix):
    for path in (run / "results" / name for name in products(run)):
        if path.suffix == suffix:
            assert TAG not in path.read_text(), path
    if suffix == ".xml":
        session = ElementTree.parse(run / "results" / "small" / "browser" / "igv.xml").getroot()
        assert session.get("locus").rsplit(":", 1)[0] in NAMES["contig"]


def texts(path):
    """Return the cells of a table, or the names of the windows of an HDF5 file."""
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            return set(file["regions/name"].asstr()[:]) | set(file["regions/chrom"].asstr()[:])
    if path.suffix == ".parquet":
        return set(map(str, pd.read_parquet(path).astype(str).to_numpy().ravel()))
    return {cell for line in path.read_text().split("\n") for cell in line.split("\t")}


def test_names_stand_letter_by_letter(run):
    found = {
        name: texts(run / "results" / name)
        for name in map(str, products(run))
        if name.endswith((".parquet", ".tsv", ".bed", "predictions.h5"))
    }
    every = set().union(*found.values())
    for kind, names in NAMES.items():
        for name in names:
            shown = {name, f"{name} {name}"}
            assert shown & every, (kind, name)
    # And no name was broken over lines or cells: each table is still one.
    for name, cells in found.items():
        if name.endswith(".tsv"):
            table = pd.read_csv(run / "results" / name, sep="\t", quoting=3)
            assert not table.index.has_duplicates and cells, name
