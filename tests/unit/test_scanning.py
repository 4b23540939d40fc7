"""Public behaviour of scanning: tiles, N, strands, options, errors."""

import gzip
import subprocess
import sys

import numpy as np
import pytest

from cisweep.analysis.motifs.fimo import count_tests, fimo, scan_tokens
from cisweep.analysis.motifs.score_distribution import background_from_counts, prepare_motifs
from cisweep.errors import MotifError, SequenceError
from cisweep.genome.motifs import Motif


def sharp(word: str) -> np.ndarray:
    """The matrix that knows one word."""
    return np.eye(4)[["ACGT".index(c) for c in word]].T


def tokens_of(text: str) -> np.ndarray:
    return np.array(["ACGTN".index(c) for c in text], dtype=np.uint8)


def places(hits: np.ndarray) -> list[tuple]:
    return [(int(h["start"]), int(h["end"]), str(h["strand"])) for h in hits]


def test_both_strands_and_palindrome():
    model = prepare_motifs({"a": sharp("GGGGCAT"), "pal": sharp("CACACGTGTG")})
    text = "TT" + "GGGGCAT" + "TTT" + "ATGCCCC" + "T" + "CACACGTGTG" + "T"
    hits = scan_tokens(model, tokens_of(text))
    assert places(hits) == [(2, 9, "+"), (12, 19, "-"), (20, 30, "+"), (20, 30, "-")]
    assert hits["p_value"].tolist() == pytest.approx([4**-7, 4**-7, 4**-10, 4**-10])
    one = prepare_motifs({"a": sharp("GGGGCAT")}, reverse_complement=False)
    assert places(scan_tokens(one, tokens_of(text))) == [(2, 9, "+")]


def test_n_never_matches_and_is_no_test():
    model = prepare_motifs({"a": np.full((4, 3), 0.25)}, threshold=2.0)
    tokens = tokens_of("ACGTNACGNAC")
    assert places(scan_tokens(model, tokens)) == [
        (0, 3, "+"), (0, 3, "-"), (1, 4, "+"), (1, 4, "-"), (5, 8, "+"), (5, 8, "-"),
    ]  # fmt: skip
    assert count_tests(model, tokens).tolist() == [6]
    assert count_tests(model, tokens, own=(1, 5)).tolist() == [2]
    assert count_tests(model, tokens_of("NNN")).tolist() == [0]


def test_offset_and_own_range():
    model = prepare_motifs({"a": sharp("GGGGCAT")})
    tokens = tokens_of("GGGGCAT" * 3)
    assert [h[0] for h in places(scan_tokens(model, tokens, offset=100))] == [100, 107, 114]
    assert [h[0] for h in places(scan_tokens(model, tokens, own=(7, 14)))] == [7]
    assert len(scan_tokens(model, tokens, own=(3, 3))) == 0
    assert len(scan_tokens(model, tokens[:3])) == 0  # shorter than the motif
    with pytest.raises(SequenceError, match=r"own is \[5, 99\).*21 positions"):
        scan_tokens(model, tokens, own=(5, 99))


def test_hits_beyond_the_first_guess_of_their_number():
    model = prepare_motifs({"a": sharp("AAAAAAA")})
    hits = scan_tokens(model, np.zeros(50_000, dtype=np.uint8))
    assert len(hits) == 50_000 - 6 and (np.diff(hits["start"]) == 1).all()


def test_unreachable_threshold_gives_no_hit():
    model = prepare_motifs({"a": sharp("ACG"), "b": sharp("GGGGCAT")})
    assert np.diff(model.cell_offset).tolist() == [0, 1 + model.tables.limit[2]]
    assert set(scan_tokens(model, tokens_of("ACGGGGCATACG"))["motif_idx"]) == {1}


def test_background_changes_scores_and_is_strand_blind():
    model = prepare_motifs({"a": sharp("AC")}, background=(0.4, 0.1, 0.3, 0.2), threshold=0.5)
    np.testing.assert_allclose(model.background, [0.3, 0.2, 0.2, 0.3])
    (hit,) = scan_tokens(model, tokens_of("AC"))
    assert hit["score"] == pytest.approx(np.log2(1 / 0.3) + np.log2(1 / 0.2), abs=0.1)
    assert hit["p_value"] == pytest.approx(0.3 * 0.2, rel=1e-12)
    as_given = prepare_motifs(
        {"a": sharp("AC")}, background=(0.4, 0.1, 0.3, 0.2), reverse_complement=False
    )
    np.testing.assert_allclose(as_given.background, [0.4, 0.1, 0.3, 0.2])
    np.testing.assert_allclose(background_from_counts([30, 10, 10, 50]), [0.4, 0.1, 0.1, 0.4])


