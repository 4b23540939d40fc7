"""Ablations of hits beside random spans: loops, all permutations, uniform p without a motif."""

import itertools

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch

from cisweep.analysis.motifs.fimo import scan_tokens
from cisweep.analysis.motifs.score_distribution import prepare_motifs
from cisweep.analysis.perturbation.ablations import (
    control_shuffles,
    control_spans,
    effects_of_hits,
    hit_ablations,
)
from cisweep.analysis.perturbation.gather import ablation_table, judged_hits, permutation_p
from cisweep.analysis.perturbation.perturb import WindowShuffle, ablate
from cisweep.analysis.prediction.windows import predict_windows
from cisweep.contracts import Windows
from cisweep.errors import SequenceError
from cisweep.genome.fasta import load_fasta, window_tokens
from cisweep.genome.motifs import load_motifs
from cisweep.models.ensemble import Ensemble
from cisweep.plan.run_config import read_model_config
from cisweep.sequence.encoding import one_hot_tokens, tokens_of

W, N = 40, 7
WEIGHTS = np.random.default_rng(4).normal(size=(2, 5, W)) * [[[1], [1], [1], [1], [0]]]


def model(windows, tokens):
    assert len(windows) == len(tokens)
    scores = WEIGHTS[:, tokens.astype(int), np.arange(W)].sum(axis=2).T
    return (np.tanh(scores / 4) * 3).astype(np.float32)


def word_model(windows, tokens):
    """As many GATA as a window has, and a little of each G."""
    word = np.array([2, 0, 3, 0])
    views = np.lib.stride_tricks.sliding_window_view(tokens, 4, axis=1)
    found = (views == word).all(axis=2).sum(axis=1)
    return np.stack([found + 0.05 * (tokens == 2).cumsum(1).mean(1)], axis=1).astype(np.float32)


@pytest.fixture
def places():
    tokens = np.random.default_rng(0).integers(0, 4, (N, W)).astype(np.uint8)
    tokens[5, 12:15] = 4
    start = np.arange(N) * 100
    return Windows.build(["c"] * N, start, start + W), tokens


SPANS = np.array([[3, 10], [0, 40], [20, 26], [5, 6], [1, 9], [2, 8], [30, 40]])


def test_random_spans_are_as_long_beside_the_hit_and_without_n(places):
    windows, tokens = places
    found = control_spans(windows, tokens, SPANS, 400, 1)
    assert (found[1] == -1).all()  # the hit fills its window
    for i in (0, 2, 3, 4, 5, 6):
        (start, end), spans = SPANS[i], found[i]
        assert (spans[:, 1] - spans[:, 0] == end - start).all()
        assert ((spans[:, 1] <= start) | (spans[:, 0] >= end)).all()
        possible = {
            s for s in range(W - (end - start) + 1)
            if (s + end - start <= start or s >= end) and (tokens[i, s : s + end - start] < 4).all()
        }  # fmt: skip
        assert set(spans[:, 0].tolist()) == possible
    rows = np.array([4, 2])
    part = control_spans(windows.take(rows), tokens[rows], SPANS[rows], 400, 1)
    np.testing.assert_array_equal(part, found[rows])
    assert (control_spans(windows, tokens, SPANS, 400, 2)[0] != found[0]).any()


def test_random_spans_may_touch_an_n_and_the_hit():
    tokens = np.zeros((1, W), np.uint8)
    tokens[0, 20] = 4
    windows = Windows.build(["c"], [0], [W])
    found = control_spans(windows, tokens, np.array([[28, 34]]), 300, 0)
    assert set(found[0, :, 0].tolist()) == {*range(15), 21, 22, 34}


