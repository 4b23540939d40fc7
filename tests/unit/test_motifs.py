"""The MEME reader: what it reads, and how it fails."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from cisweep.errors import MotifError
from cisweep.genome.motifs import Motif, load_motifs, read_meme

HEADER = "MEME version 4\n\nALPHABET= ACGT\n\nstrands: + -\n\n"
ROWS = "0.1 0.2 0.3 0.4\n 1.000\t0 0 0\n0 0.5 0.25 0.25\n"
ONE = f"MOTIF M1 alpha\nletter-probability matrix: alength= 4 w= 3 nsites= 20 E= 0\n{ROWS}"


@pytest.fixture
def meme(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "motifs.meme"
        path.write_text(text)
        return path

    return write


def test_reads_names_matrix_and_sites(meme):
    (motif,) = load_motifs(meme(HEADER + ONE))
    assert (motif.name, motif.alt, motif.label) == ("M1", "alpha", "M1 alpha")
    assert motif.nsites == 20 and motif.width == 3 and motif.consensus == "TAC"
    expected = np.array([[0.1, 0.2, 0.3, 0.4], [1, 0, 0, 0], [0, 0.5, 0.25, 0.25]]).T
    np.testing.assert_array_equal(motif.pwm, expected)


def test_information_in_bits(meme):
    (motif,) = load_motifs(meme(HEADER + ONE))
    by_hand = 0.1 * np.log2(0.4) + 0.2 * np.log2(0.8) + 0.3 * np.log2(1.2) + 0.4 * np.log2(1.6)
    np.testing.assert_allclose(motif.information(), [by_hand, 2.0, 0.5], atol=1e-12)
    np.testing.assert_allclose(motif.information((0.5, 0.1, 0.2, 0.2))[1], 1.0)


def test_reverse_complement_swaps_bases_and_order():
    pwm = np.array([[1, 0, 0, 0], [0, 0, 1, 0]]).T  # AG
    assert Motif("m", "", pwm).reverse_complement().consensus == "CT"


def test_matrix_is_a_read_only_copy():
    pwm = np.full((4, 2), 0.25)
    motif = Motif("m", "", pwm)
    pwm[:] = 0
    assert motif.pwm.sum() == 2
    with pytest.raises(ValueError, match="read-only"):
        motif.pwm[0, 0] = 1


def test_read_meme_keys_and_limit(meme):
    path = meme(HEADER + ONE + "URL x\n\n" + ONE.replace("M1 alpha", "M2"))
    assert list(read_meme(path)) == ["M1 alpha", "M2"]
    assert list(read_meme(path, n_motifs=1)) == ["M1 alpha"]
    assert read_meme(path, n_motifs=0) == {}


def test_other_layouts(meme):
    """Quoted alphabet of version 5, no w=, MEME's own MOTIF line, blank line, log-odds first."""
    text = (
        'MEME version 5.5.7 (Release)\nALPHABET "DNA" DNA-LIKE\nA "Adenine"\nEND ALPHABET\n\n'
        "MOTIF CACG MEME-1\twidth =   6  sites =  20\n\n"
        "log-odds matrix: alength= 4 w= 1\n-100 5 3 1\n\n"
        f"letter-probability matrix: nsites= 1e2\n{ROWS}\n"
        f"MOTIF X\nletter-probability matrix:\n{ROWS}"
    )
    first, second = load_motifs(meme(text))
    assert (first.label, first.nsites, first.width) == ("CACG MEME-1", 100, 3)
    assert (second.label, second.nsites, second.width) == ("X", None, 3)


def test_gzip(tmp_path):
    path = tmp_path / "m.meme.gz"
    path.write_bytes(gzip.compress((HEADER + ONE).encode()))
    assert load_motifs(path)[0].name == "M1"


def test_equal_to_memelite_on_jaspar(shared_data):
    memelite = pytest.importorskip("memelite.io")
    path = shared_data / "jaspar" / "JASPAR2026_CORE_vertebrates_nr.meme"
    ours, theirs = read_meme(path), memelite.read_meme(path)
    assert list(ours) == list(theirs) and len(ours) == 1019
    for name, pwm in ours.items():
        np.testing.assert_array_equal(pwm, theirs[name])


