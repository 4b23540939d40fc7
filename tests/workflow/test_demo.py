"""The demo, end to end, on real human DNA: biology, page, products."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import h5py
import numpy as np
import pandas as pd
import pyBigWig
import pysam
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from support import demo_config

from cisweep.analysis.motifs.discover import (
    DiscoveryOptions,
    discover_motifs,
    found_table,
    read_patterns,
)
from cisweep.genome.motifs import Motif, load_motifs
from cisweep.outputs.attributions import read_hypothetical

pytestmark = pytest.mark.slow

TURN = str.maketrans("ACGT", "TGCA")
ETS = {"SPI1", "Spi1", "SPIB", "SPIC", "ETV6", "ETV7", "ELF1", "ELF2", "ELF3", "EHF", "Elf5"}


@pytest.fixture(scope="module")
def strongest(demo, tmp_path_factory, snakemake):
    """The demo's strongest windows whatever their rate, with experiments of its motifs: what the
    model has learnt. Made on top of a copy of the demo's results."""
    pytest.importorskip("modiscolite")
    steps = {
        "select": {"fdr": None, "top_n": 150},
        "marginalize": {"n_backgrounds": 20},
        "discover": {},
    }
    folder = tmp_path_factory.mktemp("strongest") / "run"
    for name in (".snakemake", "results/demo"):
        shutil.copytree(demo.parent.parent / name, folder / name)
    snakemake(demo_config(steps=steps), folder, timeout=1200)
    return folder / "results" / "demo" / "ctcf_pu1"


def ranking(folder, target, table="motif_families"):
    ranked = pd.read_csv(folder / f"{table}.tsv", sep="\t")
    return ranked[(ranked["target"] == target) & ranked["q_value"].notna()]


def test_predicted_peaks_stand_above_shuffled_sequence(demo):
    """Few sites of a megabase do, and none of PU.1: the page says so before all else."""
    peaks = pd.read_csv(demo / "ctcf_pu1" / "peaks.tsv", sep="\t")
    summary = pd.read_csv(demo / "ctcf_pu1" / "peaks_summary.tsv", sep="\t").set_index("target")
    assert set(peaks["target"]) == {"ctcf"} and 4 <= len(peaks) <= 14
    assert (peaks["q_value"] <= 0.1).all() and (peaks["p_value"] < 1e-3).all()
    assert (summary["n_null_windows"] > 9 * summary["n_windows"]).all()
    assert summary.loc["pu1", "n_selected"] == 0 and summary.loc["pu1", "smallest_q"] > 0.1
    hits = pd.read_parquet(demo / "ctcf_pu1" / "hits.parquet")
    sites = hits[hits["name"] == "CTCF"]
    for peak in peaks.itertuples():  # each has the motif
        assert ((sites["start"] >= peak.start) & (sites["end"] <= peak.end)).any(), peak
    first = re.search(r"Summary</h2><ul>\s*<li[^>]*>([^<]*)", (demo / "report.html").read_text())
    assert first[1].startswith("Nothing of pu1 is above chance")


def test_without_evidence_nothing_is_named(demo):
    """Seven windows, of CTCF: its sites have its name, and PU.1 has none."""
    model = demo / "ctcf_pu1"
    families = pd.read_csv(model / "motif_families.tsv", sep="\t")
    assert families[families["drives"]][["target", "family"]].values.tolist() == [["ctcf", "CTCF"]]
    seqlets = pd.read_parquet(model / "seqlets.parquet")
    assert set(seqlets["motif"].dropna()) == {"CTCF"} and seqlets["motif"].notna().mean() > 0.8
    page = (demo / "report.html").read_text()
    assert "CTCF drives ctcf most" in page and "No motif is named for pu1" in page
    assert "drives pu1" not in page and "they explain of pu1" not in page
    bed = pd.read_csv(model / "hits.bed", sep="\t", header=None)
    assert set(bed[bed[4] > 200][3]) == {"ctcf:CTCF"} and len(bed) < 150


def test_ctcf_is_the_first_family_of_ctcf(demo, strongest):
    for folder in (demo / "ctcf_pu1", strongest):
        first = ranking(folder, "ctcf").iloc[0]
        assert first["family"] == "CTCF" and first["drives"] and first["rank"] == 1
        # It explains more than all others together, and its members come first.
        assert first["explained"] > ranking(folder, "ctcf")["explained"].iloc[1:].clip(0).sum()
        assert (ranking(folder, "ctcf", "motif_ranking")["name"].iloc[:3] == "CTCF").all()