def test_ablations_shuffle_hits_and_random_spans_and_nothing_else(places):
    windows, tokens = places
    seen = []

    def recording(where, edited):
        seen.append((where, edited.copy()))
        return model(where, edited)

    options = {"n_shuffles": 6, "n_controls": 3, "seed": 1}
    found = hit_ablations(recording, windows, tokens, SPANS, **options)
    before, shuffled, controls = (edited for _, edited in seen)
    order = np.argsort([f"{k}:{a}-{b}" for k, (a, b) in zip(windows.keys(), SPANS)])
    np.testing.assert_array_equal(before, tokens[order])
    shuffled = shuffled.reshape(N, 6, W)[np.argsort(order)]
    y = model([0] * N, tokens).astype(float)
    for i, (start, end) in enumerate(SPANS):
        outside = np.r_[0:start, end:W]
        assert (shuffled[i][:, outside] == tokens[i][outside]).all()
        assert (np.sort(shuffled[i][:, start:end], axis=1) == np.sort(tokens[i][start:end])).all()
        after = model([0] * 6, shuffled[i]).astype(float)
        assert found.effect[i] == pytest.approx(after.mean(0) - y[i], abs=1e-6)
        assert found.judged[i] == pytest.approx(after[:2].mean(0) - y[i], abs=1e-6)
    assert found.effect[3] == pytest.approx([0, 0], abs=1e-6)  # one base has one shuffle
    room = [i for i in order if i != 1]
    assert np.isnan(found.control[1]).all() and np.isfinite(found.control[room]).all()
    controls = controls.reshape(len(room), 3, 2, W)
    spans = control_spans(windows, tokens, SPANS, 3, 1)
    for i, edited in zip(room, controls):
        for k, (start, end) in enumerate(spans[i]):
            outside = np.r_[0:start, end:W]
            assert (edited[k][:, outside] == tokens[i][outside]).all()
            after = model([0] * 2, edited[k]).astype(float).mean(0)
            assert found.control[i, k] == pytest.approx(after - y[i], abs=1e-6)


def test_numbers_of_a_hit_do_not_depend_on_the_others_and_shared_spans_are_predicted_once(places):
    windows, tokens = places
    options = {"n_shuffles": 6, "n_controls": 3, "seed": 1}
    found = hit_ablations(model, windows, tokens, SPANS, **options)
    rows, predicted = np.array([4, 2, 4, 4]), []

    def counting(where, edited):
        predicted.append(len(edited))
        return model(where, edited)

    part = hit_ablations(counting, windows.take(rows), tokens[rows], SPANS[rows], **options)
    for name in ("effect", "judged", "control"):
        np.testing.assert_array_equal(getattr(part, name), getattr(found, name)[rows])
    assert sum(predicted) == 2 * (1 + 6 + 6)  # hits and random spans cost the same
    assert control_shuffles(20, 5) == 4 and control_shuffles(3, 5) == 1


def test_the_step_is_ablate_with_the_shuffles_of_windows_to_the_bit(places):
    windows, tokens = places
    found = hit_ablations(model, windows, tokens, SPANS, n_shuffles=6, n_controls=3, seed=1)

    def func(predictor, X, args=None):
        X = X if X.ndim == 2 else tokens_of(X)
        return torch.from_numpy(predictor(range(len(X)), X.numpy()).astype(np.float64))

    for i, (start, end) in enumerate(SPANS):
        rows = torch.from_numpy(tokens[i : i + 1])
        shuffle = WindowShuffle(windows.take([i]))
        for X in (rows, one_hot_tokens(rows, torch.int8)):
            options = {"n": 6, "shuffle_fn": shuffle, "random_state": 1, "func": func}
            before, after = ablate(model, X, int(start), int(end), **options)
            assert (found.effect[i] == (after[0] - before).numpy().mean(0)).all()
    assert np.abs(found.effect[:3]).min() > 0
    before, after = ablate(model, rows, 0, W, n=3, random_state=0, func=func)  # one-hot's too
    again = ablate(model, one_hot_tokens(rows), 0, W, n=3, random_state=0, func=func)
    assert torch.equal(after, again.y_after) and after.shape == (1, 3, 2)


def test_shuffles_of_windows_refuse_what_is_no_seed_place_or_span(places):
    windows, tokens = places
    X, shuffle = torch.from_numpy(tokens), WindowShuffle(windows)
    with pytest.raises(SequenceError, match="random_state is None. Mend: give the run's seed"):
        shuffle(X, 0, 9, 2)
    with pytest.raises(SequenceError, match="X has 2 sequences, and there are 7 windows"):
        shuffle(X[:2], 0, 9, 2, 1)
    with pytest.raises(SequenceError, match=r"\[30, 41\) is no span of 40 bp"):
        shuffle(X, 30, 41, 2, 1)


def test_the_permutation_test_against_all_choices():
    rng = np.random.default_rng(1)
    for n, k in ((1, 4), (3, 2), (5, 3)):
        values = rng.laplace(size=(n, k + 1))
        values[:, 0] -= rng.random()
        sums = np.array([sum(choice) for choice in itertools.product(*values)])
        own = values[:, 0].sum()
        tails = ((sums <= own + 1e-9).mean(), (sums >= own - 1e-9).mean())
        # Rounding to the grid may let single sums change sides: two of the 1,024 of the largest
        # case, of 2 / 1,024 each.
        assert permutation_p(values) == pytest.approx(min(1, 2 * min(tails)), abs=0.004)
    assert permutation_p(np.ones((4, 3))) == 1
    strong = np.zeros((30, 6))
    strong[:, 0] = -1
    assert permutation_p(strong) == pytest.approx(2 * 6.0**-30, rel=1e-9)


