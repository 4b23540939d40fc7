"""The null of predicted peaks: shuffled stretches, p- and q-values, which stretches are drawn."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pysam
import pytest

from cisweep.analysis.prediction.peak_null import PeakNull, PeakRates, null_peaks, shuffled_pieces
from cisweep.analysis.prediction.peak_selection import PeakRules, predicted_peaks
from cisweep.contracts import Windows
from cisweep.plan.contents.backgrounds import region_sample
from cisweep.plan.contents.null_stretches import SPAN, NullStretches
from cisweep.plan.plan import Plan

MODEL = Path(__file__).resolve().parents[2] / "workflow/resources/models/ctcf_pu1.yaml"


def pairs(tokens):
    return np.bincount(tokens[:-1].astype(int) * 5 + tokens[1:], minlength=25)


def test_pieces_keep_dinucleotides_and_n_and_depend_on_their_place_alone():
    tokens = np.random.default_rng(0).integers(0, 4, 1130).astype(np.uint8)
    tokens[420:440] = 4
    made = shuffled_pieces(tokens, "c", 5000, 200, 0, 0)
    for a in range(0, 1130, 200):
        piece = slice(a, min(a + 200, 1130))
        np.testing.assert_array_equal(pairs(made[piece]), pairs(tokens[piece]))
    np.testing.assert_array_equal(pairs(made), pairs(tokens))  # also across the cuts
    np.testing.assert_array_equal(made == 4, tokens == 4)
    assert (made != tokens).mean() > 0.5  # by chance three in four, as they were none
    part = shuffled_pieces(tokens[200:600], "c", 5200, 200, 0, 0)
    np.testing.assert_array_equal(part, made[200:600])
    for other in (("d", 5000, 200, 0, 0), ("c", 5001, 200, 0, 0), ("c", 5000, 200, 1, 0),
                  ("c", 5000, 200, 0, 1)):  # fmt: skip
        assert (shuffled_pieces(tokens, *other) != made).any()


def test_p_and_q_by_hand():
    null = PeakNull.merge([PeakNull(np.array([1.0, 4]), 10), PeakNull(np.array([0.0, 2]), 5)])
    assert null.scores.tolist() == [0, 1, 2, 4] and null.n_windows == 15
    scores = np.array([5.0, 4, 3, 0.5, -1])
    np.testing.assert_allclose(null.p_values(scores), [1 / 5, 2 / 5, 2 / 5, 4 / 5, 1])
    rates = PeakRates(null, [scores[:2], scores[2:]])
    # p * 5 / rank: 1, (none: shares p with the third) 2/3, 1, 1; not falling from below.
    np.testing.assert_allclose(rates.q_values(scores), [2 / 3, 2 / 3, 2 / 3, 1, 1])
    assert rates.n_peaks == 5 and rates.smallest_q == pytest.approx(2 / 3)
    assert rates.n_at(0.7) == 3 and rates.n_at(0.5) == 0
    assert rates.n_needed(0.1) == 10  # ten at p 1/5 among five would have q 0.1
    assert np.isnan(PeakRates(null, []).smallest_q)


def test_q_values_are_those_of_benjamini_and_hochberg():
    rng = np.random.default_rng(1)
    null = PeakNull(np.sort(rng.normal(size=300).round(1)), 900)
    scores = np.concatenate([rng.normal(size=200), rng.normal(3, 1, 20)]).round(1)
    p = np.array([(1 + (null.scores >= s).sum()) / 301 for s in scores])
    wanted = [min(x * len(p) / (p <= x).sum() for x in p[p >= one]) for one in p]
    np.testing.assert_allclose(PeakRates(null, [scores]).q_values(scores), np.minimum(wanted, 1))


def test_peaks_are_called_on_each_draw_of_each_place():
    """The score of a window is its number of A: a shuffle keeps it, so all draws agree."""
    tokens = np.full(60, 1, np.uint8)
    tokens[30:40] = 0  # one piece of ten A
    windows = Windows.build(["c"] * 6, np.arange(100, 160, 10), np.arange(110, 170, 10))
    none = Windows.build([], [], []), np.zeros(0, np.uint8), 0

    def predict(windows, tokens):
        assert windows.chrom.tolist() == ["c"] * len(windows)
        a = (tokens == 0).sum(axis=1)
        return np.stack([a, -a], axis=1)

    up, down = null_peaks(
        [(windows, tokens, 100), none], 2, predict, draws=3, seed=0, distance_bp=15
    )
    assert up.n_windows == 18 and up.scores.tolist() == [0.0] * 3 + [10.0] * 3
    # -A is 0 but in one window; of equal neighbours the first is the peak.
    assert down.scores.tolist() == [0.0] * 6
    empty = null_peaks([none], 2, predict, draws=3, seed=0, distance_bp=15)
    assert [len(e.scores) for e in empty] == [0, 0] and empty[0].n_windows == 0


def test_rules_of_selection():
    windows = Windows.build(["c"] * 6, np.arange(0, 60, 10), np.arange(10, 70, 10))
    values = np.array([9, 0, 8, 0, 1, 0], np.float32)
    null = PeakNull(np.linspace(0, 2, 50), 100)

    def found(nulls={"t": null}, **rules):  # noqa: B006
        return predicted_peaks(
            lambda: [(windows, values[:, None])], ["t"], PeakRules(15, **rules), nulls=nulls
        )

    by_rate = found(fdr=0.1)
    assert by_rate.peaks["prediction"].tolist() == [9, 8]
    np.testing.assert_allclose(by_rate.peaks["p_value"], 1 / 51)
    np.testing.assert_allclose(by_rate.peaks["q_value"], 3 / 51 / 2)
    (row,) = by_rate.summary.to_dict("records")
    assert (row["n_windows"], row["n_maxima"], row["n_selected"]) == (6, 3, 2)
    assert row["rate"] == 0.1 and row["n_above_chance"] == 2 and row["highest"] == 9
    assert row["fdr"] == row["smallest_q"] == pytest.approx(3 / 102)
    # The rate itself is allowed.
    assert len(found(fdr=float(by_rate.peaks["q_value"].max())).peaks) == 2
    assert found(fdr=0.1, top_n=1).peaks["prediction"].tolist() == [9]
    assert found(fdr=0.1, threshold=8.5).peaks["prediction"].tolist() == [9]
    by_rank = found(top_n=3)
    assert len(by_rank.peaks) == 3 and by_rank.summary["fdr"][0] == pytest.approx(26 / 51)
    assert by_rank.summary["n_above_chance"][0] == 2
    without = found(nulls=None, top_n=3)
    same = ["chrom", "start", "end", "strand", "target", "prediction"]
    assert without.peaks[same].equals(by_rank.peaks[same])
    assert without.peaks[["p_value", "q_value"]].isna().all(axis=None)
    assert without.summary["n_null_windows"][0] == 0


# ---- where nothing is selected -------------------------------------------------------------


def test_without_a_peak_the_backgrounds_of_experiments_come_from_all_regions(genome, tmp_path):
    (tmp_path / "peaks.bed").touch()
    (tmp_path / "r.bed").write_text("a\t1000\t1200\nb\t3000\t3200\n")
    tiled = stretches(genome).plan
    windows, tokens = region_sample(tiled, "m", 5, tmp_path / "peaks.bed")
    assert set(windows.chrom) <= {"a", "b"} and tokens.shape == (5, 200)
    given = stretches(genome, {"bed": str(tmp_path / "r.bed")}).plan
    windows, _ = region_sample(given, "m", 5, tmp_path / "peaks.bed")
    assert windows.keys() == ["a:1000-1200(.)", "b:3000-3200(.)"]


# ---- which stretches are drawn -------------------------------------------------------------


@pytest.fixture
def genome(tmp_path):
    letters = np.array(list("ACGT"))
    rng = np.random.default_rng(2)
    with open(tmp_path / "g.fa", "w") as file:
        for name, n in (("a", 50_000), ("skipped", 9_000), ("b", 13_000)):
            file.write(f">{name}\n{''.join(letters[rng.integers(0, 4, n)])}\n")
    pysam.faidx(str(tmp_path / "g.fa"))
    return tmp_path / "g.fa"


def stretches(genome, regions=None, chunk_bp=20_000, **select) -> NullStretches:
    config = {
        "run": "r",
        "genome": {"fasta": str(genome)},
        "regions": regions or {"tile": {"stride_bp": 100}, "chroms": "a|b"},
        "models": {"m": str(MODEL)},
        "chunk_bp": chunk_bp,
        "steps": {"predict": {}, "select": select},
    }
    return NullStretches(Plan.from_config(config, Path()), "m")


def keys(found: NullStretches) -> list[str]:
    return [k for s in found.drawn for k in found.place(s)[0].keys()]  # noqa: SIM118


def planned(found: NullStretches) -> list[str]:
    plan = found.plan
    return [k for c in plan.chunks("m") for k in plan.windows("m", c)[0].keys()]  # noqa: SIM118


def test_stretches_hold_every_window_once(genome, tmp_path):
    tiled = stretches(genome)
    assert keys(tiled) == planned(tiled) and tiled.draws == 10
    assert max(len(tiled.place(s)[0]) for s in tiled.drawn) == SPAN * 2
    tile = {"stride_bp": 100, "start": 5_030, "end": 31_000}
    part = stretches(genome, {"tile": tile, "chroms": "a|b"})
    assert keys(part) == planned(part) and 200 < part.n_windows < tiled.n_windows
    rng = np.random.default_rng(3)
    rows = [(c, int(x)) for c, n in (("a", 49_000), ("b", 12_000)) for x in rng.integers(0, n, 60)]
    rows += [("a", 20_000 + 20 * i) for i in range(700)]  # longer than a stretch may be
    bed = tmp_path / "r.bed"
    bed.write_text("".join(f"{c}\t{x}\t{x + 300}\tn\t0\t{'+-'[x % 2]}\n" for c, x in rows))
    given = stretches(genome, {"bed": str(bed)})
    assert keys(given) == planned(given) and len(given.drawn) > 20
    spans = [int(w.end.max() - w.start.min()) for s in given.drawn for w in [given.place(s)[0]]]
    assert 8_000 < max(spans) <= 200 * (SPAN + 2)
    for stretch in given.drawn:
        windows, tokens, start = given.place(stretch)
        rows = np.lib.stride_tricks.sliding_window_view(tokens, 200)[windows.start - start]
        at = int(windows.start[-1])
        text = pysam.FastaFile(str(genome)).fetch(stretch.chrom, at, at + 200)
        assert "".join("ACGT"[t] for t in rows[-1]) == text


@pytest.mark.parametrize("chunk_bp", [3_000, 1_000_000])
def test_what_is_drawn_does_not_depend_on_chunks(genome, chunk_bp):
    for windows in (200, 5_000):
        usual, other = (stretches(genome, chunk_bp=n, null_windows=windows)
                        for n in (20_000, chunk_bp))  # fmt: skip
        assert usual.drawn == other.drawn and usual.draws == other.draws
        rows = [i for r in other.chunks.values() for i in r]
        assert rows == list(range(len(other.drawn)))


def test_many_windows_are_sampled_and_few_are_shuffled_often(genome):
    many = stretches(genome, null_windows=300)
    assert many.n_windows == 628 and many.draws == 1
    assert len(many.drawn) == 3 and len({s.low for s in many.drawn}) == 3
    assert {k for k in keys(many)} < set(planned(many))
    rows = [stretches(genome).drawn.index(s) for s in many.drawn]  # of seven
    assert min(np.diff(rows)) >= 2  # from all over the run
    assert stretches(genome, null_windows=2000).draws == 3
    assert stretches(genome, fdr=0.01).draws == 100
    assert stretches(genome, fdr=None, top_n=5, null_windows=0).drawn == []


def test_a_chunk_of_the_null_reruns_when_what_it_draws_changes(genome, tmp_path):
    def keys_of(*args, **select):
        found = stretches(genome, *args, **select)
        return found.settings, {c: found.key(c) for c in found.chunks}

    settings, usual = keys_of()
    assert len(set(usual.values())) == len(usual) == 4
    for same in ({"top_n": 5}, {"targets": ["ctcf"]}):  # what is selected does not matter
        assert keys_of(**same) == (settings, usual)
    for change in ({"min_distance_bp": 300}, {"null_windows": 2000}, {"fdr": 0.2}):
        assert keys_of(**change)[0] != settings
    plan = stretches(genome).plan
    seeded = replace(plan, config=plan.config.model_copy(update={"seed": 1}))
    model = plan.models["m"]
    model = model.model_copy(
        update={"rc": model.rc.model_copy(update={"average": not model.rc.average})}
    )
    for changed in (seeded, replace(plan, models={"m": model})):
        assert NullStretches(changed, "m").settings != settings
    black = tmp_path / "black.bed"
    black.write_text("b\t500\t600\n")
    tile = {"tile": {"stride_bp": 100}, "chroms": "a|b"}
    same, changed = keys_of(tile | {"blacklist": [str(black)]})
    assert same == settings
    assert [c for c in usual if usual[c] != changed[c]] == ["c000002"]  # where b begins
