"""The parts of single steps, from small products made by hand."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import yaml

from cisweep.config.targets import TargetConfig
from cisweep.contracts import Windows
from cisweep.outputs.designs import DESIGN_SCHEMA
from cisweep.outputs.predictions import PredictionWriter
from cisweep.outputs.tables import write_tsv
from cisweep.plan.plan import Plan
from cisweep.report.blocks import Section
from cisweep.report.sections import section_of
from cisweep.report.sections.attribute import _driving, _hit_spans, _seqlet_spans, apart
from cisweep.report.sections.hits import family_name
from cisweep.report.sections.select import given_selection
from cisweep.report.view import UNITS, Motifs, View, matrix_logo
from cisweep.steps import all_steps

RESOURCES = Path(__file__).resolve().parents[2] / "workflow" / "resources"

NEEDED = {
    "ablate": {"hits": {}},
    "seqlets": {"attribute": {}, "report": {}},
    "hits": {"report": {}},
    "discover": {"attribute": {"hypothetical": True}},
    "select": {"predict": {}},
}


def view(
    step: str,
    config: dict,
    scope: str | None,
    model: str = "models/ctcf_pu1.yaml",
    more: dict | None = None,
) -> View:
    data = {
        "run": "r",
        "genome": {"fasta": str(RESOURCES / "genome/chr20_0_1Mb.fa.gz")},
        "regions": {"tile": {"stride_bp": 1000}},
        "models": {"m": str(RESOURCES / model)},
        "motifs": str(RESOURCES / "motifs/JASPAR2026_CORE_vertebrates_nr.meme"),
        "steps": {step: config} | NEEDED.get(step, {}) | (more or {}),
    }
    plan = Plan.from_config(data, RESOURCES)
    return View(plan, all_steps()[step], scope, Motifs(None))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("m/figures", "design/figures", "train/net"):
        Path(f"results/r/{name}").mkdir(parents=True)
    return Path("results/r")


def figures(seen: View) -> None:
    for product in seen.products:
        if product.endswith((".svg", ".png")):
            (seen.folder / product).write_text("<svg/>")


def cells(section: Section) -> list[list[str]]:
    return [
        list(map(str, row)) for b in section.of_all(False) if b.kind == "table" for row in b.rows
    ]


def texts(section: Section) -> str:
    return " ".join(b.text for b in section.of_all(False) if b.kind == "note")


def test_every_scale_has_a_unit():
    assert set(UNITS) == set(get_args(TargetConfig.model_fields["scale"].annotation))


def variant_rows(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        {"chrom": "chr20", "start": i, "end": i + 1, "pos_1based": i + 1,
         "ref": "A" * (1 + 20 * (i == 0)), "alt": "C", "id": ".", "group": "g",
         "target": t, "scale": "logit",
         "prediction_ref": 1.0, "prediction_alt": 2.0, "delta": rng.normal() + 9 * (i == 0),
         "log2fc": np.nan, "delta_probability": 0.1, "active_allele_quantile": np.nan,
         "p_value": 0.5, "q_value": 0.5}
        for i in range(n)
        for t in ("ctcf", "pu1")
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_variants(folder):
    seen = view("variants", {"path": "x.vcf", "n_nulls": 2, "top_n": 0}, "m")
    table = variant_rows(30)
    table.to_parquet(folder / "m/variants.parquet")
    dropped = pd.DataFrame({"reason": ["star_allele", "star_allele", "duplicate"]})
    write_tsv(dropped, folder / "m/variants.dropped.tsv")
    figures(seen)
    section = section_of(seen)
    assert section.counts == [
        ("variants", 30, "with an effect on each target"),
        ("variants left out", 3, "star allele 2, duplicate 1"),
    ]
    rows = cells(section)
    assert len(rows) == 20  # ten of each target
    mine = table[table["target"] == "ctcf"]
    order = mine["delta"].abs().sort_values(ascending=False).index[:10]
    places = [f"chr20:{mine.loc[i, 'pos_1based']}" for i in order]
    assert [row[0].split()[0] for row in rows[:10]] == places
    assert rows[0][0] == "chr20:1 AAAAAAAAAAAA… (21 bp)>C"
    assert rows[0][1:4] == ["g", "1", "2"]  # no id, no fold, no activity: nothing has them
    assert len(rows[0]) == 8 and "2 draws a variant" in texts(section)
    assert "Of 30 variants, chr20:1" in section.headlines[0]
    (plot,) = [
        str(b.drawing)
        for b in section.of_all(False)
        if b.kind == "figure" and "points" in b.drawing
    ]
    assert plot.count("<circle") == 60 and plot.count("<svg") == 2  # all of them, a panel a target
    # One base of the first variant; the explorer shows 100 on both sides, within the chromosome.
    assert 'href="#chr20:1-101"' in plot and 'href="#chr20:1-130"' in plot
    assert "p 0.50, q 0.50" in plot and "sure" not in plot


def test_no_variant_has_an_effect(folder):
    seen = view("variants", {"path": "x.vcf"}, "m")
    variant_rows(0).reindex(columns=variant_rows(1).columns).to_parquet(
        folder / "m/variants.parquet"
    )
    write_tsv(pd.DataFrame({"reason": ["duplicate"]}), folder / "m/variants.dropped.tsv")
    section = section_of(seen)
    assert "No variant has an effect" in texts(section) and not section.headlines


def test_ablations(folder):
    rows = [
        {"motif": m, "name": m, "target": t, "n": n, "effect": e, "control": -0.5,
         "difference": e + 0.5, "difference_ci_low": e - 0.5, "difference_ci_high": e + 1.5,
         "p_value": q / 2, "q_value": q, "rank": r}
        for t, m, n, e, q, r in [
            ("ctcf", "D", 5, -4.0, 0.1, 1), ("ctcf", "A", 9, -5.0, 0.001, 2),
            ("ctcf", "B", 2, -9.0, 1, None), ("ctcf", "C", 9, 3.0, 0.01, 3),
            ("pu1", "A", 9, -3.0, 0.2, 1),
        ]
    ]  # fmt: skip
    pd.DataFrame(rows).to_parquet(folder / "m/ablate.parquet")
    section = section_of(view("ablate", {}, "m"))
    assert [row[0].count("<b>A") for row in cells(section)] == [0, 1, 0, 1]  # B has too few matches
    assert cells(section)[1][3:6] == ["−5", "−0.500", "−5.50 to −3.50"]
    assert section.headlines == [
        "Without its matches of A, ctcf falls most: −5 logit in the mean of 9 matches; without "
        "random spans −0.500 (q 0.0010)."
    ]
    assert "No motif's matches are worth more to pu1 than random spans are." in texts(section)


def test_seqlets_say_why_there_is_none(folder):
    columns = ["target", "motif", "motif_id", "sign", "start", "attribution", "name_p_value",
               "family", "family_rank"]  # fmt: skip
    pd.DataFrame(columns=columns).to_parquet(folder / "m/seqlets.parquet")
    rows = [
        {"target": t, "sign": s, "n_called": n, "n_decoys": d, "null_ratio": 20, "n_seqlets": 0,
         "lowest_rate": r, "n_named": 0, "random_named": None}
        for t, s, n, d, r in [
            ("ctcf", "+", 12, 300, 0.31), ("ctcf", "-", 8, 1200, 1.0), ("pu1", "+", 0, 0, None),
            ("pu1", "-", 0, 0, None),
        ]
    ]  # fmt: skip
    write_tsv(pd.DataFrame(rows), folder / "m/seqlet_summary.tsv")
    section = section_of(view("seqlets", {}, "m"))
    empty = [b.empty for b in section.of_all(False) if b.kind == "table"]
    assert empty == [
        "No seqlet passes a false discovery rate of 0.2: 20 spans stand out in the windows and "
        "1,500 in 20 times as much shuffled sequence, so the lowest rate that any threshold "
        "reaches is 0.31.",
        "No span stands out from the other bases of the windows, so none is a seqlet.",
    ]


def test_zero_shot(folder):
    step = {"pairs": [{"ref": "a.fa", "alt": "b.fa"}], "scores": ["l2"], "rank_edits": True}
    seen = view("zero_shot", step, "m", "yeast_lm/model.yaml")
    table = pd.DataFrame(
        {"name": ["a", "b"], "group": ["x", ""], "length_ref_bp": 33, "length_alt_bp": 30,
         "l2": [1.0, 2.0], "edit": ["3-base deletion", ""], "edit_rank": [14, 0], "edit_n": [31, 0]}
    )  # fmt: skip
    write_tsv(table, folder / "m/zero_shot.tsv")
    numbers = ["n_a", "n_b", "median_a", "median_b", "welch_p", "rank_sum_p", "cohens_d"]
    test = {"score": "l2", "group_a": "x", "group_b": "y", "sentence": "x lies farther than y."}
    tests = pd.DataFrame([test | dict.fromkeys([*numbers, "rank_biserial"], 1)])
    write_tsv(tests, folder / "m/zero_shot.tests.tsv")
    figures(seen)
    section = section_of(seen)
    assert section.headlines == ["x lies farther than y."]
    rows = cells(section)
    assert rows[1:] == [
        ["b", "", "33, 30", "2", "–"],
        ["a", "x", "33, 30", "1", "14 of 31 (3-base deletion)"],
    ]


def design_rows() -> pd.DataFrame:
    rows = []
    for i, reached in enumerate((True, False)):
        for method, role, target in (
            ("ledidi", "goal", "ctcf"), ("ledidi", "judge", "pu1"), ("random", "goal", "ctcf"),
        ):  # fmt: skip
            row = dict.fromkeys(DESIGN_SCHEMA.names, 0.0) | {
                "design": f"d{i}", "chrom": "chr20", "start": 100 * i, "end": 100 * i + 6,
                "strand": ".", "name": "", "goal": "up", "method": method, "model": "m",
                "target": target, "role": role, "kind": "value", "before": -1.0, "wanted": 5.0,
                "after": 6.0, "after_pruned": 5.5, "reached": reached and method == "ledidi",
                "n_edits": 4, "n_edits_pruned": 2, "fault": "",
                "hits_gained": "MA0139.2 CTCF, MA0080.7 Spi1", "hits_lost": "",
                "sequence_before": "ACGTAC", "sequence_after": "CCGTAA",
                "sequence_pruned": "CCGTAC", "edits": "", "off_distribution": i == 1,
                "curve_edits": [], "curve_predictions": [],
            }  # fmt: skip
            rows.append(row)
    return pd.DataFrame(rows)


def test_designs(folder):
    goal = {"model": "m", "target": "ctcf", "value": 5.0}
    seen = view("design", {"goals": {"up": [goal]}}, None)
    design_rows().to_parquet(folder / "design/designs.parquet")
    figures(seen)
    section = section_of(seen)
    assert section.headlines == [
        "1 of 2 designs reach their goals, with 2 edits in the median (of 4 proposed)."
    ]
    assert "1 design of 2 has an unusual composition" in texts(section)
    drawing = section.of_all(False)[2].drawing
    assert drawing.count("A1C") == 2 and "C6A" not in drawing  # pruned: it is not kept
    plot = str(section.of_all(False)[3].drawing)
    assert plot.count('href="#chr20:1-6"') == plot.count('href="#chr20:101-106"') == 2
    assert "d0" not in plot and "−1 before, 5.50 pruned, wanted 5, 2 edits" in plot
    assert plot.count("point sure") == 1 and "m pu1 (judge)" in plot  # d0 reaches its goal
    rows = cells(section)
    first = ["chr20:0", "up", "m ctcf", "−1", "value 5", "6", "5.50", "yes", "2 of 4"]
    assert rows[0][:9] == first and "CTCF, Spi1" in rows[0][9]
    assert rows[1][7] == "no"
    assert ["judge", "m", "pu1", "2", "−1", "5.50", "+6.50"] in rows
    assert ["ledidi", "m ctcf", "−1", "5.50", "1 of 2"] in rows
    assert ["random", "m ctcf", "−1", "5.50", "0 of 2"] in rows


def test_designs_that_all_failed(folder):
    seen = view("design", {"goals": {"up": [{"model": "m", "target": "ctcf", "value": 5.0}]}}, None)
    design_rows().assign(fault="no window").to_parquet(folder / "design/designs.parquet")
    section = section_of(seen)
    assert "There is no design" in texts(section) and not section.headlines


def test_training(folder):
    recipe = {"data": {"kind": "kmers", "k": 4}, "task": "regression", "module": "Linear"}
    seen = view("train", {"models": {"net": recipe}}, None)
    metrics = [
        {"fold": 0, "task": "score", "scorer": s, "metric": m, "value": v, "n": 1234}
        for s, m, v in (("model", "r2", 0.5), ("model", "pearson", 0.75), ("mean", "r2", 0.0))
    ]
    write_tsv(pd.DataFrame(metrics), folder / "train/net/metrics.tsv")
    write_tsv(pd.DataFrame({"reason": ["too_short"]}), folder / "train/net/dropped.tsv")
    spot = pd.DataFrame({"model": ["net"], "sequence": ["ACGT"], "score": [1.23456]})
    write_tsv(spot, folder / "train/spot_check.tsv")
    model = yaml.safe_load((RESOURCES / "models/ctcf_pu1.yaml").read_text())
    weak = {"metric": "pearson", "remarks": ["Pearson's r 0.02 is near 0"]}
    quality = {"remarks": ["epoch 1 of 35 was kept"], "targets": {"ctcf": weak}}
    text = yaml.safe_dump(model | {"quality": quality})
    (folder / "train/net/model.yaml").write_text(text)
    figures(seen)
    section = section_of(seen)
    assert section.headlines == [
        "net: epoch 1 of 35 was kept.",
        "net: target ctcf: Pearson's r 0.02 is near 0.",
        "net on held-out rows, R²: score 0.500.",
    ]
    assert "Warning: target ctcf: Pearson's r 0.02 is near 0." in texts(section)
    assert cells(section) == [
        ["model", "1,234", "0.750", "0.500"],
        ["mean", "1,234", "–", "0"],
        ["ACGT", "net", "1.235"],
    ]
    assert "1 row of the data was left out" in texts(section)


MEME = """MEME version 4

