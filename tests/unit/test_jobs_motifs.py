"""Jobs of variants, marginalize, ablate, space, design and discover, without Snakemake.

Numbers are compared with the model computed by hand (conftest.py) or with what was planted.
"""

import json
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pysam
import pytest
from dense_attributions import write_chunk

from cisweep.analysis.motifs.discover import Pattern, trim
from cisweep.analysis.motifs.discovery_seqlets import SEQLET_COLUMNS
from cisweep.contracts import Windows
from cisweep.genome.fasta import tokens_of_text
from cisweep.genome.motifs import load_motifs
from cisweep.jobs import (
    ablate,
    backgrounds,
    design,
    discover,
    marginalize,
    space,
    variants,
    variants_logos,
)
from cisweep.outputs.experiments import read_backgrounds, write_experiment
from cisweep.outputs.tables import ParquetWriter, read_parquet
from cisweep.outputs.variants import effect_blocks
from cisweep.plan.contents.design import design_chunks
from cisweep.steps.design import FIGURES

OTHER = {"A": "C", "C": "A", "G": "T", "T": "G"}
TURN = str.maketrans("ACGTN", "TGCAN")


def consensus(motif) -> str:
    return "".join("ACGT"[i] for i in motif.pwm.argmax(axis=0))


# ---- variants --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scored(small_run, tmp_path_factory):
    """Two variants of c1, one of them in the planted site, one whose reference is wrong, and one
    of c2, through all jobs; (plan, folder)."""
    folder = tmp_path_factory.mktemp("variants")
    at = [("c1", 1005), ("c1", 1300), ("c2", 500)]
    rows = [f"{c}\t{p + 1}\t{small_run.text[c][p]}\t{OTHER[small_run.text[c][p]]}" for c, p in at]
    wrong = small_run.text["c1"][1500]
    rows.append(f"c1\t1501\t{OTHER[wrong]}\t{wrong}")
    (folder / "v.tsv").write_text("\n".join(["chrom\tpos_1based\tref\talt", *rows]) + "\n")
    step = {"path": str(folder / "v.tsv"), "top_n": 1, "n_nulls": 2}
    plan = small_run.plan(variants=step)
    unread, selected = folder / "unread.tsv", folder / "selected.parquet"
    variants.variants_select(small_run.of_run(plan), selected, unread)
    parts = []
    for chunk in ("c000000", "c000001"):
        of = small_run.of_chunk(plan, chunk)
        given = variants.ChunkVariants.read(of, selected)
        parts.append([folder / f"{chunk}.{end}" for end in ("parquet", "npz", "dropped.tsv")])
        variants.variants_chunk(of, given, "cpu", *parts[-1])
    names = ("v.out.tsv", "v.parquet", "v.vcf.gz", "v.vcf.gz.tbi", "dropped.tsv", "volcano.svg")
    out = variants.VariantProducts(*(folder / name for name in names))
    given = variants.VariantParts(*zip(*parts), unread)
    variants.variants(small_run.of_model(plan), given, out)
    return plan, folder


def test_effects_are_the_difference_of_the_two_alleles(small_run, scored):
    table = pd.read_csv(scored[1] / "v.out.tsv", sep="\t").set_index(["pos_1based", "target"])
    assert len(table) == 6
    for chrom, pos in (("c1", 1005), ("c1", 1300), ("c2", 500)):
        row = table.loc[(pos + 1, "ctcf")]
        assert (row["chrom"], row["start"], row["end"]) == (chrom, pos, pos + 1)
        start = pos - 100
        ref = small_run.bases(chrom, start, start + 200)
        alt = ref[: pos - start] + OTHER[ref[pos - start]] + ref[pos - start + 1 :]
        wanted = small_run.logits([ref, alt])
        for i, target in enumerate(("ctcf", "pu1")):
            found = table.loc[(pos + 1, target)]
            assert found["prediction_ref"] == pytest.approx(wanted[0, i], abs=1e-4)
            assert found["delta"] == pytest.approx(wanted[1, i] - wanted[0, i], abs=2e-4)
    # The base in the site's core matters most.
    assert table.xs("ctcf", level=1)["delta"].abs().idxmax() == 1006


