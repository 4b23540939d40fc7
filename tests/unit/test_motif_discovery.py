import sys

import h5py
import numpy as np
import pandas as pd
import pytest

from cisweep.analysis import tfmodisco_seqlets
from cisweep.analysis.motifs.discover import (
    DiscoveryOptions,
    Pattern,
    _number_examples,
    discover_motifs,
    discover_motifs_of_export,
    found_table,
    patterns_to_motifs,
    read_patterns,
    trim,
    write_meme,
)
from cisweep.analysis.motifs.discovery_seqlets import call_seqlets, once_a_place, seqlet_row
from cisweep.analysis.seqlets.names import NameRules
from cisweep.analysis.seqlets.tfmodisco_seqlets import WindowRules, fit_thresholds, window_sums
from cisweep.contracts import Windows
from cisweep.errors import AttributionError, CisweepError, ProductError
from cisweep.genome.motifs import Motif, load_motifs

SITE = "TGACGTCAGC"


def planted(n=160, length=200, seed=0, first=30, last=160):
    """Random sequences with SITE once in each, which alone carries attributions; it starts from
    `first` to before `last`."""
    rng = np.random.default_rng(seed)
    letters = rng.integers(0, 4, (n, length))
    hypothetical = rng.normal(0, 0.01, (n, 4, length))
    site = np.array(["ACGT".index(base) for base in SITE])
    for i, start in enumerate(rng.integers(first, last, n)):
        letters[i, start : start + len(site)] = site
        hypothetical[i, :, start : start + len(site)] -= 0.3
        hypothetical[i, site, np.arange(start, start + len(site))] += 1.3
    one_hot = np.eye(4)[letters].transpose(0, 2, 1)
    return one_hot, hypothetical


def pattern(frequencies, name="pos_patterns.pattern_0"):
    matrix = np.array(frequencies, float)
    return Pattern(name, "+", 30, matrix, matrix, matrix)


def flat(width):
    return np.full((4, width), 0.25)


def sharp(consensus):
    matrix = np.full((4, len(consensus)), 0.02)
    matrix[["ACGT".index(base) for base in consensus], range(len(consensus))] = 0.94
    return matrix


@pytest.mark.slow
def test_the_planted_motif_is_found(tmp_path):
    pytest.importorskip("modiscolite")
    one_hot, hypothetical = planted()
    options = DiscoveryOptions(window_bp=200)
    with h5py.File(tmp_path / "export.h5", "w") as file:
        file["raw/seq"], file["shap/seq"] = one_hot.astype(np.int8), hypothetical
    export, out = tmp_path / "export.h5", tmp_path / "modisco.h5"
    found = discover_motifs_of_export(export, out, options)
    patterns = found.patterns
    (up, down) = found.seqlets.to_dict("records")
    assert up["motifs"] == len(patterns) and up["in_motifs"] == sum(p.n_seqlets for p in patterns)
    assert up["found"] == up["clustered"] > 100 and not up["note"] and down["motifs"] == 0
    assert [p.sign for p in patterns] == ["+"] * len(patterns) and patterns[0].n_seqlets > 100
    write_meme(patterns_to_motifs(patterns), tmp_path / "found.meme")
    best = load_motifs(tmp_path / "found.meme")[0]
    # The site, with the four bases on both sides that trimming keeps.
    assert SITE in (best.consensus[4:-4], best.reverse_complement().consensus[4:-4])
    assert best.nsites == patterns[0].n_seqlets
    with h5py.File(out) as file:
        assert file.attrs["window_size"] == 200


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["empty", "zero", "few"])
def test_sets_without_enough_signal_give_a_valid_empty_file(tmp_path, kind):
    pytest.importorskip("modiscolite")
    one_hot, hypothetical = planted(30)
    if kind == "empty":
        one_hot, hypothetical = one_hot[:0], hypothetical[:0]
    if kind == "zero":
        hypothetical = hypothetical * 0
    found = discover_motifs(one_hot, hypothetical, tmp_path / "m.h5")
    assert found.patterns == [] and (found.seqlets["clustered"] == 0).all()
    assert found.seqlets["note"].str.len().gt(0).all()
    assert read_patterns(tmp_path / "m.h5") == []
    write_meme([], tmp_path / "m.meme")
    assert (tmp_path / "m.meme").read_text().startswith("MEME version 4")