ALPHABET= ACGT

MOTIF pos_0 ACGT
letter-probability matrix: alength= 4 w= 2 nsites= 9 E= 0
1.0 0.0 0.0 0.0
0.0 1.0 0.0 0.0
"""


def test_discovered_motifs(folder):
    Path(folder / "m/discover").mkdir()
    seen = view("discover", {}, "m")
    figures(seen)
    columns = ["pattern", "sign", "n_seqlets", "consensus", "mean_attribution", "motif"]
    row = dict(zip(columns, ["pos_0", "-", 120, "AC", 2.5, "CTCF"]))
    row |= {"motif_id": "MA0139.2", "motif_strand": "-", "name_p_value": 0.01}
    nameless = row | {"n_seqlets": 90, "name_p_value": 0.4}
    nameless |= dict.fromkeys(["motif", "motif_id", "motif_strand"])
    for target, rows in (("ctcf", [row, nameless]), ("pu1", [])):
        table = pd.DataFrame(rows, columns=[*columns, "motif_id", "motif_strand", "name_p_value"])
        write_tsv(table, folder / f"m/discover/{target}.tsv")
        few = ["+", 90, 0, 0, 0, 0, "there are 90 positive seqlets, and more are needed"]
        some = ["-", 1300, 40, 1200, 120, len(rows), "" if rows else "nothing stands out"]
        kept = ["sign", "found", "repeated", "clustered", "in_motifs", "motifs", "note"]
        seqlets = pd.DataFrame([few, some], columns=kept)
        write_tsv(seqlets, folder / f"m/discover/{target}.seqlets.tsv")
        (folder / f"m/discover/{target}.meme").write_text(MEME if rows else "MEME version 4\n")
    section = section_of(seen)
    cell, without = cells(section)
    assert cell[:2] == ["pos_0", "−"] and "<svg" in cell[2]
    assert cell[3:6] == ["120", "+2.50", "CTCF (MA0139.2)"] and cell[7] == "0.010"
    assert without[3:] == ["90", "+2.50", "", "", "0.40"]
    assert section.headlines == [
        "The commonest motif found in the attributions of ctcf is most like CTCF (120 seqlets, "
        "p of the name 0.010)."
    ]
    captions = [b.caption for b in section.of_all(False) if b.kind == "table"]
    assert captions == [
        "2 motifs found in the attributions of ctcf",
        "0 motifs found in the attributions of pu1",
    ]
    told = [b.text for b in section.of_all(False) if b.kind == "note"][1:]
    few = "Positive motifs: none, since there are 90 positive seqlets, and more are needed. "
    assert told == [
        few + "Negative seqlets: 1,300 found (40 more in windows over the same places), 1,200 "
        "clustered, 120 of them in 2 motifs.",
        few + "Negative motifs: none, since nothing stands out.",
    ]


def test_seqlets_stand_by_family_in_the_order_of_the_ranking(folder):
    """Read back from a file, where a missing text is NaN."""
    columns = ["target", "motif", "motif_id", "sign", "start", "end", "attribution",
               "name_p_value", "q_value", "family", "family_rank"]  # fmt: skip
    rows = [
        ("pu1", "SPIB", "M1", "+", 5, 15, 2.0, 0.003, 0.1, "SPIB", 1.0),
        ("pu1", "ETV6", "M3", "+", 55, 65, 3.0, 0.005, 0.1, "SPIB", 1.0),
        ("pu1", "SPIB", "M1", "+", 75, 85, 4.0, 0.004, 0.1, "SPIB", 1.0),
        *[("pu1", "ZNF8", "M9", "+", i, i + 4, 1.0, 0.01, 0.1, "ZNF8", 7.0) for i in range(4)],
        *[
            ("pu1", "KLF", "M8", s, i, i + 4, -1.0, 0.01, 0.1, None, None)
            for i, s in enumerate("+-")
        ],
        ("pu1", None, None, "+", 25, 33, 1.0, 0.4, 0.1, None, None),
        ("pu1", None, None, "+", 45, 50, 1.5, 0.6, 0.2, None, None),
    ]
    pd.DataFrame(rows, columns=columns).to_parquet(folder / "m/seqlets.parquet")
    sums = ["target", "sign", "n_called", "n_decoys", "null_ratio", "n_seqlets", "lowest_rate",
            "n_named", "random_named"]  # fmt: skip
    write_tsv(pd.DataFrame([("ctcf", "+", 0, 0, 1, 0, None, 0, None),
                            ("pu1", "+", 9, 0, 1, 9, 0.1, 7, 0.0325)], columns=sums),
              folder / "m/seqlet_summary.tsv")  # fmt: skip
    section = section_of(view("seqlets", {}, "m"))
    found = cells(section)
    assert [(row[0], row[2], row[3]) for row in found] == [
        ("SPIB", "+", "3"), ("ZNF8", "+", "4"), ("none", "+", "2"), ("KLF", "+", "1"),
        ("KLF", "−", "1"),
    ]  # fmt: skip
    assert found[0][4:] == ["+3", "0.0040", "SPIB, ETV6"] and found[2][1] == found[2][6] == ""
    assert [b.caption for b in section.of_all(False) if b.kind == "table"][1] == (
        "11 seqlets of pu1, 9 with a name"
    )
    assert "Control: 3.2 % of random spans beside these seqlets" in texts(section)
    spans = _seqlet_spans(pd.read_parquet(folder / "m/seqlets.parquet"), "pu1")
    assert [s.label for s in spans][::9] == ["SPIB", "seqlet"]
    assert spans[9].title.endswith("named by no motif") and spans[0].title.endswith("named SPIB")
    assert _seqlet_spans(pd.DataFrame(), "pu1") == []


def test_regions_that_overlap_a_shown_one_are_not_shown():
    windows = Windows.build(
        ["c", "c", "c", "d", "c", "c"], [100, 130, 200, 130, 299, 0], [200, 230, 300, 230, 399, 100]
    )
    best_first = np.array([1, 0, 2, 3, 4, 5])
    assert apart(windows, best_first, 8) == [1, 3, 4, 5]
    assert apart(windows, best_first, 2) == [1, 3]
    assert apart(windows, np.array([0, 2, 1]), 8) == [0, 2]  # side by side


@pytest.mark.parametrize("names", [["a", "b"], ["", ""]])
def test_few_predictions_are_listed_with_their_names(folder, names):
    seen = view("predict", {}, "m")
    windows = Windows.build(["chr20"] * 2, [100, 500], [300, 700], name=names)
    values = np.array([[1.5, -2], [3, 4]], np.float32)
    with PredictionWriter(folder / "m/predictions.h5", windows, ["ctcf", "pu1"], {}) as writer:
        writer.append(windows, values, 0 * values, {})
    rows = cells(section_of(seen))
    assert [r[-2:] for r in rows] == [["1.50", "−2"], ["3", "4"]]
    assert [r[1:-2] for r in rows] == ([["a"], ["b"]] if names[0] else [[], []])


def test_a_known_motif_stands_on_the_strand_of_the_found_one(tmp_path):
    (tmp_path / "m.meme").write_text(MEME)
    motifs = Motifs(tmp_path / "m.meme")
    forward, turned = np.eye(4)[:, [0, 1]], np.eye(4)[:, [2, 3]]  # AC, GT
    assert motifs.logo("pos_0") == matrix_logo(forward, "logo of pos_0")
    assert motifs.logo("pos_0", "-") == matrix_logo(turned, "logo of pos_0, reverse complement")
    assert motifs.logo("none", "-") == ""


def ranked(folder, q_values: dict[str, list[float]]) -> None:
    """Write a ranking: target -> q-values of its families, the one that explains most first."""
    hits = {"motif": ["M0", "M1", "M9"], "best_pu1": [True, False, True]}
    pd.DataFrame(hits).to_parquet(folder / "m/hits.parquet")
    names = ["SPIB", "CTCF", "KLF4", "ZNF8"]
    rows = [
        {"target": t, "rank": i + 1, "family": names[i], "motif": f"M{i}", "n_places": 9,
         "members": "SPIB;SPI1;ETV6;ELF1;EHF" if i == 0 else names[i],
         "explained": 36.0 - 9 * i, "mean": 4.0 - i, "q_value": q,
         "drives": q <= 0.05, "lowers": False, "lowers_q_value": 0.9}
        for t, mine in q_values.items()
        for i, q in enumerate(mine)
    ]  # fmt: skip
    columns = ["target", "rank", "family", "motif", "members", "n_places", "explained", "mean",
               "q_value", "drives", "lowers", "lowers_q_value"]  # fmt: skip
    families = pd.DataFrame(rows, columns=columns)
    write_tsv(families, folder / "m/motif_families.tsv")
    motifs = families.rename(columns={"rank": "family_rank"})[["target", "family_rank", "motif"]]
    write_tsv(motifs, folder / "m/motif_ranking.tsv")


def test_the_headline_names_a_family_and_its_first_members(folder):
    seen = view("hits", {}, "m")
    ranked(folder, {"ctcf": [0.3, 0.01], "pu1": [0.01, 0.2, 0.03, 0.04]})
    section = section_of(seen)
    assert section.headlines == [
        "CTCF drives ctcf most: +3 logit per place, 9 places, q 0.010.",  # SPIB explains more
        "SPIB family (SPIB, SPI1, ETV6 and 2 more) drives pu1 most: +4 logit per place, 9 places, "
        "q 0.010.",
    ]
    assert [row[0].split("</b>")[0] for row in cells(section)][2:] == [
        "<b>SPIB", "<b>CTCF", "<b>KLF4", "<b>ZNF8",
    ]  # fmt: skip
    assert cells(section)[2][2:6] == ["9", "+4", "+36", "0.010"]


def test_a_family_has_the_name_that_a_classification_gives_it(folder, tmp_path):
    path = tmp_path / "families.tsv"
    path.write_text("motif\tclass\tfamily\nM0\tx\tEts-related\nCTCF\tx\tMore than 3 fingers\n")
    seen = replace(view("hits", {}, "m"), motifs=Motifs(None, path))
    ranked(folder, {"ctcf": [0.3, 0.01], "pu1": [0.01, 0.2]})
    section = section_of(seen)
    assert [line.split(" drives")[0] for line in section.headlines] == [
        "CTCF (More than 3 fingers)",  # by its name
        "Ets-related family (SPIB, SPI1, ETV6 and 2 more)",  # by the id of the first member
    ]
    assert cells(section)[0][0].endswith("<small>Ets-related</small>")
    row = pd.Series({"family": "A", "members": "A;B"})
    assert family_name(row, "Factors with fingers") == "Factors with fingers (A, B)"
    assert family_name(row) == "A family (A, B)"


def test_a_family_that_does_no_more_than_shuffled_motifs_is_no_driver(folder):
    seen = view("hits", {}, "m")
    ranked(folder, {"ctcf": [0.01], "pu1": [0.06, np.nan]})
    assert section_of(seen).headlines[1] == (
        "No motif is named as a driver of pu1: none contributes more than motifs with shuffled "
        "columns do (q above 0.05), or there are too few matches."
    )
    ranked(folder, {})
    assert section_of(seen).headlines[0].startswith("No motif is named as a driver of ctcf, pu1:")


def test_a_family_that_lowers_a_target_is_named_apart(folder):
    ranked(folder, {"ctcf": [0.01, 0.9, 0.9]})
    path = folder / "m/motif_families.tsv"
    table = pd.read_csv(path, sep="\t")
    table["lowers"] = table["family"].isin(["CTCF", "KLF4"])
    table["lowers_q_value"] = 0.02
    table["explained"], table["mean"] = [36.0, -9.0, -18.0], [4.0, -1.0, -2.0]
    write_tsv(table, path)
    section = section_of(view("hits", {}, "m"))
    assert section.headlines[:2] == [
        "SPIB family (SPIB, SPI1, ETV6 and 2 more) drives ctcf most: +4 logit per place, 9 places, "
        "q 0.010.",
        "KLF4 lowers ctcf most: −2 logit per place, 9 places, q 0.020.",  # it explains most
    ]
    assert [row[6] for row in cells(section)] == ["raises", "lowers", "lowers"]


def test_the_table_of_motifs_joins_what_other_steps_found(folder):
    """Families by rank: SPIB (M0, M7), CTCF (M1), KLF4 (M2), ZNF8 (M3)."""
    ranked(folder, {"pu1": [0.01, 0.2, 0.3, 0.4]})
    path = folder / "m/motif_ranking.tsv"
    ranking = pd.read_csv(path, sep="\t").assign(family=["SPIB", "CTCF", "KLF4", "ZNF8"])
    member = {"target": "pu1", "family_rank": 1, "motif": "M7", "family": "SPIB"}
    ranking = pd.concat([ranking.iloc[:1], pd.DataFrame([member]), ranking.iloc[1:]])
    write_tsv(ranking, path)
    seqlets = [("pu1", "M0", 2.0), ("pu1", "M7", 3.0), ("pu1", "M3", 1.0), ("ctcf", "M1", 1.0),
               ("pu1", None, 9.0)]  # fmt: skip
    columns = ["target", "motif_id", "attribution"]
    pd.DataFrame(seqlets, columns=columns).to_parquet(folder / "m/seqlets.parquet")
    Path(folder / "m/discover").mkdir()
    found = [("pos_0", 50, "M7", 0.01), ("pos_1", 30, "M0", 0.2), ("pos_2", 20, None, 0.9)]
    columns = ["pattern", "n_seqlets", "motif_id", "name_p_value"]
    for target, rows in (("pu1", found), ("ctcf", [])):
        write_tsv(pd.DataFrame(rows, columns=columns), folder / f"m/discover/{target}.tsv")
    put = [("M7", "SPI1", "pu1", 1.5), ("M1", "CTCF", "pu1", -0.5), ("M0", "SPIB", "ctcf", 9.0)]
    effects = pd.DataFrame(put, columns=["motif", "name", "target", "effect"])
    effects.assign(ci_low=1.0, ci_high=2.0).to_parquet(folder / "m/marginalize.parquet")
    lost = [
        ("M0", "SPIB", "pu1", -3.0, 1),
        ("M7", "SPI1", "pu1", -4.0, 2),
        ("M1", "C", "pu1", 1, None),
    ]
    columns = ["motif", "name", "target", "difference", "rank"]
    losses = pd.DataFrame(lost, columns=columns).assign(q_value=0.04)
    losses.to_parquet(folder / "m/ablate.parquet")
    on = {"attribute": {"hypothetical": True}, "seqlets": {}, "discover": {}, "marginalize": {},
          "ablate": {}, "report": {"top_motifs": 2}}  # fmt: skip
    table = [
        b for b in section_of(view("hits", {}, "m", more=on)).of_all(False) if b.kind == "table"
    ][1]
    assert [c.name for c in table.columns[6:]] == [
        "effect", "seqlets", "discovered", "put in", "taken out", "members",
    ]  # fmt: skip
    rows = [list(map(str, row)) for row in table.rows]
    # The first two families, and the fourth, of which there is a seqlet.
    assert [row[0].split("</b>")[0][3:] for row in rows] == ["SPIB", "CTCF", "ZNF8"]
    assert rows[0][6:11] == [
        "raises", "2 (+2.50)", "pos_0 and 1 more, 80 seqlets, p 0.010",
        "SPI1: +1.50 (+1 to +2)", "−3 (q 0.040)",
    ]  # fmt: skip
    assert rows[1][6:11] == ["", "–", "–", "−0.500 (+1 to +2)", "–"]  # too few matches to ablate
    assert rows[2][7] == "1 (+1)"
    assert [cell.value for cell in table.rows[0][2:6]] == [9, 4, 36, 0.01]
    assert [table.rows[0][k].value for k in (7, 8, 9, 10)] == [2, 80, 1.5, -3]
    assert table.file == "m.pu1.motifs.tsv"


def test_only_matches_of_driving_families_are_drawn(folder):
    ranked(folder, {"ctcf": [0.9], "pu1": [0.01, 0.2, 0.03]})
    seen = view("hits", {}, "m")
    assert _driving(seen, "pu1") == {"M0", "M2"} and _driving(seen, "ctcf") == set()
    assert _driving(view("attribute", {}, "m"), "pu1") == set()  # no hits were looked for
    hits = pd.DataFrame({
        "start": [1, 2, 3], "end": [5, 6, 7], "name": ["SPIB", "SPIB", "ZNF8"],
        "motif": ["M0", "M0", "M9"], "strand": "+", "p_value": 1e-5,
        "attribution_pu1": [2.0, 3.0, 4.0], "best_pu1": [True, False, True],
    })  # fmt: skip
    assert [(s.start, s.label) for s in _hit_spans(hits, "pu1", {"M0"})] == [(1, "SPIB")]
    assert _hit_spans(pd.DataFrame(), "pu1", {"M0"}) == []


def selected(folder, n_above: list[int], n_selected: list[int], **more) -> None:
    """Write peaks and their summary; lists: a number for ctcf, one for pu1."""
    rows = [
        {"chrom": "chr20", "start": 1000 * i, "end": 1000 * i + 200, "strand": ".", "target": t,
         "prediction": 9.0 - i, "p_value": 0.001, "q_value": 0.02 * (i + 1)}
        for t, n in zip(("ctcf", "pu1"), n_selected)
        for i in range(n)
    ]  # fmt: skip
    columns = ["chrom", "start", "end", "strand", "target", "prediction", "p_value", "q_value"]
    write_tsv(pd.DataFrame(rows, columns=columns), folder / "m/peaks.tsv")
    summary = pd.DataFrame(
        {"target": ["ctcf", "pu1"], "n_windows": 900, "n_maxima": 300, "n_null_windows": 9000,
         "n_null_maxima": 3000, "highest": 9.0, "smallest_q": [0.02, 0.34], "rate": 0.1,
         "n_above_chance": n_above, "n_needed": 1, "n_selected": n_selected,
         "fdr": [0.02 * n or np.nan for n in n_selected]}
    )  # fmt: skip
    write_tsv(summary.assign(**more), folder / "m/peaks_summary.tsv")


def test_peaks_with_their_rate(folder):
    seen = view("select", {}, "m")
    selected(folder, [3, 0], [3, 0])
    section = section_of(seen)
    row = cells(section)[0]
    assert row[:7] == ["ctcf", "3", "0.060", "3", "0.020", "9", "7"]
    assert row[7].startswith("chr20:1-200, chr20:1,001-1,200")
    assert cells(section)[1] == ["pu1", "0", "–", "0", "0.34", "–", "–", ""]
    assert section.counts[0][:2] == ("selected", 3)
    assert section.warnings == [
        "Nothing of pu1 is above chance: no prediction stands out from dinucleotide-shuffled "
        "sequence at a false discovery rate of 0.1 (smallest q 0.34)."
    ]
    assert section.headlines == [
        "ctcf: 3 predicted peaks at a false discovery rate of 0.060 against dinucleotide-shuffled "
        "sequence."
    ]
    assert "9,000 windows of shuffled" in texts(section) and "null_windows" not in texts(section)


def test_nothing_is_above_chance(folder):
    seen = view("select", {}, "m")
    selected(folder, [0, 0], [0, 0], n_needed=7)
    section = section_of(seen)
    assert section.warnings == [
        "Nothing is above chance: no prediction of ctcf, pu1 stands out from dinucleotide-shuffled "
        "sequence at a false discovery rate of 0.1 (smallest q 0.020)."
    ]
    assert not section.headlines and "at least 7 local maxima" in texts(section)


def test_peaks_that_were_chosen_without_a_rate(folder):
    seen = view("select", {"fdr": None, "top_n": 40}, "m")
    selected(folder, [3, 0], [40, 40])
    section = section_of(seen)
    assert "Up to 40 windows a target, the strongest, are shown all the same" in section.warnings[0]
    assert section.headlines == [
        "ctcf: 3 predictions above chance (false discovery rate 0.1 against dinucleotide-shuffled "
        "sequence). Of the 40 strongest, which are shown, 80 % are expected by chance."
    ]
    nothing = {"n_null_windows": 0, "smallest_q": np.nan, "fdr": np.nan, "n_above_chance": 0}
    selected(folder, [0, 0], [40, 40], **nothing)
    section = section_of(seen)
    assert section.headlines == [
        "The peaks (up to 40 a target) were chosen by prediction, with no rate."
    ]
    assert not section.warnings and "with no rate" in texts(section)


def test_statistics_of_selected_windows_say_so(folder):
    selected(folder, [3, 0], [3, 0])
    on = {"predict": {}, "attribute": {}, "select": {}}
    by_rate = given_selection(view("hits", {}, "m", more=on))
    assert "were selected by their prediction, and a share of them (up to 0.060)" in by_rate.text
    too = "shuffled sequence, selected in the same way, would have it too"
    assert by_rate.text.startswith("Given the selection") and too not in by_rate.text
    assert given_selection(view("marginalize", {}, "m", more=on)) is None
    assert given_selection(view("hits", {}, "m")) is None  # nothing was selected
    on["select"] = {"fdr": None, "top_n": 40}
    selected(folder, [3, 0], [40, 40])
    by_rank = given_selection(view("seqlets", {}, "m", more=on))
    assert "many of them are expected by chance (80 % of ctcf, 80 % of pu1)" in by_rank.text
    assert by_rank.text.startswith("Given the selection") and too in by_rank.text
    selected(folder, [0, 0], [40, 40], n_null_windows=0)
    assert "without a rate" in given_selection(view("ablate", {}, "m", more=on)).text
    selected(folder, [0, 0], [0, 0])
    assert given_selection(view("hits", {}, "m", more=on)) is None


def test_a_target_without_peaks_has_no_driver(folder):
    ranked(folder, {"ctcf": [0.01], "pu1": [0.01]})
    selected(folder, [3, 0], [3, 0])
    on = {"predict": {}, "attribute": {}, "select": {}}
    section = section_of(view("hits", {}, "m", more=on))
    first, second = section.headlines
    assert first.startswith("SPIB family (SPIB, SPI1, ETV6 and 2 more) drives ctcf most")
    assert second.startswith("No motif is named for pu1 for want of predicted peaks")
    assert [b.text for b in section.of_all(False) if b.kind == "heading"] == ["Target ctcf"]