def test_fimo_on_fasta_one_hot_and_tensor(tmp_path):
    motif = {"a": sharp("GGGGCAT")}
    fasta = tmp_path / "x.fa"
    fasta.write_text(">first words\nACGGGGCATn\n>second\nATGCCCCGGGGCAT\n")
    (frame,) = fimo(motif, str(fasta))
    assert frame["sequence_name"].tolist() == ["first", "second", "second"]
    assert frame["start"].tolist() == [2, 7, 0] and frame["strand"].tolist() == ["+", "+", "-"]
    assert frame["motif_name"].tolist() == ["a"] * 3
    assert [len(f) for f in fimo(motif, str(fasta), dim=1)] == [1, 2]
    assert fimo(motif, fasta, return_counts=True).tolist() == [3]
    one_hot = np.stack([sharp("ACGGGGCATA"), sharp("TATGCCCCTA")])
    frames = [fimo(motif, one_hot.astype(dtype))[0] for dtype in (np.int8, np.float32, bool)]
    for frame in frames:
        assert frame["sequence_name"].tolist() == [0, 1] and frame["start"].tolist() == [2, 1]
    torch = pytest.importorskip("torch")
    (frame,) = fimo({"a": torch.from_numpy(motif["a"])}, torch.from_numpy(one_hot))
    assert frame["start"].tolist() == [2, 1]


def test_fimo_reads_meme_and_background_of_sequences(tmp_path):
    path = tmp_path / "m.meme.gz"
    rows = "\n".join(" ".join(str(v) for v in column) for column in sharp("GGGGCAT").T)
    text = f"MEME version 4\n\nMOTIF M1 name\nletter-probability matrix: w= 7\n{rows}\n"
    path.write_bytes(gzip.compress(text.encode()))
    one_hot = sharp("GGGGCATACGTTTTTT")[None]
    (frame,) = fimo(str(path), one_hot, background="sequences", threshold=1e-3)
    at, gc = (9 / 16) / 2, (7 / 16) / 2
    assert frame["motif_name"].tolist() == ["M1 name"]
    assert frame["p-value"].tolist() == pytest.approx([gc**5 * at**2], rel=1e-12)


def test_fimo_without_hits_keeps_columns():
    (frame,) = fimo({"a": sharp("GGGGCAT")}, sharp("ACGTACGTAC")[None])
    assert len(frame) == 0 and "p-value" in frame.columns
    assert fimo({"a": sharp("GGGGCAT")}, sharp("ACGTACGTAC")[None], dim=1) == []
    assert len(fimo({"a": sharp("GGGGCAT")}, np.zeros((0, 4, 10)))[0]) == 0


BAD = {
    "alphabet": (dict(alphabet=["A", "C", "G", "U"]), SequenceError, "the alphabet is"),
    "dim": (dict(dim=2), MotifError, "dim is 2"),
    "motifs": (dict(motifs=[1]), MotifError, "motifs is a list"),
    "no motif": (dict(motifs={}), MotifError, "no motif to scan for"),
    "bin_size": (dict(bin_size=0), MotifError, "bin_size is 0"),
    "threshold": (dict(threshold=float("nan")), MotifError, "threshold is nan"),
    "eps": (dict(eps=-1), MotifError, "pseudocount is -1"),
    "zeros": (dict(eps=0), MotifError, "holds zeros and the pseudocount is 0"),
    "tables": (dict(bin_size=1e-8), MotifError, "score tables would hold"),
    "background": (dict(background="genome"), MotifError, "background is 'genome'"),
    "sums": (dict(background=(0.3, 0.3, 0.3, 0.3)), MotifError, "four probabilities above 0"),
    "shape": (dict(sequences=np.zeros((4, 9))), SequenceError, r"shape \(4, 9\)"),
    "two bases": (dict(sequences=np.ones((1, 4, 9))), SequenceError, "not one-hot"),
    "fractions": (dict(sequences=np.full((1, 4, 9), 0.25)), SequenceError, "not one-hot"),
    "width": (dict(motifs={"w": np.full((4, 2000), 0.25)}), MotifError, "motif w has 2000"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_say_what_and_how_to_mend(case):
    change, error, message = BAD[case]
    arguments = dict(motifs={"a": sharp("GGGGCAT")}, sequences=sharp("ACGTACGTA")[None])
    with pytest.raises(error, match=message) as caught:
        fimo(**{**arguments, **change})
    assert "Mend: " in str(caught.value)


def test_motif_objects_keep_their_names():
    model = prepare_motifs([Motif("M1", "CTCF", sharp("ACG")), Motif("M2", "", sharp("AC"))])
    assert model.names == ("M1", "M2") and model.widths.tolist() == [3, 2]
    assert model.overlap_bp == 2


def test_scanning_imports_no_torch():
    code = "import sys; from cisweep.analysis import fimo; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
