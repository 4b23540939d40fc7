"""Jobs of prepare, predict, select, attribute, ism, seqlets and hits, without Snakemake.

Numbers are compared with the model computed by hand (conftest.py) or with what was planted.
"""

import hashlib
import json
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pyBigWig
import pytest
from dense_attributions import write_chunk

from cisweep.analysis.seqlets.fdr import Tally, merge_tallies
from cisweep.contracts import Windows
from cisweep.errors import AttributionError, RegionError
from cisweep.genome.fasta import tokens_of_text
from cisweep.jobs import attribute, hits, ism, predict, prepare, select, seqlets
from cisweep.outputs.pairs import merge_pairs
from cisweep.outputs.peaks import read_null
from cisweep.outputs.tables import read_parquet

CHUNKS = ["c000000", "c000001"]
STEPS = {
    "predict": {"batch_size": 16},
    "select": {"fdr": None, "top_n": 1, "null_windows": 40},
    "attribute": {
        "references": "uniform",
        "n_references": 1,
        "batch_size": 8,
        "targets": "all",
    },  # fmt: skip
    "seqlets": {"fdr": 0.2, "null_windows": 60},
    "hits": {"threshold": 1e-4, "null_copies": 2},
    "ism": {"top_n": 1, "top_figures": 1},
}


SITES = {"c1": [1000, 300, 620, 1640, 2030], "c2": [900, 310, 1450]}
"""Where attributions are planted, CTCF's first: at an FDR of 0.2 more than five are needed."""