@pytest.mark.slow
def test_where_nothing_lies_around_the_window_the_peer_gives_the_same(tmp_path):
    peer = pytest.importorskip("modiscolite.tfmodisco")
    one_hot, hypothetical = planted()
    turned = [x.transpose(0, 2, 1).astype(np.float32) for x in (one_hot, hypothetical)]
    theirs, none = peer.TFMoDISco(
        *turned, sliding_window_size=20, flank_size=5, target_seqlet_fdr=0.05, n_leiden_runs=2,
        trim_to_window_size=30, initial_flank_to_add=10,
    )  # fmt: skip
    ours = discover_motifs(one_hot, hypothetical, tmp_path / "m.h5").patterns
    assert none is None and len(ours) == len(theirs) > 0
    for a, b in zip(ours, theirs):
        assert a.n_seqlets == len(b.seqlets)
        np.testing.assert_array_equal(a.contributions, b.contrib_scores.T)


@pytest.mark.slow
def test_a_short_window_takes_the_flanks_that_are_there(tmp_path):
    """Sites in the central 61 bp; what tf-modiscolite is given of them decides what it finds."""
    pytest.importorskip("modiscolite")
    one_hot, hypothetical = planted(first=77, last=113)
    options = DiscoveryOptions(window_bp=61)
    assert options.read_bp == 141
    found = discover_motifs(one_hot, hypothetical, tmp_path / "m.h5", options)
    assert found.patterns and found.patterns[0].n_seqlets > 100
    (best,) = patterns_to_motifs(found.patterns[:1])
    assert any(SITE in m.consensus for m in (best, best.reverse_complement()))
    with h5py.File(tmp_path / "m.h5") as file:
        assert file.attrs["window_size"] == 141
        spans = file["pos_patterns/pattern_0/seqlets"]
        middle = (spans["start"][:] + spans["end"][:]) / 2
        assert (np.abs(middle - 70) < 45).all() and (spans["start"][:] < 40).any()
    # Only the window itself is stored: groups grow out of it, and the row says so.
    cut = slice(70, 131)
    alone = discover_motifs(one_hot[:, :, cut], hypothetical[:, :, cut], tmp_path / "n.h5", options)
    row = alone.seqlets.iloc[0]
    assert row["in_motifs"] < found.seqlets.iloc[0]["in_motifs"]
    if not row["motifs"]:
        assert "61 bp that are stored (steps.attribute.save_bp)" in row["note"]


def test_seqlets_are_called_in_the_window_and_read_around_it():
    one_hot, hypothetical = planted(n=80)
    projected = (one_hot * hypothetical).sum(1)
    rules = WindowRules(20, 5, 0.05)
    columns = ["example_idx", "start", "end"]
    whole = call_seqlets(projected, slice(0, 200), rules)
    same = tfmodisco_seqlets(projected, 20, 5, 0.05)
    assert len(whole) and whole[columns].equals(same[columns])
    window = slice(70, 131)
    called = call_seqlets(projected, window, rules)
    assert len(called) > 10 and set(called["sign"]) <= {1, 0, -1}
    cores = called["start"] + 5, called["end"] - 5
    assert (cores[0] >= 70).all() and (cores[1] <= 131).all()
    # Flush with the window's edge: its flank lies outside, and is there.
    assert (called["start"] < 70).any() or (called["end"] > 131).any()
    # By hand: of the spans in the window that pass, the largest, then the next out of its reach.
    sums = window_sums(projected, rules)
    limits = fit_thresholds(np.sort(sums, axis=None), None, rules)
    expected = []
    for example, row in enumerate(sums):
        starts = np.arange(70, 131 - 20 + 1)
        passing = starts[(row[starts] >= limits.positive) | (row[starts] <= limits.negative)]
        while len(passing):
            best = passing[np.argmax(np.abs(row[passing]))]
            expected.append((example, best - 5, best + 25))
            passing = passing[np.abs(passing - best) > rules.reach]
    assert list(called[columns].itertuples(index=False, name=None)) == expected
    assert call_seqlets(projected[:0], window, rules).empty


