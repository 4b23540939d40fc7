"""Experiments with motifs against marginalize, ablate and space (equal to tangermeme) and loops."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch

from cisweep.analysis.perturbation.ablations import hits_in_windows
from cisweep.analysis.perturbation.gather import rank_motifs, summarise
from cisweep.analysis.perturbation.perturb import marginalize, space
from cisweep.analysis.perturbation.windows import (
    Backgrounds,
    marginal_effects,
    spacing_effects,
)
from cisweep.analysis.prediction.predict import predict
from cisweep.bases import gc_share
from cisweep.contracts import Windows
from cisweep.errors import MotifError, RegionError
from cisweep.genome.fasta import NamedSequences
from cisweep.genome.motifs import Motif
from cisweep.outputs.experiments import (
    read_backgrounds,
    selected_hits,
    strongest_hits,
    write_backgrounds,
    write_experiment,
)
from cisweep.plan.chunks import Layout, split_items
from cisweep.plan.contents.backgrounds import (
    random_windows,
    read_windows,
)
from cisweep.plan.contents.motifs import choose_motifs
from cisweep.plan.contents.space import choose_motif

W, N = 40, 7


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(4)
        self.out = torch.nn.Linear(4 * W, 2)

    def forward(self, X):
        return torch.tanh(self.out(X.flatten(1))) * 3


NET = Net()


def model(windows, tokens):
    """Return what NET gives; a row's bits do not depend on its batch, as torch's products' may."""
    assert len(windows) == len(tokens)
    X = np.eye(5, 4, dtype=np.float32)[tokens].transpose(0, 2, 1).reshape(len(tokens), 1, -1)
    weight, bias = (p.detach().numpy() for p in (NET.out.weight, NET.out.bias))
    return np.tanh((X * weight).sum(-1) + bias) * 3


def motif(name, letters, alt=""):
    return Motif(name, alt, np.eye(4)[["ACGT".index(x) for x in letters]].T)


MOTIFS = [motif("m1", "ACGTACG", "ONE"), motif("m2", "TTGCA", "TWO"), motif("m3", "GGGGGGCC")]


@pytest.fixture
def backgrounds():
    tokens = np.random.default_rng(0).integers(0, 4, (N, W)).astype(np.uint8)
    start = np.arange(N) * 100
    return Backgrounds.of(model, Windows.build(["c"] * N, start, start + W), tokens)


def one_hot(tokens):
    return torch.eye(5, 4)[torch.from_numpy(tokens).long()].transpose(1, 2)


def test_summary_against_scipy():
    values = np.random.default_rng(1).normal(size=(9, 3))
    found = summarise(values)
    for t in range(3):
        low, high = scipy.stats.t.interval(
            0.95, 8, loc=values[:, t].mean(), scale=scipy.stats.sem(values[:, t])
        )
        assert (found["ci_low"][t], found["ci_high"][t]) == pytest.approx((low, high))
    assert np.isnan(summarise(values[:1])["ci_low"]).all()
    two = summarise(values[:2, 0])  # Student's t with one degree of freedom is 12.7062
    half = 12.7062 * abs(values[0, 0] - values[1, 0]) / 2
    assert two["ci_high"] - two["effect"] == pytest.approx(half, rel=1e-5)


def test_additional_arguments_override_the_others():
    def size(model, X, **options):
        return options["batch_size"], options["device"]

    X = one_hot(np.zeros((1, 9), np.uint8))
    found = marginalize(
        NET, X, "ACG", func=size, additional_func_kwargs={"batch_size": 7}, batch_size=3,
        device="cpu",
    )  # fmt: skip
    assert found == ((7, "cpu"), (7, "cpu"))


def test_marginal_effects_equal_marginalize(backgrounds):
    table = marginal_effects(model, backgrounds, MOTIFS, ["a", "b"])
    assert table["motif"].tolist() == ["m1", "m1", "m2", "m2", "m3", "m3"]
    X = one_hot(backgrounds.tokens)
    for i, m in enumerate(MOTIFS):
        before, after = marginalize(NET, X, m.consensus, func=predict, device="cpu")
        rows = table.iloc[2 * i : 2 * i + 2]
        delta = (after - before).double().numpy()
        assert rows["effect"].to_numpy() == pytest.approx(delta.mean(0), abs=1e-5)
        assert rows["effect_sd"].to_numpy() == pytest.approx(delta.std(0, ddof=1), abs=1e-5)
        assert rows["mean_after"].to_numpy() == pytest.approx(after.numpy().mean(0), abs=1e-5)
    parts = [marginal_effects(model, backgrounds, [m], ["a", "b"]) for m in MOTIFS]
    pd.testing.assert_frame_equal(table, pd.concat(parts, ignore_index=True), check_exact=True)


