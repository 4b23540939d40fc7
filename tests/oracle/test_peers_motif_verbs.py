"""Verbs of motifs with memelite's names: their signatures, and their results against it."""

import inspect

import memelite
import numpy as np
import pytest
import torch
from memelite import io

import cisweep.analysis as analysis
import cisweep.genome as genome
from cisweep.analysis.motifs.discover import write_meme as write_found
from cisweep.errors import MotifError
from cisweep.genome import Motif, load_motifs, read_meme

CLAIMED = {"write_meme": (genome, io), "symmetric_tomtom": (analysis, memelite)}


@pytest.mark.parametrize("name", CLAIMED)
def test_a_claimed_name_has_the_peers_arguments(name):
    ours, theirs = (inspect.signature(getattr(room, name)).parameters for room in CLAIMED[name])
    assert list(ours) == list(theirs)
    assert [p.default for p in ours.values()] == [p.default for p in theirs.values()]


def matrices(n: int, seed: int = 0, concentration: float = 0.3) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    widths = rng.integers(4, 12, n)
    return [rng.dirichlet([concentration] * 4, size=int(w)).T for w in widths]


@pytest.mark.parametrize("as_list", [True, False])
def test_a_file_of_motifs_is_read_back_by_both(tmp_path, as_list):
    made = matrices(5)
    made[1] = np.eye(4)[:, [0, 3, 2]]
    names = [str(i) for i in range(5)] if as_list else ["a", "MA1 Arnt", "c  two words", "é", "e"]
    motifs = made if as_list else dict(zip(names, made))
    ours, theirs = tmp_path / "ours.meme", tmp_path / "theirs.meme"
    genome.write_meme(ours, motifs)
    io.write_meme(theirs, motifs)
    for read in (read_meme, io.read_meme):
        for path in (ours, theirs):
            found = read(path)
            assert list(found) == [" ".join(name.split()) for name in names]
            for matrix, wanted in zip(found.values(), made):
                np.testing.assert_array_equal(matrix, wanted)
    assert [m.nsites for m in load_motifs(ours)] == [None] * 5


def test_motifs_and_tensors_are_written(tmp_path):
    matrix = torch.tensor(matrices(1)[0], dtype=torch.float32)
    genome.write_meme(tmp_path / "a.meme", {"x": matrix})
    np.testing.assert_array_equal(read_meme(tmp_path / "a.meme")["x"], matrix.double().numpy())
    known = [Motif("m1", "CTCF", matrix, 17)]
    genome.write_meme(tmp_path / "b.meme", known)
    (found,) = load_motifs(tmp_path / "b.meme")
    assert (found.name, found.alt, found.nsites) == ("m1", "CTCF", 17)
    write_found(known, tmp_path / "c.meme")  # the workflow's own, of six decimals
    text = (tmp_path / "b.meme").read_text().splitlines()
    rounded = (tmp_path / "c.meme").read_text().splitlines()
    assert len(text) == len(rounded)
    for line, short in zip(text, rounded):
        if line[:2] in ("0.", "1."):
            line = " ".join(f"{float(word):.6f}" for word in line.split())
        assert line == short
    genome.write_meme(tmp_path / "none.meme", {})
    assert (tmp_path / "none.meme").read_text().startswith("MEME version 4\n")


@pytest.mark.parametrize(
    ("motifs", "says"),
    [
        ({"a": np.full((3, 5), 0.2)}, r"motif a: the matrix has shape \(3, 5\).*A C G T"),
        ({"a": np.eye(4) * 9}, "motif a: position 0 sums to 9.*divide counts by their sum"),
        ({"a": np.eye(4) - 0.1}, "motif a: the matrix holds negative.*give probabilities"),
        ({"a b": np.eye(4), "a c": np.eye(4)}, "motif a: two motifs have this identifier.*each"),
        ({"a\nMOTIF b": np.eye(4)}, r"the name has the letter '\\n'.*take it out"),
        ({" ": np.eye(4)}, "a motif's name is empty.*identifier"),
    ],
)
def test_what_no_reader_takes_is_not_written(tmp_path, motifs, says):
    with pytest.raises(MotifError, match=f"(?s){says}"):
        genome.write_meme(tmp_path / "a.meme", motifs)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def planted():
    """30 motifs; the fourth, of 8 bp, lies in the eighth at 3, and turned in the tenth."""
    rng = np.random.default_rng(1)
    made = matrices(30)
    site = rng.dirichlet([0.1] * 4, size=8).T
    made[3] = site
    flanks = (rng.dirichlet([1.0] * 4, size=n).T for n in (3, 2))
    made[7] = np.concatenate([next(flanks), site, next(flanks)], axis=1)
    made[9] = made[7][::-1, ::-1]
    return made