def shifted(n=60, shifts=(-33, 0, 26)):
    """Windows of 200 bp shifted over the same bases, one-hot and hypothetical, and the sites."""
    wide, scores = planted(n=n, length=300, first=120, last=170)
    start = 1000 * np.arange(n)[:, None] + 50 + np.array(shifts)
    cut = [slice(50 + s, 250 + s) for s in shifts]
    both = [
        np.stack([x[:, :, c] for c in cut], axis=1).reshape(-1, *x[:, :, cut[0]].shape[1:])
        for x in (wide, scores)
    ]
    windows = Windows.build(["c"] * start.size, start.ravel(), start.ravel() + 200)
    return windows, *both


@pytest.mark.parametrize("window", [slice(0, 200), slice(40, 160)])
def test_a_place_that_windows_share_is_one_seqlet(window):
    windows, one_hot, hypothetical = shifted()
    rules = WindowRules(20, 5, 0.05)
    called = call_seqlets((one_hot * hypothetical).sum(1), window, rules)
    mask = once_a_place(called, windows, 200, window, rules)
    place = windows.start[called["example_idx"]] + called["start"].to_numpy()
    up = (called["sign"] == 1).to_numpy()
    middle = (called["example_idx"] % 3 == 1).to_numpy()
    kept = place[mask & up]
    # The same bases give the same calls, so those of the middle windows are the places.
    assert len(set(kept)) == len(kept) and set(kept) == set(place[middle & up])
    assert set(kept // 1000) == set(range(60)) and up.sum() > 2.5 * len(kept)  # 3 windows
    # Whatever the order of the windows.
    order = np.random.default_rng(0).permutation(len(windows))
    again = call_seqlets((one_hot * hypothetical).sum(1)[order], window, rules)
    turned = again[once_a_place(again, windows.take(order), 200, window, rules)]
    assert set(zip(order[turned["example_idx"]], turned["start"])) == set(
        zip(called["example_idx"][mask], called["start"][mask])
    )
    # Windows over different sequences share nothing.
    alone = Windows.build(range(len(windows)), windows.start, windows.end)
    assert once_a_place(called, alone, 200, window, rules).all()


@pytest.mark.slow
def test_discovery_clusters_each_place_once(tmp_path):
    pytest.importorskip("modiscolite")
    windows, one_hot, hypothetical = shifted(n=120)
    options = DiscoveryOptions(window_bp=200)
    rows = np.arange(len(windows))
    found = discover_motifs(one_hot, hypothetical, tmp_path / "m.h5", options, rows, windows)
    called = call_seqlets((one_hot * hypothetical).sum(1), slice(0, 200), WindowRules(20, 5, 0.05))
    called = called[called["sign"] == 1]
    places = set(windows.start[called["example_idx"]] + called["start"])
    row = found.seqlets.iloc[0]
    assert row["found"] == row["clustered"] == len(places) > 120
    assert row["repeated"] == len(called) - len(places) > len(places)
    assert sum(p.n_seqlets for p in found.patterns) == row["in_motifs"] <= len(places)


@pytest.mark.parametrize(
    ("n", "sizes", "note"),
    [
        (0, [], "no span of 20 bp stands out with positive attribution"),
        (100, [], "there are 100 positive seqlets, and more than steps.discover.min_seqlets = 100"),
        (
            120,
            [],
            "the 120 positive seqlets do not form a cluster of 20 similar ones; around 60 of",
        ),
        (120, [70, 30], ""),
    ],
)
def test_what_became_of_the_seqlets_is_told(n, sizes, note):
    start = np.where(np.arange(n) % 2, 0, 15)
    called = pd.DataFrame({"start": start, "end": start + 30, "sign": 1})
    projected = np.zeros((3, 61))
    projected[:, 30:32] = [[1.0, -2.0], [3.0, 1.0], [0.0, 0.0]]
    projected[:, 0] = 9.0  # outside the window
    options, window = DiscoveryOptions(window_bp=41), slice(10, 51)
    row = seqlet_row(called, 1, sizes, projected, window, options)
    assert row["note"].startswith(note) and bool(row["note"]) == bool(note)
    want = [n, n if n > 100 else 0, sum(sizes), len(sizes)]
    assert [row[k] for k in ("found", "clustered", "in_motifs", "motifs")] == want
    assert [row["windows"], row["window_attribution"]] == [3, pytest.approx(5 / 3)]
    assert row["window_attribution_sd"] == pytest.approx(np.std([1, 4, 0]))
    other = seqlet_row(called, -1, [], projected, window, options)
    assert other["note"].startswith("no span")
    assert other["window_attribution"] == pytest.approx(-2 / 3)


def test_trimming_keeps_what_carries_the_attribution():
    weight = np.array([0, 0, 0.1, 0, 0, 0, 0.4, -1, 0, 0.31, 0, 0, 0, 0, 0, 0.2])
    matrix = np.zeros((4, 16))
    matrix[2] = weight
    some = Pattern("p", "+", 30, flat(16), matrix, matrix)
    assert (trim(some), trim(some, flank=0)) == (slice(2, 14), slice(6, 10))
    assert trim(some, 0.05, flank=20) == slice(0, 36)  # cut off by the matrix itself
    assert patterns_to_motifs([some], 1.0, 1)[0].width == 3
    with pytest.raises(CisweepError, match="from 0 to 1, got 2"):
        trim(some, 2)


def test_a_meme_file_is_read_back(tmp_path):
    patterns = [pattern(np.hstack([0 * flat(4), sharp("GATTACA")])), pattern(sharp("CC"), "neg.x")]
    written = patterns_to_motifs(patterns, flank=0)
    write_meme(written, tmp_path / "p.meme")
    read = load_motifs(tmp_path / "p.meme")
    assert [m.label for m in read] == ["pos_patterns.pattern_0 GATTACA", "neg.x CC"]
    assert [m.nsites for m in read] == [30, 30]
    for one, other in zip(written, read):
        np.testing.assert_allclose(one.pwm, other.pwm, atol=1e-6)


def test_patterns_are_read_in_the_order_of_their_numbers(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        for group, names in (("neg_patterns", [0]), ("pos_patterns", [0, 2, 10])):
            for name in names:
                fields = file.create_group(f"{group}/pattern_{name}")
                for key in ("sequence", "contrib_scores", "hypothetical_contribs"):
                    fields[key] = np.array([[0.5, 0.25, 0, 0], [0, 0, 0, 0]])
                fields["seqlets/n_seqlets"] = np.array([name + 20])
    patterns = read_patterns(tmp_path / "m.h5")
    assert [(p.name, p.sign, p.n_seqlets) for p in patterns] == [
        ("pos_patterns.pattern_0", "+", 20),
        ("pos_patterns.pattern_2", "+", 22),
        ("pos_patterns.pattern_10", "+", 30),
        ("neg_patterns.pattern_0", "-", 20),
    ]
    expected = [[2 / 3, 0.25], [1 / 3, 0.25], [0, 0.25], [0, 0.25]]
    np.testing.assert_allclose(patterns[0].probabilities, expected)


def test_without_the_package_the_error_says_how_to_install_it(tmp_path, monkeypatch):
    for name in ("modiscolite", "modiscolite.tfmodisco", "modiscolite.io"):
        monkeypatch.setitem(sys.modules, name, None)
    one_hot, hypothetical = planted(3)
    with pytest.raises(CisweepError, match=r"pip install 'cisweep\[motifs\]'"):
        discover_motifs(one_hot, hypothetical, tmp_path / "m.h5")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, h: (x, h[:, :, 1:]), r"one-hot \(5, 4, 200\) .* \(5, 4, 199\)"),
        (lambda x, h: (x.transpose(0, 2, 1), h.transpose(0, 2, 1)), r"\(examples, 4, length\)"),
        (lambda x, h: (x[:, :, :20], h[:, :, :20]), "20 bp are too short for a seqlet"),
        (lambda x, h: (x, h * np.nan), "NaN or infinite"),
    ],
)
def test_wrong_arrays_are_refused(tmp_path, change, message):
    with pytest.raises(AttributionError, match=message):
        discover_motifs(*change(*planted(5)), tmp_path / "m.h5")