def test_spi1_and_spib_lead_the_first_family_of_pu1(strongest):
    first = ranking(strongest, "pu1").iloc[0]
    members = first["members"].upper().split(";")
    assert first["drives"] and {"SPI1", "SPIB"} < set(members[:3]) <= {m.upper() for m in ETS}
    motifs = ranking(strongest, "pu1", "motif_ranking")
    assert motifs["name"].iloc[:3].tolist() == first["members"].split(";")[:3]
    assert motifs["explained"].iloc[:3].is_monotonic_decreasing
    page = (strongest.parent / "report.html").read_text()
    assert f"{first['family']} family ({', '.join(first['members'].split(';')[:3])}" in page


def test_the_first_motifs_stand_above_their_copies_and_few_others_do(strongest):
    table = pd.read_csv(strongest / "motif_ranking.tsv", sep="\t")
    above = table[table["q_value"] < 0.05].groupby("target")["name"].agg(set)
    assert above["ctcf"] == {"CTCF"} and {"Spi1", "SPIB", "SPIC", "ETV6"} <= above["pu1"]
    # By chance 5 %; a tenth is room for ETS factors and for what reads like CTCF.
    assert (table["p_value"].dropna() < 0.05).mean() < 0.15


def test_seqlets_have_the_names_of_the_matches_over_them(strongest):
    """Of strong sites most are named, and by nothing else; where no match lies, few are."""
    seqlets = pd.read_parquet(strongest / "seqlets.parquet")
    hits = pd.read_parquet(strongest / "hits.parquet")
    summary = pd.read_csv(strongest / "seqlet_summary.tsv", sep="\t")
    up = seqlets[seqlets["sign"] == "+"]
    for target, family in (("ctcf", "CTCF"), ("pu1", "SPIB")):
        first = ranking(strongest, target).iloc[0]
        motifs = ranking(strongest, target, "motif_ranking")
        mine = motifs[motifs["family_rank"] == 1]["motif"]
        sites = hits[hits[f"best_{target}"] & hits["motif"].isin(mine)]
        called = up[up["target"] == target]
        over = np.array([
            ((sites["chrom"] == s.chrom) & (sites["start"] <= s.start) & (sites["end"] >= s.end))
            .any() for s in called.itertuples()
        ])  # fmt: skip
        assert first["family"] == family and over.sum() > 50
        named = called[over]
        assert (named["family"] == family).mean() > 0.9 and (named["name_by"] == "hit").mean() > 0.9
        common = named["motif"].value_counts().index[:3].str.upper()
        assert set(common) & ({"CTCF"} if target == "ctcf" else {"SPI1", "SPIB"})
        assert (summary.loc[summary["target"] == target, "random_named"] <= 0.08).all()


def test_a_browser_shows_one_hit_a_place(strongest):
    bed = pd.read_csv(strongest / "hits.bed", sep="\t", header=None)
    start, end = bed[1].to_numpy(), bed[2].to_numpy()
    assert (start[1:] >= end[:-1]).all() and set(bed[0]) == {"chr20"}
    assert bed[4].between(0, 1000).all() and bed[4].max() == 1000
    assert len(bed) < 0.25 * len(pd.read_parquet(strongest / "hits.parquet"))
    strong = bed[bed[4] >= 500][3]
    assert strong.str.upper().isin({"CTCF:CTCF"} | {f"PU1:{n.upper()}" for n in ETS}).mean() > 0.9


def test_the_strongest_windows_are_told_from_what_is_above_chance(demo, strongest):
    summary = pd.read_csv(strongest / "peaks_summary.tsv", sep="\t").set_index("target")
    usual = pd.read_csv(demo / "ctcf_pu1" / "peaks_summary.tsv", sep="\t").set_index("target")
    # Of 150 a target at most 14 stand above chance, so that most of them are expected by chance.
    assert (summary["n_selected"] == 150).all() and (summary["fdr"] > 0.5).all()
    assert summary["n_above_chance"].equals(usual["n_above_chance"])
    html = (strongest.parent / "report.html").read_text()
    assert "Nothing of pu1 is above chance" in html and "Given the selection" in html
    assert "are shown all the same" in html and "are expected by chance" in html


def test_marginal_effects_rank_ctcf_and_ets_first(strongest):
    table = pd.read_parquet(strongest / "marginalize.parquet")
    first = table[table["rank"] == 1].set_index("target")["name"]
    assert first["ctcf"] == "CTCF" and first["pu1"] in ETS
    assert (table["n"] == 20).all() and len(table) == 2 * 1019