@pytest.mark.parametrize("options", [{}, {"n_target_bins": None}, {"reverse_complement": False}])
def test_pairs_of_motifs_are_compared_as_memelite_compares_the_shorter_with_the_longer(
    planted, options
):
    found = analysis.symmetric_tomtom(planted, **options)
    width = np.array([m.shape[1] for m in planted])
    shorter = width[:, None] < width
    shorter |= (width[:, None] == width) & np.triu(np.ones((30, 30), dtype=bool), 1)
    theirs = memelite.symmetric_tomtom(planted, **options)
    for ours, peer in zip(found, theirs):
        np.testing.assert_allclose(ours[shorter], peer[shorter], rtol=1e-9, atol=1e-14)
    if options == {"n_target_bins": None}:
        # Without merged columns a pair does not depend on the order of the motifs.
        for ours, peer in zip(found, memelite.tomtom(planted, planted, n_target_bins=None)):
            diagonal = np.eye(30, dtype=bool)
            np.testing.assert_allclose(ours[diagonal | shorter], peer[diagonal | shorter])
    for k in (0, 1, 3, 4):
        np.testing.assert_array_equal(found[k], found[k].T)
    if not options:
        assert not np.allclose(np.diagonal(theirs[1]), np.diagonal(found[1]))


def test_offsets_are_those_of_the_row_against_the_column(planted):
    p_value, _, offset, overlap, strand = analysis.symmetric_tomtom(planted)
    width = np.array([m.shape[1] for m in planted])
    assert offset[3, 7] == 3 and offset[7, 3] == -3 and strand[3, 7] == strand[7, 3] == 0
    # In the tenth the site is turned: five of its 13 bp are beyond, three at its end.
    assert offset[3, 9] == 3 and offset[9, 3] == -2 and strand[3, 9] == strand[9, 3] == 1
    assert offset[7, 9] == offset[9, 7] == 0 and strand[7, 9] == 1
    assert p_value[3, 7] < 1e-10 and (np.diagonal(p_value) < 1e-6).all()
    assert not np.diagonal(offset).any() and (np.diagonal(overlap) == width).all()
    shared = np.minimum(width[:, None], width - offset) - np.maximum(0, -offset)
    np.testing.assert_array_equal(shared, overlap)


def test_motifs_are_taken_in_any_form_and_order(planted):
    found = analysis.symmetric_tomtom(planted, n_target_bins=None)
    order = np.random.default_rng(2).permutation(30)
    made = [torch.from_numpy(planted[i].copy()) for i in order]
    made[0] = Motif("a", "", planted[order[0]])
    again = analysis.symmetric_tomtom(made, n_target_bins=None, n_jobs=1)
    unequal = np.array([m.shape[1] for m in planted])
    unequal = unequal[:, None] != unequal
    np.testing.assert_allclose(
        again[:, unequal[np.ix_(order, order)]], found[:, order][:, :, order][
            :, unequal[np.ix_(order, order)]
        ], rtol=1e-9,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("motifs", "says"),
    [
        ([], "there is no motif to compare.*at least one"),
        ([np.eye(4), np.zeros((4, 3))], "motif 1 holds no base.*leave it out"),
        ([np.eye(3)], r"query 0 has shape \(3, 3\).*1 to 100 positions"),
    ],
)
def test_what_is_no_motif_is_an_error(motifs, says):
    with pytest.raises(MotifError, match=f"(?s){says}"):
        analysis.symmetric_tomtom(motifs)
    with pytest.raises(MotifError, match="n_jobs is 0"):
        analysis.symmetric_tomtom([np.eye(4)], n_jobs=0)