def test_steps_are_marginalize_and_space_of_the_same_tokens_to_the_bit(backgrounds):
    X, (a, b) = torch.from_numpy(backgrounds.tokens), MOTIFS[:2]

    def func(predictor, X):
        return torch.from_numpy(predictor(backgrounds.windows, X.numpy()).astype(np.float64))

    before, after = marginalize(model, X, a.consensus, func=func)
    rows = marginal_effects(model, backgrounds, [a], ["x", "y"])
    assert (rows["effect"] == (after - before).numpy().mean(0)).all()
    assert (rows["mean_after"] == after.numpy().mean(0)).all() and rows["effect"].abs().min() > 0
    first, distances = a.reverse_complement().consensus, [0, 7]
    before, afters = space(model, X, [first, b.consensus], [[d] for d in distances], func=func)
    rows = spacing_effects(model, backgrounds, [(a, b)], distances, ["-+"], ["x", "y"])
    mean = (afters - before[:, None]).numpy().mean(0)
    assert (rows["effect"].to_numpy().reshape(2, 2) == mean).all()
    alone = [
        marginalize(model, X, m, start=s, func=func) for m, s in ((first, 14), (b.consensus, 21))
    ]
    joint = (afters[:, 0] - before - sum(y - x for x, y in alone)).numpy().mean(0)
    np.testing.assert_allclose(rows["interaction"][:2], joint, rtol=1e-12)


def test_ranks_are_those_of_the_near_end_of_the_interval():
    rows = [("a", 9, 5.0, 4.0), ("a", 2, 9.0, -3.0), ("a", 9, 4.5, 4.2), ("a", 1, 99, np.nan)]
    table = pd.DataFrame(rows, columns=["target", "n", "effect", "ci_low"])
    table["ci_high"] = 2 * table["effect"] - table["ci_low"]
    assert rank_motifs(table)["rank"].fillna(0).tolist() == [2, 3, 1, 0]
    assert rank_motifs(table, min_n=3)["rank"].fillna(0).tolist() == [2, 0, 1, 0]
    lost = table.assign(effect=-table["effect"], ci_low=-table["ci_high"], ci_high=-table["ci_low"])
    assert rank_motifs(lost, losses=True)["rank"].fillna(0).tolist() == [2, 3, 1, 0]
    both = pd.concat([table, table.assign(target="b")], ignore_index=True)
    assert rank_motifs(both)["rank"].fillna(0).tolist() == [2, 3, 1, 0] * 2


def test_spacing_effects_equal_space(backgrounds):
    distances = [0, 3, 11]
    a, b = MOTIFS[:2]
    table = spacing_effects(model, backgrounds, [(a, b)], distances, ["++", "-+"], ["a", "b"])
    X = one_hot(backgrounds.tokens)
    for orientation in ("++", "-+"):
        first = a.consensus if orientation[0] == "+" else a.reverse_complement().consensus
        before, afters = space(
            NET, X, [first, b.consensus], [[d] for d in distances], func=predict, device="cpu"
        )
        for k, d in enumerate(distances):
            rows = table[(table["orientation"] == orientation) & (table["distance_bp"] == d)]
            pair = (afters[:, k] - before).double().numpy()
            assert rows["effect"].to_numpy() == pytest.approx(pair.mean(0), abs=1e-5)
            start = W // 2 - (a.width + b.width + d) // 2
            alone = [
                marginalize(NET, X, m, start=s, func=predict, device="cpu")
                for m, s in ((first, start), (b.consensus, start + a.width + d))
            ]
            joint = pair - sum((y - x).double().numpy() for x, y in alone)
            assert rows["interaction"].to_numpy() == pytest.approx(joint.mean(0), abs=1e-5)
    with pytest.raises(MotifError, match="m1 and m2 at 30 bp take 42 bp, and the window has 40"):
        spacing_effects(model, backgrounds, [(a, b)], [30], ["++"], ["a", "b"])
    with pytest.raises(MotifError, match="motif wide has 41 positions, and the window has 40 bp"):
        marginal_effects(model, backgrounds, [motif("wide", "A" * 41)], ["a", "b"])


