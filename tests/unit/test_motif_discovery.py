import sys

import h5py
import numpy as np
import pytest

from cisweep.analysis.motif_discovery import (
    DiscoveryOptions,
    Pattern,
    discover_motifs,
    discover_motifs_of_export,
    patterns_to_meme,
    read_patterns,
    trim,
)
from cisweep.errors import AttributionError, CisweepError, ProductError
from cisweep.genome.motifs import Motif, load_motifs

SITE = "TGACGTCAGC"


def planted(n=160, length=200, seed=0):
    """Random sequences with SITE once in each, which alone carries attributions."""
    rng = np.random.default_rng(seed)
    letters = rng.integers(0, 4, (n, length))
    hypothetical = rng.normal(0, 0.01, (n, 4, length))
    site = np.array(["ACGT".index(base) for base in SITE])
    for i, start in enumerate(rng.integers(30, length - 40, n)):
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
    patterns = discover_motifs_of_export(export, out, options)
    assert [p.sign for p in patterns] == ["+"] * len(patterns) and patterns[0].n_seqlets > 100
    patterns_to_meme(patterns, tmp_path / "found.meme")
    best = load_motifs(tmp_path / "found.meme")[0]
    assert SITE in (best.consensus, best.reverse_complement().consensus)
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
    assert discover_motifs(one_hot, hypothetical, tmp_path / "m.h5") == []
    assert read_patterns(tmp_path / "m.h5") == []
    assert patterns_to_meme([], tmp_path / "m.meme") == []
    assert (tmp_path / "m.meme").read_text().startswith("MEME version 4")


def test_trimming_keeps_what_is_between_the_informative_ends():
    whole = Motif("m", "", np.hstack([flat(3), sharp("GAT"), flat(2), sharp("C"), flat(4)]))
    short = trim(whole)
    np.testing.assert_array_equal(short.pwm, whole.pwm[:, 3:9])
    assert trim(whole, share=0).width == whole.width
    assert trim(Motif("m", "", flat(5))).width == 5
    # Against its own background a base says nothing.
    rich = np.array([[0.7, 0.1, 0.1, 0.1]]).T
    mixed = Motif("m", "", np.hstack([rich, sharp("C"), rich]))
    assert trim(mixed, 0.15).width == 3
    assert trim(mixed, 0.15, background=[0.7, 0.1, 0.1, 0.1]).width == 1
    with pytest.raises(CisweepError, match="from 0 to 1, got 2"):
        trim(whole, 2)


def test_a_meme_file_is_read_back(tmp_path):
    patterns = [pattern(np.hstack([flat(4), sharp("GATTACA")])), pattern(sharp("CC"), "neg.x")]
    written = patterns_to_meme(patterns, tmp_path / "p.meme")
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
    with pytest.raises(CisweepError, match=r"pip install modisco==2\.5\.2"):
        discover_motifs(one_hot, hypothetical, tmp_path / "m.h5")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, h: (x, h[:, :, 1:]), r"one-hot \(5, 4, 200\) .* \(5, 4, 199\)"),
        (lambda x, h: (x.transpose(0, 2, 1), h.transpose(0, 2, 1)), r"\(examples, 4, length\)"),
        (lambda x, h: (x[:, :, :20], h[:, :, :20]), "20 bp have no room for a seqlet"),
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
