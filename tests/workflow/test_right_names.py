"""A run of yeast ChIP-exo peaks: what biology names stands first, in products and on the page."""

import re

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.slow

FACTORS = {"abf1": "ABF1", "reb1": "REB1", "rap1": "RAP1"}
PEAKS = 40
HELD_OUT = ["chrIV", "chrXVI"]


@pytest.fixture(scope="module")
def run(tmp_path_factory, shared_data, resources, snakemake):
    """The results of the shipped model on held-out peaks of its three factors."""
    folder = tmp_path_factory.mktemp("yeast")
    columns = ["chrom", "start", "end", "name"]
    peaks = []
    for name in FACTORS.values():
        bed = shared_data / "yeast/chipexo" / f"{name.capitalize()}.bed"
        table = pd.read_csv(bed, sep="\t", header=None, names=columns)
        peaks.append(table[table["chrom"].isin(HELD_OUT)].head(PEAKS))
    pd.concat(peaks).sort_values(["chrom", "start"]).to_csv(
        folder / "peaks.bed", sep="\t", header=False, index=False
    )
    config = {
        "run": "yeast",
        "genome": {"fasta": str(shared_data / "yeast/sacCer3.fa.gz")},
        "regions": {"bed": str(folder / "peaks.bed")},
        "models": {"chipexo": str(resources / "models/yeast_chipexo.yaml")},
        "motifs": str(shared_data / "jaspar/JASPAR2026_CORE_fungi_nr.meme"),
        "steps": {
            "attribute": {"n_references": 3},
            "seqlets": {"null_windows": 300},
            "hits": {},
            "report": {},
        },
    }
    snakemake(config, folder, timeout=3000)
    return folder / "results" / "yeast"


def table(run, name):
    return pd.read_csv(run / "chipexo" / name, sep="\t")


@pytest.mark.parametrize("target", FACTORS)
def test_each_factor_is_the_first_of_its_own_target(run, target):
    families = table(run, "motif_families.tsv")
    mine = families[families["target"] == target]
    assert mine["family"].iloc[0] == FACTORS[target] and mine["rank"].iloc[0] == 1
    assert mine["drives"].iloc[0] and mine["explained"].iloc[0] > 3 * mine["explained"].iloc[1]
    # No other factor is named without evidence.
    assert set(mine[mine["drives"]]["family"]) <= set(FACTORS.values())
    motifs = table(run, "motif_ranking.tsv")
    assert motifs[motifs["target"] == target]["name"].iloc[0] == FACTORS[target]


@pytest.mark.parametrize("target", FACTORS)
def test_most_seqlets_over_its_sites_have_its_name(run, target):
    seqlets = pd.read_parquet(run / "chipexo/seqlets.parquet")
    mine = seqlets[(seqlets["target"] == target) & (seqlets["sign"] == "+")]
    by = mine["family"].fillna(mine["motif"]).value_counts()
    assert by.index[0] == FACTORS[target] and by.iloc[0] >= 0.8 * by.sum() and by.iloc[0] > 15
    strongest = mine.nlargest(10, "attribution")["family"]
    assert (strongest == FACTORS[target]).sum() >= 9
    summary = table(run, "seqlet_summary.tsv")
    control = summary.loc[summary["target"] == target, "random_named"]
    # The rate, and 2.6 standard deviations of 400 spans and of 400 that it was taken from.
    assert (control <= 0.05 + 2.6 * np.sqrt(2 * 0.05 * 0.95 / 400)).all()


def test_the_first_screen_names_them(run):
    page = (run / "report.html").read_text()
    glance = re.search(r"Summary</h2><ul>(.*?)</ul>", page, re.S)[1]
    for target, name in FACTORS.items():
        assert re.search(rf">{name}( family \({name}[^)]*\))? drives {target} most", glance), glance
        # One row of it and one logo: the first of the target's table.
        part = page.split(f"Motif families by what they explain of {target}", 1)[1]
        assert re.search(r"<tbody>\s*<tr><td><b>([^<]+)", part)[1] == name
    assert "NSI1 drives" not in page and "NSI1 is the motif" not in page


def test_a_browser_shows_the_factors_where_they_bind(run):
    bed = pd.read_csv(run / "chipexo/hits.bed", sep="\t", header=None)
    strong = bed[bed[4] >= 500][3].value_counts(normalize=True)
    own = [f"{target}:{name}" for target, name in FACTORS.items()]
    assert strong.reindex(own).fillna(0).sum() > 0.9
    assert (np.diff(bed[bed[0] == "chrIV"][1]) > 0).all()