def test_hits_have_the_window_they_lie_in():
    windows = Windows.build(["c", "c", "d"], [0, 20, 0], [40, 60, 40])
    hits = pd.DataFrame(
        {
            "chrom": ["c", "c", "c", "d", "e"],
            "start": [22, 30, 38, 5, 5],
            "end": [26, 38, 45, 9, 9],
        }
    )
    kept, own, spans = hits_in_windows(hits, windows)
    assert kept["start"].tolist() == [22, 30, 38, 5]
    assert own.start.tolist() == [0, 20, 20, 0]
    assert spans.tolist() == [[22, 26], [10, 18], [18, 25], [5, 9]]
    assert len(hits_in_windows(hits, windows.take(slice(0, 0)))[0]) == 0


def test_hits_in_windows_against_a_loop():
    rng = np.random.default_rng(8)
    start = np.sort(rng.integers(0, 900, 60))
    windows = Windows.build(rng.choice(["c", "d"], 60), start, start + 50)
    low = rng.integers(0, 950, 400)
    hits = pd.DataFrame(
        {
            "chrom": rng.choice(["c", "d", "e"], 400),
            "start": low,
            "end": low + rng.integers(5, 60, 400),
        }
    )
    kept, own, _ = hits_in_windows(hits, windows)
    expected = []
    for hit in hits.itertuples():
        inside = [
            i
            for i in range(60)
            if windows.chrom[i] == hit.chrom
            and windows.start[i] <= hit.start
            and hit.end <= windows.end[i]
        ]
        if inside:
            away = [abs(2 * int(windows.start[i]) + 50 - hit.start - hit.end) for i in inside]
            expected.append((hit.start, int(windows.start[inside[int(np.argmin(away))]])))
    assert list(zip(kept["start"], own.start)) == expected and 50 < len(expected) < 400


def test_the_strongest_hits_of_a_motif_do_not_overlap(tmp_path):
    rows = [  # chrom, start, end, strand, motif, p-value
        ("d", 5, 12, "+", "m1", 1e-7),
        ("c", 10, 17, "+", "m1", 1e-6),
        ("c", 10, 17, "-", "m1", 1e-8),
        ("c", 15, 22, "+", "m1", 1e-9),
        ("c", 30, 37, "+", "m1", 1e-5),
        ("c", 30, 37, "+", "m2", 1e-5),
        ("c", 90, 97, "+", "m1", 1e-12),
        ("c", 12, 19, "+", "m3", 1e-9),
    ]
    columns = ["chrom", "start", "end", "strand", "motif", "p_value"]
    table = pd.DataFrame(rows, columns=columns).assign(name="")
    windows = Windows.build(["c", "d"], [0, 0], [50, 50])
    found = []
    for size in (1, 3, 100):  # rows of a row group do not matter here
        path = tmp_path / f"{size}.parquet"
        table.to_parquet(path, row_group_size=size)
        place = partial(hits_in_windows, windows=windows)
        found.append(strongest_hits(path, {"m1", "m2"}, 2, place, ["d", "c"]))
    for hits in found:
        assert hits[["chrom", "start", "strand", "motif"]].to_numpy().tolist() == [
            ["d", 5, "+", "m1"], ["c", 15, "+", "m1"], ["c", 30, "+", "m2"],
        ]  # fmt: skip
    write_experiment(found[0], tmp_path / "s.parquet", {})
    layout = Layout({"d": 100, "c": 100}, 100)
    hits, own, spans = selected_hits(tmp_path / "s.parquet", layout, "c000001")
    assert hits["motif"].tolist() == ["m1", "m2"] and spans.tolist() == [[15, 22], [30, 37]]
    assert own.keys() == ["c:0-50(.)"] * 2
    assert len(selected_hits(tmp_path / "s.parquet", layout, "c000007")[0]) == 0