@pytest.fixture(scope="module")
def plan(small_run):
    return small_run.plan(**STEPS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sweep")


@pytest.fixture(scope="module")
def predictions(small_run, plan, folder):
    """The merged predictions; the chunks' files stand beside it."""
    parts = [folder / f"predict.{chunk}.h5" for chunk in CHUNKS]
    for chunk, path in zip(CHUNKS, parts):
        of = small_run.of_chunk(plan, chunk)
        predict.predict_chunk(of, "cpu", path, folder / f"{chunk}.dropped.tsv")
    predict.predict(parts, {"seed": 0}, folder / "predictions.h5")
    return folder / "predictions.h5"


@pytest.fixture(scope="module")
def peaks(small_run, plan, predictions, folder):
    """peaks.bed of the best place of each target."""
    nulls = [folder / "null.npz"]
    chunk = next(iter(select.NullStretches(plan, "m").chunks))
    select.select_null_chunk(small_run.of_chunk(plan, chunk), "cpu", nulls[0])
    out = [folder / name for name in ("peaks.bed", "peaks.tsv", "peaks_summary.tsv")]
    select.select_peaks(small_run.of_model(plan), predictions, nulls, *out)
    return out[0]


@pytest.fixture(scope="module")
def attributions(small_run, plan, folder):
    """The attributions of each chunk: of all windows, so that a null can be drawn."""
    parts = [folder / f"attribute.{chunk}.h5" for chunk in CHUNKS]
    for chunk, path in zip(CHUNKS, parts):
        of = small_run.of_chunk(plan, chunk)
        found = attribute.attribute_windows_of(of, None)
        attribute.attribute_chunk(of, found, "cpu", path, folder / f"a.{chunk}.dropped.tsv")
    return parts


@pytest.fixture(scope="module")
def base_counts(small_run, plan, folder):
    hits.hits_background(small_run.of_run(plan), folder / "base_counts.json")
    return folder / "base_counts.json"


def windows_by_hand(small_run):
    """Return (chrom, start) of the tiles with at most 20 N, and of those with more."""
    tiles = [(c, s) for c, text in small_run.text.items() for s in range(0, len(text) - 199, 100)]
    few = [small_run.bases(c, s, s + 200).count("N") <= 20 for c, s in tiles]
    return [t for t, ok in zip(tiles, few) if ok], [t for t, ok in zip(tiles, few) if not ok]


def test_prepare_notes_the_model_and_returns_its_hash(small_run, plan, tmp_path, root):
    sha256 = prepare.prepare(small_run.of_model(plan), tmp_path / "prepared.json")
    note = json.loads((tmp_path / "prepared.json").read_text())
    assert note["model_sha256"] == sha256 and note["targets"] == ["ctcf", "pu1"]
    weights = (root / "workflow/resources/models/ctcf_pu1.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() in json.dumps(note["files"])


def test_predictions_are_the_models_by_hand(small_run, predictions):
    kept, _ = windows_by_hand(small_run)
    with h5py.File(predictions) as file:
        chrom = file["regions/chrom"].asstr()[:]
        assert list(zip(chrom, file["regions/start"][:])) == kept
        found = np.stack([file[f"predictions/{t}"][:] for t in ("ctcf", "pu1")], axis=1)
        assert file.attrs["seed"] == 0 and not file["predictions_sd/ctcf"][:].any()
    wanted = small_run.logits([small_run.bases(c, s, s + 200) for c, s in kept])
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    assert wanted[:, 0].max() > wanted[:, 0].mean() + 3  # the planted site is seen


def test_dropped_regions_are_joined_and_too_many_are_an_error(
    small_run, plan, predictions, folder, tmp_path
):
    _, without = windows_by_hand(small_run)
    (tmp_path / "v.tsv").write_text("step\tmodel\tchrom\nvariants\t\tc1\n")
    parts = [folder / f"{chunk}.dropped.tsv" for chunk in CHUNKS]
    prepare.dropped_regions(small_run.of_run(plan), parts, [tmp_path / "v.tsv"], tmp_path / "t")
    rows = [line.split("\t") for line in (tmp_path / "t").read_text().splitlines()]
    assert [(r[2], int(r[3])) for r in rows[1:-1]] == without and rows[-1][0] == "variants"
    assert {r[0] for r in rows[1:-1]} == {"predict"}
    strict = small_run.plan(max_dropped=0.01, **STEPS)
    with pytest.raises(RegionError, match=r"regions of model m"):
        prepare.dropped_regions(small_run.of_run(strict), parts, [], tmp_path / "t")


def test_a_target_fills_the_stride_around_its_windows_centre(
    small_run, plan, predictions, tmp_path
):
    predict.write_prediction_track(small_run.of_target(plan), predictions, "", tmp_path / "t.bw")
    with h5py.File(predictions) as file, pyBigWig.open(str(tmp_path / "t.bw")) as track:
        values = file["predictions/ctcf"][:3]
        found = np.array(track.values("c1", 0, 350))
    # Windows are centred on 100, 200, 300; whose the base between two is, is not asked here.
    assert np.isnan(found[:49]).all()
    for i, value in enumerate(values):
        assert found[52 + 100 * i : 148 + 100 * i] == pytest.approx([value] * 96)


def test_metrics_are_those_of_numpy(small_run, predictions, tmp_path):
    rng = np.random.default_rng(0)
    signal = {c: rng.integers(0, 5, len(t)).astype(float) for c, t in small_run.text.items()}
    with pyBigWig.open(str(tmp_path / "s.bw"), "w") as file:
        file.addHeader([(c, len(v)) for c, v in signal.items()])
        for chrom, values in signal.items():
            file.addEntries(chrom, 0, values=list(values), span=1, step=1)
    observed = {"signal": {"ctcf": {"paths": [str(tmp_path / "s.bw")]}}}
    plan = small_run.plan(predict=observed)
    predict.predict_metrics(small_run.of_model(plan), predictions, tmp_path / "m.tsv")
    table = pd.read_csv(tmp_path / "m.tsv", sep="\t").set_index("metric")
    kept, _ = windows_by_hand(small_run)
    totals = [np.log1p(signal[c][s : s + 200].sum()) for c, s in kept]
    with h5py.File(predictions) as file:
        wanted = np.corrcoef(file["predictions/ctcf"][:], totals)[0, 1]
    assert table.loc["counts_pearson", "value"] == pytest.approx(wanted, abs=1e-6)
    assert table.loc["counts_pearson", "n"] == len(kept)


def test_the_peak_is_the_best_window_and_the_null_is_shuffled(
    small_run, plan, predictions, peaks, folder
):
    scores, n = read_null(folder / "null.npz")
    # It is one of two chunks of the null; at most each window is a peak.
    assert 0 < n < 40 and set(scores) == {"ctcf", "pu1"}
    assert all(0 < len(values) <= n and np.isfinite(values).all() for values in scores.values())
    kept, _ = windows_by_hand(small_run)
    with h5py.File(predictions) as file:
        best = {t: kept[int(file[f"predictions/{t}"][:].argmax())] for t in ("ctcf", "pu1")}
    rows = [line.split("\t") for line in peaks.read_text().splitlines()]
    named = {(r[0], int(r[1])): r[3] for r in rows}
    assert all(t in named[place].split(",") for t, place in best.items())
    summary = pd.read_csv(folder / "peaks_summary.tsv", sep="\t").set_index("target")
    assert summary.loc["ctcf", "n_selected"] == 1


def test_attributions_add_up_to_the_models_difference(small_run, plan, attributions, folder):
    """To that between the window and the reference of 0.25, both by hand."""
    with h5py.File(attributions[1]) as file:
        texts = [small_run.bases("c2", s, s + 200) for s in file["regions/start"][:]]
        sums = np.stack([file[f"attributions/{t}"][:].sum(axis=1) for t in ("ctcf", "pu1")], 1)
    wanted = small_run.logits(texts) - small_run.flat_logits()
    np.testing.assert_allclose(sums, wanted, rtol=1e-3, atol=1e-3)
    attribute.attribute(small_run.of_model(plan), attributions, folder / "a.h5", folder / "a.tsv")
    table = pd.read_csv(folder / "a.tsv", sep="\t").set_index("target")
    kept, _ = windows_by_hand(small_run)
    assert table.loc["pu1", "n_windows"] == len(kept)
    assert table.loc["pu1", "max_delta_share"] < 1e-3


def test_incomplete_attributions_are_an_error_or_a_line_of_the_log(
    small_run, attributions, tmp_path, capsys
):
    steps = {"attribute": {"max_delta": 1e-12, "on_incomplete": "warn"}}
    out = tmp_path / "a.h5", tmp_path / "a.tsv"
    attribute.attribute(small_run.of_model(small_run.plan(**steps)), attributions, *out)
    assert "warning: " in capsys.readouterr().out and out[1].exists()
    steps["attribute"]["on_incomplete"] = "fail"
    with pytest.raises(AttributionError, match="do not add up"):
        attribute.attribute(small_run.of_model(small_run.plan(**steps)), attributions, *out)


def test_a_base_of_the_track_is_that_of_the_nearest_centre(small_run, plan, attributions, tmp_path):
    attribute.write_attribution_track(small_run.of_target(plan), attributions[1], tmp_path / "t.bw")
    with h5py.File(attributions[1]) as file, pyBigWig.open(str(tmp_path / "t.bw")) as track:
        starts, values = file["regions/start"][:], file["attributions/ctcf"][:]
    for at in (40, 260, 905):
        row = int(np.abs(starts + 100 - at - 0.5).argmin())
        with pyBigWig.open(str(tmp_path / "t.bw")) as track:
            assert track.values("c2", at, at + 1)[0] == pytest.approx(values[row, at - starts[row]])


def test_the_export_has_the_sequence_and_its_attributions(small_run, attributions, tmp_path):
    narrowpeak = tmp_path / "x.narrowPeak"
    attribute.export_target(attributions[1], "ctcf", tmp_path / "x.h5", narrowpeak)
    rows = [line.split("\t") for line in (tmp_path / "x.narrowPeak").read_text().splitlines()]
    with h5py.File(tmp_path / "x.h5") as file, h5py.File(attributions[1]) as given:
        sequence = file["raw/seq"][0].argmax(axis=0)
        projected = file["projected_shap/seq"][0].astype(float).sum(axis=0)
        wanted = given["attributions/ctcf"][0]
    assert "".join("ACGT"[b] for b in sequence) == small_run.bases("c2", 0, 200)
    assert [int(r[1]) for r in rows] == list(range(0, 1801, 100)) and rows[0][0] == "c2"
    np.testing.assert_allclose(projected, wanted, atol=2e-3 * np.abs(wanted).max())


def test_mutants_are_predicted_and_the_strongest_peak_is_drawn(
    small_run, plan, predictions, peaks, tmp_path
):
    of, bed = small_run.of_model(plan), tmp_path / "regions.bed"
    ism.ism_regions(of, peaks, predictions, bed)
    # One peak a target is selected, so all are the strongest.
    assert bed.read_text() == peaks.read_text()
    chunks = sorted({CHUNKS[line.startswith("c2")] for line in bed.read_text().splitlines()})
    parts = [tmp_path / f"{chunk}.h5" for chunk in chunks]
    for chunk, path in zip(chunks, parts):
        own = small_run.of_chunk(plan, chunk)
        found = ism.ism_windows(own, bed)
        ism.ism_chunk(own, found, "cpu", path, tmp_path / "dropped.tsv")
    ism.ism(of, parts, tmp_path / "ism.h5")
    with h5py.File(tmp_path / "ism.h5") as file:
        chrom, start = file["regions/chrom"].asstr()[0], int(file["regions/start"][0])
        effects, shown = file["effects/ctcf"][0], file["attributions/ctcf"][0]
        assert (file.attrs["span_start"], file.attrs["span_end"]) == (0, 200)
    text = small_run.bases(chrom, start, start + 200)
    places = [0, 77, 130, 199]
    mutants = [text[:i] + base + text[i + 1 :] for i in places for base in "ACGT"]
    wanted = (small_run.logits(mutants) - small_run.logits([text]))[:, 0].reshape(4, 4)
    np.testing.assert_allclose(effects[:, places].T, wanted, atol=1e-4)
    ism.write_ism_track(small_run.of_target(plan), parts[0], tmp_path / "i.bw")
    with pyBigWig.open(str(tmp_path / "i.bw")) as track:
        assert track.values(chrom, start + 77, start + 78)[0] == pytest.approx(shown[77])
    ism.draw_ism(small_run.of_target(plan), tmp_path / "ism.h5", tmp_path / "i.svg")
    with h5py.File(tmp_path / "ism.h5") as file:
        row = int(file["predictions/ctcf"][:].argmax())
        chrom, start = file["regions/chrom"].asstr()[row], int(file["regions/start"][row])
    assert f"{chrom}:{start + 1:,}-{start + 200:,}" in (tmp_path / "i.svg").read_text()


def test_copies_are_looked_for_in_a_share_of_the_explained_bases(
    small_run, plan, attributions, peaks, tmp_path, monkeypatch
):
    of, size = small_run.of_model(plan), tmp_path / "size.json"
    hits.hits_null_size(of, [peaks], [], size)
    assert json.loads(size.read_text()) == {"fraction": 1.0, "seed": plan.config.seed}
    places = [r.split("\t")[:3] for r in peaks.read_text().splitlines()]
    covered = {(chrom, x) for chrom, a, b in places for x in range(int(a), int(b))}
    # A hundredth of the matches that the run's bases hold of a copy are enough.
    held = 2 * plan.step_config("hits").threshold * len(covered)
    monkeypatch.setattr("cisweep.analysis.motifs.null_sample.MATCHES", held / 100)
    hits.hits_null_size(of, [peaks], [], size)
    assert json.loads(size.read_text())["fraction"] == 0.01
    # Without peaks all windows are explained, which are more.
    hits.hits_null_size(of, [], attributions, size)
    assert 0 < json.loads(size.read_text())["fraction"] < 0.01


def test_the_null_is_an_explained_shuffle_of_the_chunks_windows(
    small_run, plan, attributions, peaks, tmp_path
):
    of, size = small_run.of_model(plan), tmp_path / "size.json"
    seqlets.seqlets_null_size(of, [peaks], [], size)
    n_peaks = len(peaks.read_text().splitlines())
    # Two peaks need many shuffles of each for 60 windows of a null.
    sizes = json.loads(size.read_text())
    assert list(sizes) == ["ctcf", "pu1"]
    assert all(each["draws"] * n_peaks >= 60 for each in sizes.values())
    seqlets.seqlets_null_size(of, [], attributions, size)
    null = tmp_path / "null.h5"
    own = small_run.of_chunk(plan, "c000001")
    drawn = seqlets.shuffled_of(own, attributions[1:], size)
    # By its digest a null is kept, whatever else changes in the chunk.
    digests = [seqlets.shuffled_of(own, x, size).digest for x in (attributions[1:], attributions)]
    assert drawn.digest == digests[0] != digests[1]
    seqlets.seqlets_null_chunk(own, drawn, "cpu", null)
    with h5py.File(null) as shuffled, h5py.File(attributions[1]) as given:
        tokens, before = shuffled["tokens"][:], given["tokens"][:]
        sums = shuffled["attributions/ctcf"][:].sum(axis=1)
    # A shuffle keeps how often each base occurs, not where.
    assert (np.sort(tokens, axis=1) == np.sort(before, axis=1)).all() and (tokens != before).any()
    wanted = small_run.logits(["".join("ACGTN"[t] for t in row) for row in tokens])
    wanted = (wanted - small_run.flat_logits())[:, 0]
    np.testing.assert_allclose(sums, wanted, rtol=1e-3, atol=1e-3)


def test_the_blocks_of_a_chunk_hold_one_batch_at_least_and_change_no_byte(
    small_run, plan, attributions, monkeypatch, tmp_path
):
    of = small_run.of_chunk(plan, CHUNKS[0])
    found = attribute.attribute_windows_of(of, None)
    # Of 200 bp and two targets a batch of 8 is 3,200 values; three of them are a block.
    monkeypatch.setattr(attribute, "BLOCK", 10_000)
    wanted = attribute.wanted_pairs(of, found.windows)

    def sizes_of_blocks() -> list[int]:
        given = (found.windows, found.tokens, wanted)
        return [len(w) for w, *_ in attribute.explained_blocks(of, *given, "cpu")]

    sizes = sizes_of_blocks()
    assert sizes[:-1] == [24] * (len(found.windows) // 24) and sum(sizes) == len(found.windows)
    monkeypatch.setattr(attribute, "BLOCK", 1)
    sizes = sizes_of_blocks()
    assert max(sizes) == 8 and sum(sizes) == len(found.windows)
    attribute.attribute_chunk(of, found, "cpu", tmp_path / "a.h5", tmp_path / "dropped.tsv")
    assert (tmp_path / "a.h5").read_bytes() == attributions[0].read_bytes()


@pytest.fixture
def planted(small_run, tmp_path):
    """Attributions of tiles that are noise but for SITES, and their null without any."""
    paths = {}
    for k, (chrom, text) in enumerate(small_run.text.items()):
        starts = [s for c, s in windows_by_hand(small_run)[0] if c == chrom]
        ends = [s + 200 for s in starts]
        windows = Windows.build([chrom] * len(starts), starts, ends)
        tokens = np.stack([tokens_of_text(text[s : s + 200]) for s in starts])
        for kind in ("h5", "null"):
            # By place, so that a base has one value in all windows.
            noise = np.random.default_rng(k).normal(0, 0.01, len(text))
            for site in SITES[chrom] if kind == "h5" else ():
                noise[site : site + 19] = 1.0
            values = np.stack([noise[s : s + 200] for s in starts]).astype(np.float32)
            pair, none = np.stack([values, values]), np.zeros((2, len(starts)), np.float32)
            found = SimpleNamespace(
                projected=pair, sd=pair, fold_sd=pair, hypothetical=None, deltas=none, dy=none
            )
            paths[k, kind] = tmp_path / f"{k}.{kind}.h5"
            write_chunk(paths[k, kind], windows, tokens, ["ctcf", "pu1"], found, None, {})
    return paths


def test_the_planted_site_is_a_seqlet_with_its_motifs_name(small_run, plan, planted, tmp_path):
    of, tables, tallies = small_run.of_model(plan), [], []
    parts = [planted[k, "h5"] for k in range(2)]
    seqlets.seqlets_background(of, parts, tmp_path / "background.json")
    for k, chunk in enumerate(CHUNKS):
        beside = seqlets.Beside.read(of, [parts[1 - k]])
        null = planted[k, "null"]
        given = seqlets.SeqletInputs(tmp_path / "background.json", [parts[k]], null, beside)
        tables.append(tmp_path / f"s{k}.parquet")
        tallies.append(tmp_path / f"s{k}.json")
        seqlets.seqlets_chunk(small_run.of_chunk(plan, chunk), given, tables[-1], tallies[-1])
    out = [tmp_path / name for name in ("seqlets.parquet", "seqlets.bed", "summary.tsv")]
    seqlets.seqlets(of, seqlets.SeqletParts(tables, tallies), *out)
    table = read_parquet(out[0]).to_pandas()
    mine = table[(table["target"] == "ctcf") & (table["motif"] == "CTCF")]
    at = {(r.chrom, r.start, r.end) for r in mine.itertuples()}
    for chrom, start in (("c1", 1000), ("c2", 900)):
        assert any(c == chrom and s < start + 19 and start < e for c, s, e in at), at
    assert len(out[1].read_text().splitlines()) == len(table)


def test_calls_of_joined_chunks_are_those_of_each(small_run, plan, planted, tmp_path):
    of, parts = small_run.of_model(plan), [planted[k, "h5"] for k in range(2)]
    background, null = tmp_path / "background.json", tmp_path / "null.h5"
    seqlets.seqlets_background(of, parts, background)
    merge_pairs([planted[k, "null"] for k in range(2)], null, ["ctcf", "pu1"], {})
    assert plan.joined(1).chunks("m") == ["c000000"]

    def called(plan, chunk, parts, null, beside) -> tuple[pd.DataFrame, dict]:
        given = seqlets.SeqletInputs(background, parts, null, seqlets.Beside.read(of, beside))
        out = [tmp_path / f"{len(parts)}.{chunk}.{end}" for end in ("parquet", "json")]
        seqlets.seqlets_chunk(small_run.of_chunk(plan, chunk), given, *out)
        return read_parquet(out[0]).to_pandas(), json.loads(out[1].read_text())

    apart = [called(plan, CHUNKS[k], parts[k : k + 1], null, parts[1 - k :][:1]) for k in range(2)]
    table, tally = called(plan.joined(1), "c000000", parts, null, [])
    alone = pd.concat([t for t, _ in apart], ignore_index=True)
    assert len(table) > 8
    pd.testing.assert_frame_equal(table, alone)
    for target in ("ctcf", "pu1"):
        merged = merge_tallies(Tally.from_dict(t[target]) for _, t in apart)
        assert tally[target] == json.loads(json.dumps(merged.to_dict()))
        assert merged.n_null_positions > 0


def test_the_places_beside_a_chunk_decide_whether_it_is_called_again(small_run, plan, attributions):
    of = small_run.of_model(plan)
    first, second = (seqlets.Beside.read(of, [path]).digest for path in attributions)
    assert first == seqlets.Beside.read(of, [attributions[0]]).digest != second


def test_the_background_counts_every_base(small_run, base_counts):
    found = json.loads(base_counts.read_text())
    whole = "".join(small_run.text.values())
    assert [found[base] for base in "ACGTN"] == [whole.count(base) for base in "ACGTN"]


def test_the_planted_sites_are_the_best_hits(small_run, plan, attributions, base_counts, tmp_path):
    parts, counts = [], []
    for k, chunk in enumerate(CHUNKS):
        given = hits.HitInputs(base_counts, attributions)
        parts.append(tmp_path / f"h{k}.parquet")
        counts.append(tmp_path / f"h{k}.npz")
        own = small_run.of_chunk(plan, chunk)
        hits.hits_chunk(own, given, parts[-1], counts[-1], tmp_path / f"h{k}.dropped.tsv")
    names = ("hits.parquet", "hits.bed", "ranking.tsv", "families.tsv", "matrix.tsv", "matrix.svg")
    out = [tmp_path / name for name in names]
    given = hits.HitParts(base_counts, parts, counts)
    hits.hits(small_run.of_model(plan), given, hits.HitTables(*out))
    table = read_parquet(out[0]).to_pandas()
    best = table[table["name"] == "CTCF"].nsmallest(2, "p_value")
    assert {(r.chrom, r.strand) for r in best.itertuples()} == {("c1", "+"), ("c2", "-")}
    for row in best.itertuples():
        site = {"c1": 1000, "c2": 900}[row.chrom]
        assert row.start <= site + 10 < row.end
        with h5py.File(attributions[CHUNKS.index(f"c00000{row.chrom == 'c2':d}")]) as file:
            values = file["attributions/ctcf"][:]
            starts = file["regions/start"][:]
        # What the hit is credited with, from the window in which it lies most centrally.
        middle = (row.start + row.end) / 2
        k = int(np.abs(starts + 100 - middle).argmin())
        credited = values[k, row.start - starts[k] : row.end - starts[k]].sum()
        assert table.loc[row.Index, "attribution_ctcf"] == pytest.approx(credited, rel=1e-3)
    ranking = pd.read_csv(out[2], sep="\t")
    assert set(ranking["target"]) == {"ctcf", "pu1"}
    families = pd.read_csv(out[3], sep="\t")
    names = dict(zip(zip(families["target"], families["rank"]), families["family"]))
    assert [names[key] for key in zip(ranking["target"], ranking["family_rank"])] == (
        ranking["family"].tolist()
    )
    for target, mine in ranking.groupby("target"):
        wins = table[table[f"best_{target}"]]
        explained = mine.set_index("motif")["explained"]
        assert explained.sum() == pytest.approx(wins[f"attribution_{target}"].sum(), abs=1e-4)
    bed = pd.read_csv(out[1], sep="\t", header=None)
    assert bed[4].max() == 1000 and set(bed[3]) == {"ctcf:CTCF"}
    shown = set(bed[[0, 1, 2, 5]].itertuples(index=False, name=None))
    assert {(r.chrom, r.start, r.end, r.strand) for r in best.itertuples()} <= shown