def test_files_that_are_none_are_named(tmp_path):
    (tmp_path / "x.h5").write_bytes(b"no")
    with pytest.raises(ProductError, match=r"x\.h5: not a modisco.h5"):
        read_patterns(tmp_path / "x.h5")
    with pytest.raises(ProductError, match=r"x\.h5: not an export"):
        discover_motifs_of_export(tmp_path / "x.h5", tmp_path / "y.h5")


def test_examples_carry_the_numbers_of_their_rows(tmp_path):
    """A sample in an order of its own names the same sequences."""
    rows = np.array([7, 3, 11, 5])
    with h5py.File(tmp_path / "m.h5", "w") as file:
        for group in ("pos_patterns/pattern_0", "pos_patterns/pattern_0/subpattern_1"):
            file[f"{group}/seqlets/example_idx"] = np.array([2, 0, 2])
    _number_examples(tmp_path / "m.h5", rows)
    with h5py.File(tmp_path / "m.h5") as file:
        assert file["pos_patterns/pattern_0/seqlets/example_idx"][:].tolist() == [11, 7, 11]
        again = file["pos_patterns/pattern_0/subpattern_1/seqlets/example_idx"]
        assert again[:].tolist() == [11, 7, 11]


def test_found_motifs_are_named_by_the_closest_known_one():
    known = [
        Motif(f"M{i}", f"n{i}", sharp(s)) for i, s in enumerate(("GATTACA", "CCCTGAGC", "TTTGT"))
    ]
    patterns = [pattern(sharp("TGTAATC")), pattern(sharp("CCCTGAGC"), "neg.x")]
    drawn = np.random.default_rng(0).integers(0, 4, (50, 60))
    one_hot = np.eye(4, dtype=np.int8)[drawn].transpose(0, 2, 1)
    table = found_table(patterns, known, one_hot, NameRules(nearest=2))
    assert table["motif_id"].tolist() == ["M0", "M1"]
    assert table["motif_strand"].tolist() == ["-", "+"]
    assert table["consensus"].tolist() == ["TGTAATC", "CCCTGAGC"]
    assert table["reverse_complement"].tolist() == ["GATTACA", "GCTCAGGG"]
    assert table["mean_attribution"].tolist() == pytest.approx([7, 8])
    assert (
        table["nearest_motifs"][0].startswith("n0:") and table["nearest_motifs"][0].count(":") == 2
    )
    assert (table["motif_p_value"] < 1e-2).all()
    assert (table["name_p_value"] <= 0.05).all()
    none = found_table([], known, one_hot)
    assert list(none) == list(table) and not len(none)
    # A repeat is as close to its like however its columns stand: nearest, but no name.
    repeat = [pattern(sharp("AAAAAA")), pattern(sharp("CCCTGAGC"), "neg.x")]
    other = found_table(repeat, known, one_hot)
    assert other["motif"].isna().tolist() == [True, False]
    assert other["motif_q_value"].isna().tolist() == [True, False]
    assert other["name_p_value"][0] == 1 and other["nearest_motifs"].str.contains(":").all()