def test_the_wide_table_has_a_row_a_variant(small_run, scored, tmp_path, monkeypatch):
    plan, folder = scored
    long = pd.read_csv(folder / "v.out.tsv", sep="\t")
    variants.variants_wide(small_run.of_model(plan), folder / "v.parquet", tmp_path / "w.tsv")
    wide = pd.read_csv(tmp_path / "w.tsv", sep="\t")
    assert wide.columns.tolist() == [
        "chrom", "start", "end", "pos_1based", "ref", "alt", "id", "group", "haplotype",
        "delta_ctcf", "q_value_ctcf", "delta_pu1", "q_value_pu1",
    ]  # fmt: skip
    for target in ("ctcf", "pu1"):
        mine = long[long["target"] == target]
        assert wide["pos_1based"].tolist() == mine["pos_1based"].tolist()
        for value in ("delta", "q_value"):
            assert wide[f"{value}_{target}"].tolist() == mine[value].tolist()


@pytest.mark.parametrize("n_targets", [1, 3, 7])
def test_rows_of_a_variant_stay_together(tmp_path, n_targets):
    """Whatever the row groups of the file; 65,536 is no multiple of most numbers of targets."""
    n = 20
    table = pd.DataFrame(
        {"pos_1based": np.repeat(np.arange(n), n_targets), "t": np.tile(range(n_targets), n)}
    )
    schema = pa.schema([("pos_1based", pa.int64()), ("t", pa.int64())])
    for name, rows in (("a", slice(0, 11 * n_targets)), ("b", slice(11 * n_targets, None))):
        with ParquetWriter(tmp_path / name, schema, {}, rows=5) as writer:
            writer.append(table[rows])
    found = list(effect_blocks([tmp_path / "a", tmp_path / "b"], n_targets))
    assert all(block["t"].tolist() == [*range(n_targets)] * (len(block) // n_targets)
               for block in found)  # fmt: skip
    both = pd.concat(found, ignore_index=True)
    assert both["pos"].tolist() == (table["pos_1based"] - 1).tolist()


def test_a_wrong_reference_is_dropped_with_its_reason(scored):
    _, folder = scored
    rows = (folder / "dropped.tsv").read_text().splitlines()
    assert len(rows) == 2 and "1500" in rows[1] and "ref" in rows[1].lower()
    with pysam.VariantFile(str(folder / "v.vcf.gz")) as file:
        assert [(r.chrom, r.pos) for r in file.fetch("c1")] == [("c1", 1006), ("c1", 1301)]


def test_without_variants_a_chunk_is_empty_and_no_device_is_asked_for(small_run, scored, tmp_path):
    plan, _ = scored
    out = [tmp_path / name for name in ("e.parquet", "e.npz", "e.tsv")]
    none = variants.ChunkVariants([], None)
    variants.variants_chunk(small_run.of_chunk(plan), none, "no such device", *out)
    assert read_parquet(out[0]).num_rows == 0 and np.load(out[1])["deltas"].shape[0] == 0


def test_variants_that_come_in_pieces_change_no_byte(small_run, scored, tmp_path, monkeypatch):
    plan, folder = scored
    of, sizes = small_run.of_chunk(plan, "c000000"), []
    given = variants.ChunkVariants.read(of, folder / "selected.parquet")
    out = [tmp_path / f"c000000.{end}" for end in ("parquet", "npz", "dropped.tsv")]
    monkeypatch.setattr(variants, "_SCORED", 1)
    whole = variants.one_based
    monkeypatch.setattr(
        variants, "one_based", lambda table: sizes.append(len(table)) or whole(table)
    )
    variants.variants_chunk(of, given, "cpu", *out)
    assert sizes == [2, 2]  # of each variant both targets
    for path in out:
        if path.suffix == ".npz":
            found, wanted = np.load(path), np.load(folder / path.name)
            assert all((found[k] == wanted[k]).all() for k in ("keys", "deltas"))
        else:
            assert path.read_bytes() == (folder / path.name).read_bytes()


def test_the_logo_shows_the_strongest_variant_and_the_hit_that_it_changes(
    small_run, scored, tmp_path
):
    plan, folder = scored
    counts = tmp_path / "counts.json"
    whole = "".join(small_run.text.values())
    pairs = [[whole.count(a + b) for b in "ACGT"] for a in "ACGT"]
    counts.write_text(json.dumps({b: whole.count(b) for b in "ACGTN"} | {"dinucleotides": pairs}))
    given = variants_logos.LogoInputs(folder / "v.parquet", folder / "selected.parquet", counts)
    out = {
        name: variants_logos.LogoProducts(tmp_path / f"{name}.svg", tmp_path / f"{name}.tsv")
        for name in ("ctcf", "pu1")
    }
    variants_logos.variants_logos(small_run.of_model(plan), given, "cpu", out)
    assert "c1:1,006" in out["ctcf"].logos.read_text() and out["pu1"].logos.is_file()
    table = pd.read_csv(out["ctcf"].hits, sep="\t")
    assert "CTCF" in set(table["name"]) and set(table["pos_1based"]) == {1006}


# ---- experiments -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def motifs(small_run):
    return {m.alt: m for m in load_motifs(small_run.folder / "motifs.meme")}


@pytest.fixture(scope="module")
def experiments(small_run, motifs):
    ctcf, spi = motifs["CTCF"].name, motifs["Spi1"].name
    background = {"backgrounds": "shuffled", "n_backgrounds": 6, "batch_size": 8}
    space = {"pairs": [[ctcf, spi]], "distances": [4], "orientations": ["+-"]}
    ablate = {"n_shuffles": 4, "n_controls": 2, "max_hits": 2, "min_hits": 2}
    steps = {"predict": {}, "select": {}, "hits": {}, "marginalize": background, "ablate": ablate}
    return small_run.plan(**steps, space=background | space)


def text_of(tokens) -> str:
    return "".join("ACGTN"[t] for t in tokens)


def backgrounds_of(small_run, plan, experiment, path):
    backgrounds.experiment_backgrounds(small_run.of_model(plan), experiment, None, "cpu", path)
    windows, tokens, before = read_backgrounds(path)
    texts = [text_of(row) for row in tokens]
    np.testing.assert_allclose(before, small_run.logits(texts), atol=1e-4)
    for chrom, start, end, text in zip(windows.chrom, windows.start, windows.end, texts):
        assert sorted(text) == sorted(small_run.bases(chrom, start, end))  # it is a shuffle
    return texts, before


def test_marginal_effects_are_those_of_a_consensus_in_the_middle(
    small_run, experiments, motifs, tmp_path
):
    texts, before = backgrounds_of(small_run, experiments, "marginalize", tmp_path / "b.npz")
    part = tmp_path / "m.parquet"
    of = small_run.of_chunk(experiments)
    marginalize.marginalize_chunk(of, tmp_path / "b.npz", "cpu", part)
    out = tmp_path / "t.parquet", tmp_path / "t.svg"
    marginalize.marginalize([part], {"seed": 0}, *out)
    table = read_parquet(out[0]).to_pandas().set_index(["name", "target"])
    for name, motif in motifs.items():
        word = consensus(motif)
        start = 100 - len(word) // 2
        after = small_run.logits([t[:start] + word + t[start + len(word) :] for t in texts])
        for i, target in enumerate(("ctcf", "pu1")):
            wanted = (after - before)[:, i].mean()
            assert table.loc[(name, target), "effect"] == pytest.approx(wanted, abs=1e-3)
    assert table.loc[("CTCF", "ctcf"), "rank"] == 1 and out[1].read_text().startswith("<")


def test_the_effect_of_a_pair_is_that_of_both_words(small_run, experiments, motifs, tmp_path):
    texts, before = backgrounds_of(small_run, experiments, "space", tmp_path / "b.npz")
    part = tmp_path / "s.parquet"
    space.space_chunk(small_run.of_chunk(experiments), tmp_path / "b.npz", "cpu", part)
    out = tmp_path / "t.parquet", tmp_path / "t.svg"
    space.space(small_run.of_model(experiments), [part], *out)
    row = read_parquet(out[0]).to_pandas().set_index("target").loc["ctcf"]
    left, right = (consensus(motifs[name]) for name in ("CTCF", "Spi1"))
    right = right.translate(TURN)[::-1]
    start = (200 - len(left) - len(right) - 4) // 2
    second = start + len(left) + 4
    both = [
        t[:start] + left + t[start + len(left) : second] + right + t[second + len(right) :]
        for t in texts
    ]
    assert row["distance_bp"] == 4 and row["orientation"] == "+-"
    wanted = (small_run.logits(both) - before)[:, 0].mean()
    assert row["effect"] == pytest.approx(wanted, abs=1e-3)


def test_the_planted_hits_are_chosen_and_their_loss_lowers_the_prediction(
    small_run, experiments, motifs, tmp_path
):
    hits = pd.DataFrame(
        {
            "chrom": ["c1", "c1", "c2"],
            "start": [1000, 2700, 900],  # the second lies in no peak
            "strand": ["+", "+", "-"],
            "motif": motifs["CTCF"].name,
            "name": "CTCF",
            "p_value": [1e-9, 1e-8, 1e-9],
        }
    )
    write_experiment(hits.assign(end=hits["start"] + 19), tmp_path / "hits.parquet", {})
    selected, peaks = tmp_path / "selected.parquet", tmp_path / "peaks.bed"
    peaks.write_text("c1\t920\t1120\tctcf\t1\t.\nc2\t820\t1020\tctcf\t1\t.\n")
    of = small_run.of_model(experiments)
    ablate.ablate_select(of, tmp_path / "hits.parquet", peaks, selected)
    parts, sizes = [], []
    for chunk in ("c000000", "c000001"):
        own = small_run.of_chunk(experiments, chunk)
        chosen = ablate.ChosenHits.read(own, selected)
        sizes.append(len(chosen))
        parts.append(tmp_path / f"{chunk}.parquet")
        ablate.ablate_chunk(own, chosen, "cpu", parts[-1])
    assert sizes == [1, 1]
    out = [tmp_path / name for name in ("a.hits.parquet", "a.parquet", "a.svg")]
    ablate.ablate(of, parts, *out)
    rows = read_parquet(out[0]).to_pandas()
    assert set(rows["chrom"]) == {"c1", "c2"}
    mine = rows[rows["target"] == "ctcf"]
    assert (mine["effect"] < -1).all() and mine["start"].tolist() == [1000, 900]
    empty = ablate.ChosenHits(chosen.hits[:0], chosen.windows.take(slice(0)), chosen.spans[:0])
    ablate.ablate_chunk(own, empty, "no such device", tmp_path / "none.parquet")
    assert read_parquet(tmp_path / "none.parquet").num_rows == 0


# ---- design ----------------------------------------------------------------------------------


def test_designs_are_predicted_as_they_are_and_their_edits_are_a_vcf(small_run, tmp_path):
    (tmp_path / "r.bed").write_text("c2\t300\t500\tr\n")
    step = {
        "regions": str(tmp_path / "r.bed"),
        "goals": {"up": [{"model": "m", "target": "ctcf", "kind": "maximise"}]},
        "max_iter": 6, "samples": 4, "n_references": 2, "baselines": [], "swaps": 0,
    }  # fmt: skip
    plan = small_run.plan(design=step)
    of, (chunk,) = small_run.of_run(plan), design_chunks(plan)
    part = tmp_path / "d.parquet", tmp_path / "d.h5"
    design.design_chunk(of, chunk, "cpu", *part)
    names = ("table", "history", "fasta", "vcf.gz", "vcf.gz.tbi", "dropped")
    out = design.DesignProducts(*(tmp_path / f"all.{name}" for name in names))
    figures = {f"{name}.svg": tmp_path / f"tmp.{name}.svg" for name in FIGURES}
    design.design(of, part[:1], part[1:], out, figures)
    row = read_parquet(out.table).to_pandas().iloc[0]
    texts = [row["sequence_before"], row["sequence_after"]]
    assert texts[0] == small_run.bases("c2", 300, 500)
    wanted = small_run.logits(texts)[:, 0]
    assert [row["before"], row["after"]] == pytest.approx(wanted, abs=1e-3)
    edits = [300 + i for i, (a, b) in enumerate(zip(*texts)) if a != b]
    with pysam.VariantFile(str(out.vcf)) as file:
        assert [r.start for r in file] == edits
    assert "".join(out.fasta.read_text().splitlines()[1:]) == row["sequence_pruned"]
    assert all(path.read_text().startswith("<") for path in figures.values())


# ---- discover --------------------------------------------------------------------------------


def test_discovered_motifs_are_named_by_the_motif_file(small_run, motifs, tmp_path, monkeypatch):
    """tf-modiscolite itself is tested elsewhere: here it gives the matrix of a known motif."""
    plan = small_run.plan(attribute={"save_bp": 200}, discover={"window_bp": 40})
    windows = Windows.build(["c1"] * 3, [0, 300, 900], [200, 500, 1100])
    texts = [small_run.bases("c1", s, s + 200) for s in windows.start]
    tokens = np.stack([tokens_of_text(t) for t in texts])
    rng = np.random.default_rng(0)
    bases, scalar = rng.normal(size=(2, 3, 4, 200)), np.zeros((2, 3), np.float32)
    flat = np.zeros((2, 3, 200), np.float32)
    found = SimpleNamespace(
        projected=flat, sd=flat, fold_sd=flat, hypothetical=bases, deltas=scalar, dy=scalar
    )
    write_chunk(tmp_path / "a.h5", windows, tokens, ["ctcf", "pu1"], found, 200, {})
    pwm = motifs["CTCF"].pwm

    def fake(one_hot, hypothetical, path, options, rows, chosen):
        assert options.window_bp == 40 and one_hot.shape == (3, 4, options.read_bp)
        middle = (200 - options.read_bp) // 2
        for row, x, values in zip(rows, one_hot, hypothetical):
            text = "".join("ACGT"[i] for i in x.argmax(axis=0))
            assert text == texts[row][middle : 200 - middle]
            wanted = bases[0, row, :, middle : 200 - middle]
            np.testing.assert_allclose(values, wanted, atol=3e-3 * np.abs(bases).max())
        with h5py.File(path, "w") as file:
            own = file.create_group("pos_patterns/pattern_0/seqlets")
            for key, value in zip(
                ("example_idx", "start", "end", "is_revcomp"), (1, 40, 40 + pwm.shape[1], 0)
            ):
                own[key] = np.array([value])
        row = ["positive", 30, 0, 30, 30, 1, 3, 1.5, 0.5, ""]
        seqlets = pd.DataFrame([row], columns=SEQLET_COLUMNS)
        return SimpleNamespace(
            patterns=[Pattern("pos_patterns.pattern_0", "+", 30, pwm, pwm, pwm)], seqlets=seqlets
        )

    monkeypatch.setattr(discover, "discover_motifs", fake)
    names = ("d.h5", "d.seqlets.tsv", "d.meme", "d.tsv", "d.svg", "d.parquet", "d.bed")
    out = discover.DiscoverProducts(*(tmp_path / name for name in names))
    discover.discover(small_run.of_model(plan), tmp_path / "a.h5", {"ctcf": out})
    row = pd.read_csv(out.table, sep="\t").iloc[0]
    assert row["motif"] == "CTCF" and row["n_seqlets"] == 30
    (again,) = load_motifs(out.meme)
    assert consensus(again) in consensus(motifs["CTCF"])
    assert "30 seqlets" in out.figure.read_text()
    # Of 200 bp the central 120 were read: the motif's seqlet lies 40 behind 40.
    place = read_parquet(out.instances).to_pandas().iloc[0]
    kept = trim(Pattern("", "+", 30, pwm, pwm, pwm))
    at = 300 + 40 + 40 + kept.start
    stop = 300 + 40 + 40 + min(kept.stop, pwm.shape[1])
    assert (place["chrom"], place["start"], place["end"]) == ("c1", at, stop)
    (line,) = out.bed.read_text().splitlines()
    assert line.split("\t")[1:] == [str(at), str(stop), "pos_patterns.pattern_0:CTCF", "1000", "+"]
    with h5py.File(tmp_path / "a.h5") as file:
        assert len(file["tokens"]) == 3