@pytest.mark.parametrize(("target", "names"), [("ctcf", {"CTCF", "CTCFL"}), ("pu1", ETS)])
@pytest.mark.parametrize("window_bp", [61, 100, 120])
def test_short_windows_find_it_too_or_say_why_not(
    strongest, tmp_path, resources, window_bp, target, names
):
    path = strongest / "attributions.h5"
    options = DiscoveryOptions(window_bp=window_bp)
    with h5py.File(path) as file:
        rows = np.arange(len(file["tokens"]))
    one_hot, hypothetical = read_hypothetical(path, target, rows, options.read_bp)
    found = discover_motifs(one_hot, hypothetical, tmp_path / "m.h5", options)
    up = found.seqlets.iloc[0]
    if up["found"] <= options.min_seqlets:
        assert window_bp == 61 and f"there are {up['found']} positive seqlets" in up["note"]
        return
    known = load_motifs(resources / "motifs" / "JASPAR2026_CORE_vertebrates_nr.meme")
    best = found_table(found.patterns, known, one_hot).iloc[0]
    assert best["n_seqlets"] > 50
    assert set(best["nearest_motifs"].replace(":", ";").split(";")) & names


@pytest.mark.parametrize(
    ("target", "site", "names"),
    # A or G stands in the middle: MA0139.1 (TGGCCACCAGGGGGCGCTA) has G on this strand.
    [("ctcf", "CC[ACGT]CT[AG]GTGGC", {"CTCF", "CTCFL"}), ("pu1", "AAAGAGGAAGTG", ETS)],
)
def test_motif_discovery_finds_what_the_model_has_learnt(strongest, resources, target, site, names):
    table = pd.read_csv(strongest / "discover" / f"{target}.tsv", sep="\t")
    best = table.iloc[0]
    assert best["sign"] == "+" and best["n_seqlets"] > 50
    assert set(best["nearest_motifs"].replace(":", ";").split(";")) & names
    assert best["motif_q_value"] < 1e-4 and best["name_p_value"] <= 0.05
    whole = read_patterns(strongest / "discover" / f"{target}.modisco.h5")[0]
    motif = Motif(whole.name, "", whole.probabilities)
    both = (motif.consensus, motif.reverse_complement().consensus)
    assert any(re.search(site, text) for text in both), both
    assert (strongest / "figures" / f"discover.{target}.svg").stat().st_size > 10_000
    written = load_motifs(strongest / "discover" / f"{target}.meme")
    assert [m.name for m in written] == table["pattern"].tolist()
    places = pd.read_parquet(strongest / "discover" / f"{target}.instances.parquet")
    counts = places["pattern"].value_counts()
    assert counts.to_dict() == table.set_index("pattern")["n_seqlets"].to_dict()
    # What lies at the places is the motif: the site's core, on the strand that is told.
    genome = pysam.FastaFile(str(resources / "genome" / "chr20_0_1Mb.fa.gz"))
    mine = places[places["pattern"] == best["pattern"]]
    words = [genome.fetch(r.chrom, r.start, r.end).upper() for r in mine.itertuples()]
    turned = [w if s == "+" else w.translate(TURN)[::-1] for w, s in zip(words, mine["strand"])]
    shares = np.array([[w[i] == c for i, c in enumerate(written[0].consensus)] for w in turned])
    sharp = written[0].pwm.max(axis=0) > 0.9
    assert sharp.sum() >= 3 and shares[:, sharp].mean() > 0.9


def test_the_clusters_of_both_targets_say_who_uses_which(strongest):
    folder = strongest.parent / "motif_clusters"
    clusters = pd.read_csv(folder / "clusters.tsv", sep="\t")
    uses = pd.read_csv(folder / "targets.tsv", sep="\t").merge(clusters, on="cluster")
    first = uses.sort_values("share", ascending=False).groupby("target").first()
    # CTCF and PU.1 have no motif in common, and each explains much of its target.
    assert set(first["motif"]) & {"CTCF", "CTCFL"} and set(first["motif"]) & ETS
    assert (first["share"] > 0.2).all() and (first["q_value"] < 0.01).all()
    assert (first["n_targets"] == 1).all()
    assert "motif_clusters/figures/clusters.svg" in (strongest.parent / "report.html").read_text()


def test_regions_add_up_and_every_dropped_one_has_a_reason(demo):
    dropped = pd.read_csv(demo / "dropped_regions.tsv", sep="\t")
    with h5py.File(demo / "ctcf_pu1" / "predictions.h5") as file:
        n = file["regions/start"].shape[0]
    assert n + len(dropped) == 9_999  # tiles whose centre lies in the 1,000,000 bases
    assert dropped["reason"].notna().all() and set(dropped["step"]) == {"predict"}