def test_backgrounds_are_drawn_by_hash():
    rng = np.random.default_rng(2)
    source = NamedSequences({
        "c": rng.choice(4, 3000, p=[0.4, 0.1, 0.1, 0.4]).astype(np.uint8),
        "d": rng.choice(4, 3000, p=[0.1, 0.4, 0.4, 0.1]).astype(np.uint8),
    })  # fmt: skip
    windows, tokens = random_windows(source, ["c", "d"], 50, 30, seed=3)
    assert set(windows.chrom) == {"c", "d"}
    assert (
        tokens == [source.tokens(c, s, s + 50) for c, s in zip(windows.chrom, windows.start)]
    ).all()
    again, _ = random_windows(source, ["c", "d"], 50, 10, seed=3)
    assert again.keys() == windows.keys()[:10]
    gc = np.r_[np.linspace(0.16, 0.24, 6), np.linspace(0.76, 0.84, 6)]
    _, matched = random_windows(source, ["c", "d"], 50, 12, seed=3, gc=gc)
    assert np.abs(gc_share(matched) - gc).max() <= 0.02 + 1e-9
    # What no window has is matched as nearly as the draws allow.
    _, rich = random_windows(source, ["c"], 50, 1, seed=3, gc=np.array([1.0]))
    assert gc_share(rich)[0] > 0.3
    n_only = NamedSequences({"c": np.full(100, 4, np.uint8)})
    with pytest.raises(RegionError, match="2000 random windows of 50 bp all contain N"):
        random_windows(n_only, ["c"], 50, 1, seed=3)
    with pytest.raises(RegionError, match="no chromosome is as long"):
        random_windows(source, ["c"], 5000, 1, seed=3)
    kept, kept_tokens = read_windows(source, windows, 4, 9)
    assert len(kept) == 4 and kept_tokens.shape == (4, 50)


def test_shuffled_backgrounds_keep_dinucleotides(backgrounds):
    found = Backgrounds.shuffled(model, backgrounds.windows, backgrounds.tokens, 10, 5)
    assert found.windows.keys()[7:] == backgrounds.windows.keys()[:3]
    for i in range(10):
        a, b = backgrounds.tokens[i % N], found.tokens[i]
        assert (
            np.bincount(4 * a[:-1] + a[1:], minlength=16).tolist()
            == np.bincount(4 * b[:-1] + b[1:], minlength=16).tolist()
        )
        assert (a != b).any()
    assert (found.tokens[0] != found.tokens[7]).any()
    assert found.before == pytest.approx(model(found.windows, found.tokens))


def test_motifs_are_chosen_by_identifier_or_name():
    motifs = [*MOTIFS, motif("m4", "ACG", "TWO")]
    assert [m.name for m in choose_motifs(motifs, ["two", "m1"])] == ["m1", "m2", "m4"]
    assert choose_motifs(motifs, None) == motifs
    assert choose_motif(motifs, "one").name == "m1"
    with pytest.raises(MotifError, match="no motif is called five"):
        choose_motifs(motifs, ["m1", "five"])
    with pytest.raises(MotifError, match="2 motifs are called TWO: m2, m4"):
        choose_motif(motifs, "TWO")


def test_items_are_split_by_the_bases_that_they_take():
    assert split_items([10] * 7, 30) == {
        "c000000": range(0, 3), "c000001": range(3, 6), "c000002": range(6, 7)
    }  # fmt: skip
    assert split_items([100, 5, 5], 30) == {"c000000": range(0, 1), "c000003": range(1, 3)}
    assert split_items([], 30) == {}
    sizes = np.random.default_rng(0).integers(1, 50, 200).tolist()
    for chunk_bp in (1, 20, 333, 10**6):
        parts = split_items(sizes, chunk_bp)
        assert [i for rows in parts.values() for i in rows] == list(range(200))


def test_backgrounds_are_read_back(backgrounds, tmp_path):
    for name in ("a", "b"):
        path = tmp_path / f"{name}.npz"
        write_backgrounds(path, backgrounds.windows, backgrounds.tokens, backgrounds.before)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    found = Backgrounds(*read_backgrounds(path))
    assert found.windows.keys() == backgrounds.windows.keys()
    assert (found.tokens == backgrounds.tokens).all() and (found.before == backgrounds.before).all()


def test_a_hit_between_two_windows_goes_to_the_left_one():
    windows = Windows.build(["c", "c"], [0, 10], [40, 50])
    hits = pd.DataFrame({"chrom": "c", "start": [20, 21, 19], "end": [30, 31, 29]})
    kept, own, spans = hits_in_windows(hits, windows)
    assert own.start.tolist() == [0, 10, 0]
    assert spans.tolist() == [[20, 30], [11, 21], [19, 29]] and len(kept) == 3