def table_of(judged, controls, effect=None, motif="m", name="M"):
    """Rows of effects_of_hits of one target."""
    columns = {f"control_{k}": controls[:, k] for k in range(controls.shape[1])}
    fields = {"motif": motif, "name": name, "target": "t", "p_value": 1e-5, "judged": judged}
    return pd.DataFrame(fields | {"effect": judged if effect is None else effect} | columns)


def test_table_and_hits_by_hand():
    one = table_of(np.array([-3.0, -2, -4, -3, -3]), np.tile([-1.0, 0, 1], (5, 1)))
    two = table_of(np.array([0.0, 1, 9]), np.array([[0, 0, 0], [1, 0, 2], [np.nan] * 3]), motif="n")
    effects = pd.concat([two, one], ignore_index=True)
    table = ablation_table(effects, min_hits=3)
    assert table["motif"].tolist() == ["m", "n"]
    first, second = table.iloc[0], table.iloc[1]
    assert (first["n"], first["effect"], first["control"], first["difference"]) == (5, -3, 0, -3)
    low, high = scipy.stats.t.interval(0.95, 4, loc=-3, scale=np.sqrt(0.5 / 5))
    assert first["difference_ci_low"] == pytest.approx(low)
    assert first["difference_ci_high"] == pytest.approx(high)
    assert first["p_value"] == pytest.approx(2 / 4**5) and first["rank"] == 1
    assert first["q_value"] == pytest.approx(2 * 2 / 4**5)
    # A hit without room for random spans counts for the effect alone.
    assert second["n"] == 3 and second["effect"] == pytest.approx(10 / 3)
    assert second["control"] == pytest.approx(0.5) and second["difference"] == pytest.approx(0)
    hits = judged_hits(effects)
    added = ["control", "effect_p_value", "effect_q_value"]
    assert list(hits) == ["motif", "name", "target", "p_value", "effect", *added]
    assert (hits["p_value"] == 1e-5).all()  # that of the match stays
    assert hits["control"].tolist()[:2] == [0, 1] and hits["effect_p_value"].isna().tolist()[2]
    own = hits[hits["motif"] == "m"]
    np.testing.assert_allclose(own["effect_p_value"], 2 / 16)  # below all 15 random spans
    np.testing.assert_allclose(own["effect_q_value"], 2 / 16)
    # Of the spans 0 0 0 0 1 2 as low and as high as 0 are 4 and 6, as 1 are 5 and 2.
    other = hits[hits["motif"] == "n"]["effect_p_value"]
    np.testing.assert_allclose(other, [1, 2 * 3 / 7, np.nan])
    few = ablation_table(effects, min_hits=5)
    assert few["q_value"].isna().tolist() == [False, True] == few["rank"].isna().tolist()
    none = ablation_table(effects.iloc[:0])
    assert list(none) == list(table) and len(judged_hits(effects.iloc[:0])) == 0


def test_rows_of_hits_and_targets(places):
    windows, tokens = places
    hits = pd.DataFrame({"motif": list("abcdefg"), "name": ""})
    found = hit_ablations(model, windows, tokens, SPANS, n_shuffles=2, n_controls=2, seed=0)
    rows = effects_of_hits(hits, found, ["x", "y"], 2)
    assert rows["target"].tolist() == ["x", "y"] * N
    assert rows["effect"].tolist() == found.effect.ravel().tolist()
    assert rows.loc[5, "control_1"] == found.control[2, 1, 1]
    none = effects_of_hits(hits.iloc[:0], None, ["x", "y"], 2)
    assert list(none) == list(rows) and len(none) == 0


