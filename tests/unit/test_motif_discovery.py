import sys

import h5py
import numpy as np
import pytest

from cisweep.analysis.motif_discovery import (
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
    assert discover_motifs(one_hot, hypothetical, tmp_path / "m.h5") == []
    assert read_patterns(tmp_path / "m.h5") == []
    write_meme([], tmp_path / "m.meme")
    assert (tmp_path / "m.meme").read_text().startswith("MEME version 4")


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
        Motif(f"M{i}", f"n{i}", sharp(s)) for i, s in enumerate(("GATTACA", "CCCGGC", "TTTGT"))
    ]
    patterns = [pattern(sharp("TGTAATC")), pattern(sharp("CCCGGC"), "neg.x")]
    table = found_table(patterns, known, nearest=2)
    assert table["motif_id"].tolist() == ["M0", "M1"]
    assert table["motif_strand"].tolist() == ["-", "+"]
    assert table["consensus"].tolist() == ["TGTAATC", "CCCGGC"]
    assert table["reverse_complement"].tolist() == ["GATTACA", "GCCGGG"]
    assert table["mean_attribution"].tolist() == pytest.approx([7, 6])
    assert (
        table["nearest_motifs"][0].startswith("n0:") and table["nearest_motifs"][0].count(":") == 2
    )
    assert (table["motif_p_value"] < 1e-2).all()
    assert list(found_table([], known)) == list(table) and not len(found_table([], known))