def test_attributions_add_up(demo):
    summary = pd.read_csv(demo / "ctcf_pu1" / "attribution_summary.tsv", sep="\t")
    assert (summary["max_delta_share"] <= 1e-4).all() and len(summary) == 2


def test_tracks_agree_with_the_arrays(demo):
    model = demo / "ctcf_pu1"
    with (
        h5py.File(model / "predictions.h5") as file,
        pyBigWig.open(str(model / "tracks/ctcf.pred.bw")) as track,
    ):
        assert track.chroms() == {"chr20": 1_000_000}
        row = 4321
        centre = int(file["regions/start"][row]) + 100
        want = file["predictions/ctcf"][row]
        np.testing.assert_allclose(track.values("chr20", centre, centre + 1), [want], rtol=1e-6)


def test_the_page_says_it_all_and_needs_no_internet(demo):
    html = (demo / "report.html").read_text()
    for part in (
        "What was run", "Motif families by what they explain of ctcf", "seqlets of ctcf",
        "Run time", "too many N", "MA0139.2", "predict_chunk", "Summary", "Methods",
        "drives ctcf most",
    ):  # fmt: skip
        assert part in html, part
    for outside in ("<script src", "<link", "@import", "url(http"):
        assert outside not in html


def test_provenance_names_model_and_versions(demo):
    note = json.loads((demo / "provenance.json").read_text())
    assert len(note["models"]["ctcf_pu1"]["model_sha256"]) == 64
    assert note["seed"] == 0 and note["cisweep_version"] and note["packages"]["torch"]
    with h5py.File(demo / "ctcf_pu1" / "attributions.h5") as file:
        assert file.attrs["model_sha256"] == note["models"]["ctcf_pu1"]["model_sha256"]
        assert file.attrs["seed"] == 0 and file.attrs["settings"]


def test_the_export_is_what_tf_modiscolite_reads(strongest):
    with h5py.File(strongest / "export" / "ctcf.shap.h5") as file:
        one_hot, shap = file["raw/seq"][:], file["shap/seq"][:]
        projected = file["projected_shap/seq"][:]
    regions = (strongest / "export" / "ctcf.narrowPeak").read_text().splitlines()
    # 150 a target; a window that both targets select is stored once.
    assert one_hot.shape == shap.shape == (len(regions), 4, 200) and 290 <= len(regions) <= 300
    with h5py.File(strongest / "attributions.h5") as file:
        stored = file["attributions/ctcf"][:]
    # The export has half precision, 11 bits, scaled by each region: 5e-4, with room for the scale.
    np.testing.assert_allclose(
        projected.astype(float).sum(1), stored, atol=2e-3 * np.abs(stored).max()
    )
    modiscolite = pytest.importorskip("modiscolite")
    track = modiscolite.core.TrackSet(
        one_hot=one_hot.transpose(0, 2, 1), contrib_scores=projected.transpose(0, 2, 1),
        hypothetical_contribs=shap.transpose(0, 2, 1),
    )  # fmt: skip
    assert track.length == 200


def test_a_genome_browser_finds_all_tracks(demo):
    session = ElementTree.parse(demo / "browser" / "igv.xml").getroot()
    assert (demo / "browser" / session.get("genome")).resolve().is_file()
    shown = [demo / "browser" / resource.get("path") for resource in session.iter("Resource")]
    assert len(shown) == 7 and all(path.is_file() for path in shown)
    assert session.get("locus").startswith("chr20:")


def test_every_link_of_the_page_leads_somewhere(demo):
    # Without the explorer's libraries, whose code holds links too.
    html = re.sub(r"<script.*?</script>", "", (demo / "report.html").read_text(), flags=re.S)
    ids = set(re.findall(r'id="([^"]+)"', html))
    links = set(re.findall(r'href="([^"]+)"', html)) - {f"#cs-{b}" for b in "ACGT"}
    assert len(links) > 20
    for link in links:
        assert link[1:] in ids if link.startswith("#") else (demo / link).is_file(), link


@pytest.mark.browser
def test_the_page_shows_in_a_browser(demo, has_chromium, tmp_path):
    picture = tmp_path / "page.png"
    subprocess.run(
        [has_chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
         "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1100,3000",
         f"--screenshot={picture}", (demo / "report.html").as_uri()],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    assert picture.stat().st_size > 100_000  # letters and bars, not a blank page