def test_p_is_uniform_for_random_places_and_tiny_for_the_word_that_counts():
    rng = np.random.default_rng(6)
    hits, spans, tokens = [], [], []
    for m in range(120):
        for _ in range(10):
            window = rng.integers(0, 4, W).astype(np.uint8)
            window[rng.integers(0, 36) :][:4] = [2, 0, 3, 0]
            start = rng.integers(0, W - 6)
            tokens.append(window)
            spans.append((start, start + 6))
            hits.append({"motif": f"m{m:03d}", "name": ""})
    for _ in range(10):
        window = rng.integers(0, 4, W).astype(np.uint8)
        start = rng.integers(1, 34)
        window[start : start + 4] = [2, 0, 3, 0]
        tokens.append(window)
        spans.append((start - 1, start + 5))
        hits.append({"motif": "gata", "name": ""})
    n = len(hits)
    windows = Windows.build(["c"] * n, np.arange(n) * 50, np.arange(n) * 50 + W)
    found = hit_ablations(
        word_model, windows, np.array(tokens), np.array(spans), n_shuffles=8, n_controls=4, seed=0
    )
    effects = effects_of_hits(pd.DataFrame(hits), found, ["t"], 4)
    table = ablation_table(effects, min_hits=5)
    random, word = table[table["motif"] != "gata"], table[table["motif"] == "gata"].iloc[0]
    assert scipy.stats.kstest(random["p_value"], "uniform").pvalue > 0.01
    assert (random["q_value"] < 0.05).sum() == 0
    # Judged by the interval of the effect alone, one random motif in five would matter, where one
    # in forty should: 0.1 is five standard deviations of 120 motifs above that.
    assert (random["ci_high"] < 0).mean() > 0.1
    # The word adds 1 and what lies beside it next to nothing: more than half of it is its own.
    assert word["rank"] == 1 and word["q_value"] < 0.01 and word["difference_ci_high"] < -0.5
    judged = judged_hits(effects)
    p = judged.loc[judged["motif"] != "gata", "effect_p_value"]
    # Ten hits share 40 random spans, so p is a multiple of 2 / 41, and 4 / 41 = 0.098 lie at or
    # below 0.1. The share of 1,200 has a standard deviation of 0.0095 (two tails of Beta(2, 39) a
    # motif, and ten hits of it): four of them.
    assert (p <= 0.1).mean() == pytest.approx(4 / 41, abs=0.038)


def test_sites_of_ctcf_in_the_demo_stand_out_and_random_places_of_their_windows_do_not(resources):
    source = load_fasta(resources / "genome/chr20_0_1Mb.fa.gz")
    path = resources / "motifs/JASPAR2026_CORE_vertebrates_nr.meme"
    motif = [m for m in load_motifs(path) if m.name == "MA0139.2"]
    whole = source.tokens("chr20", 0, source.lengths["chr20"])
    sites = scan_tokens(prepare_motifs(motif, threshold=1e-5), whole)
    width = motif[0].width
    rng = np.random.default_rng(7)
    starts = sites["start"] - rng.integers(0, 200 - width, len(sites))  # sites anywhere in windows
    every = Windows.build(["chr20"] * len(sites), starts, starts + 200)
    tokens = window_tokens(source, every.chrom, every.start, every.end)
    folded = Ensemble.load(read_model_config(resources / "models/ctcf_pu1.yaml"), "cpu")

    def predict(windows, tokens):
        return predict_windows(folded, windows, tokens, [], batch_size=256).mean

    best = np.sort(np.argsort(-predict(every, tokens)[:, 0])[:20])
    spans = [(a, a + width) for a in sites["start"][best] - starts[best]]
    rows, names = best.tolist(), ["ctcf"] * 20
    for m in range(60):
        chosen = rng.choice(best, 8, replace=False)
        places = rng.integers(0, 200 - width + 1, 8)
        rows, names = rows + chosen.tolist(), names + [f"random{m}"] * 8
        spans += [(a, a + width) for a in places]
    found = hit_ablations(
        predict,
        every.take(rows),
        tokens[rows],
        np.array(spans),
        n_shuffles=10,
        n_controls=5,
        seed=0,
    )
    hits = pd.DataFrame({"motif": names, "name": ""})
    table = ablation_table(effects_of_hits(hits, found, ["ctcf", "pu1"], 5), min_hits=5)
    ctcf = table[table["target"] == "ctcf"].set_index("motif")
    # Of a thousand motifs of two targets at once, 0.002 after Bonferroni's correction: a run would
    # name it among all. The smallest p of 20 sites with 5 random spans each is 2 / 6^20.
    assert ctcf.loc["ctcf", "rank"] == 1 and ctcf.loc["ctcf", "p_value"] < 1e-6
    random = ctcf.drop(index="ctcf")
    assert scipy.stats.kstest(random["p_value"], "uniform").pvalue > 0.01
    assert (random["q_value"] < 0.05).sum() == 0