BROKEN = {
    "empty": ("", "the file is empty"),
    "no header": (ONE, "line 1: this is not a MEME file"),
    "version": (HEADER.replace("4", "9", 1) + ONE, "line 1: MEME version 9"),
    "no motif": (HEADER, "holds no motif"),
    "protein": (HEADER.replace("ACGT", "ACDEFGHIKLMNPQRSTVWY") + ONE, "line 3: the alphabet is"),
    "rna": (HEADER.replace("ALPHABET= ACGT", 'ALPHABET "RNA"') + ONE, "line 3: the alphabet is"),
    "alength": (HEADER + ONE.replace("alength= 4", "alength= 20"), "line 8: motif M1 has alength"),
    "zero width": (HEADER + ONE.replace("w= 3", "w= 0"), "line 8: motif M1 has w= 0"),
    "truncated": (HEADER + ONE.replace("w= 3", "w= 5"), r"M1 has 3 matrix rows.*w= 5.*truncated"),
    "too long": (HEADER + ONE.replace("w= 3", "w= 2"), r"line 11: motif M1 has 3 matrix rows"),
    "no matrix": (HEADER + "MOTIF M0\n" + ONE, "line 8: motif M0 has no 'letter-prob"),
    "cut short": (HEADER + "MOTIF M0\n", "motif M0 has no 'letter-prob"),
    "columns": (HEADER + ONE.replace("1.000\t0 0 0", "1 0 0"), "line 10: motif M1: a row of 3"),
    "sums": (HEADER + ONE.replace("1.000", "0.9"), r"line 10: motif M1, row 2 .* sums to 0.9"),
    "negative": (HEADER + ONE.replace("0 0.5 0.25", "-0.5 1 0.25"), "line 11: .*not made of prob"),
    "nan": (HEADER + ONE.replace("1.000", "nan"), "line 10: .*not made of prob"),
    "counts": (
        HEADER + ONE.replace(ROWS, "10 2 3 4\n9 1 0 0\n0 5 5 3\n"),
        "line 9: motif M1 holds counts.*divide each row",
    ),
    "duplicate": (HEADER + ONE + "\n" + ONE, "line 13: motif M1 was already read at line 7"),
    "no name": (HEADER + ONE.replace(" M1 alpha", ""), "line 7: MOTIF without a name"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_say_what_where_and_mend(meme, case):
    text, message = BROKEN[case]
    with pytest.raises(MotifError, match=message) as caught:
        load_motifs(meme(text))
    assert "motifs.meme" in str(caught.value) and "Mend: " in str(caught.value)


def test_unreadable_files(tmp_path):
    with pytest.raises(MotifError, match="absent.meme: no such file"):
        load_motifs(tmp_path / "absent.meme")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"MEME version 4" * 99)[:30])
    with pytest.raises(MotifError, match="cut.gz: cannot be read"):
        load_motifs(tmp_path / "cut.gz")
    (tmp_path / "binary").write_bytes(b"\xff\x00\xfe")
    with pytest.raises(MotifError, match="binary: cannot be read"):
        load_motifs(tmp_path / "binary")


def test_impossible_matrices():
    with pytest.raises(MotifError, match=r"motif m: the matrix has shape \(3, 4\)"):
        Motif("m", "", np.ones((3, 4)))
    with pytest.raises(MotifError, match="motif m: the matrix holds negative"):
        Motif("m", "", -np.ones((4, 3)))


@pytest.mark.parametrize(
    ("name", "alt", "factor"),
    [
        ("MA0139.2", "CTCF", "CTCF"),
        ("M1", "", "M1"),
        ("SPI1.H12CORE.0.P.B", "", "SPI1"),
        ("SPI1_HUMAN.H11MO.0.A", "", "SPI1"),
        ("NKX2-1.H12INVIVO.1.SM.B", "", "NKX2-1"),
        ("M07944_2.00", "(SPI1)_(Homo_sapiens)_(DBD_1.00)", "SPI1"),
        ("MA0058.4", "MAX::MYC", "MAX::MYC"),
    ],
)
def test_a_motif_is_called_by_its_factor(name, alt, factor):
    assert Motif(name, alt, np.full((4, 2), 0.25)).factor == factor
