"""Seqlet annotation against memelite's tomtom and tangermeme, and its edges.

The first call on a machine compiles memelite's Tomtom (a minute); `make` warms that cache.
"""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control

from cisweep.analysis.seqlets import annotate_seqlets as annotation
from cisweep.analysis.seqlets.annotate_seqlets import annotate_seqlets, match_motifs, token_matrix
from cisweep.errors import MotifError, SequenceError
from cisweep.genome.motifs import Motif

RNG = np.random.default_rng(0)
MOTIFS = [Motif(f"M{i}", "", RNG.dirichlet([0.3] * 4, size=int(w)).T)
          for i, w in enumerate(RNG.integers(5, 15, 40))]  # fmt: skip
TOKENS = RNG.integers(0, 4, (3, 60)).astype(np.uint8)
SEQLETS = pd.DataFrame(
    {"example_idx": [0, 1, 2, 0], "start": [3, 10, 0, 3], "end": [15, 21, 6, 15]}
)


def one_hots() -> np.ndarray:
    return np.stack([token_matrix(t) for t in TOKENS])


def test_p_q_and_strand_against_memelite_on_the_full_matrix():
    from memelite import tomtom

    queries = [one_hots()[i, :, a:b] for i, a, b in SEQLETS.to_numpy()]
    p, score, offset, overlap, strand = np.array(tomtom(queries, [m.pwm for m in MOTIFS], n_jobs=1))
    got = match_motifs(queries, MOTIFS, n_nearest=5)
    for row in range(len(queries)):
        order = np.argsort(p[row], kind="stable")[:5]
        np.testing.assert_array_equal(got.motif_idx[row], order)
        np.testing.assert_array_equal(got.p_value[row], p[row, order])
        np.testing.assert_array_equal(got.offset[row], offset[row, order])
        np.testing.assert_array_equal(got.overlap_bp[row], overlap[row, order])
        np.testing.assert_array_equal(got.score[row], score[row, order])
        np.testing.assert_array_equal(got.strand[row] == "-", strand[row, order] == 1)
        np.testing.assert_allclose(got.q_value[row], false_discovery_control(p[row])[order])


def test_equal_to_tangermeme():
    torch = pytest.importorskip("torch")
    peer = pytest.importorskip("tangermeme.annotate")
    X = torch.from_numpy(one_hots()).float()
    motifs = {m.name: torch.from_numpy(m.pwm.copy()) for m in MOTIFS}
    idxs, p = annotate_seqlets(X, SEQLETS, motifs, n_nearest=3)
    their_idxs, their_p = peer.annotate_seqlets(X.double(), SEQLETS, motifs, n_nearest=3, n_jobs=1)
    assert idxs.dtype == their_idxs.dtype and p.dtype == their_p.dtype
    torch.testing.assert_close(p, their_p, rtol=0, atol=0)
    ties = (p[:, 1:] == p[:, :-1]).any(dim=1)  # those may be ordered otherwise
    assert not ties.all()
    torch.testing.assert_close(idxs[~ties], their_idxs[~ties])


def test_a_motif_and_its_reverse_complement_are_found():
    words = [m.pwm.argmax(axis=0).astype(np.uint8) for m in MOTIFS[:6]]
    flips = [3 - w[::-1] for w in words]
    got = match_motifs([token_matrix(w) for w in words + flips], MOTIFS)
    assert (got.motif_idx[:, 0] == np.tile(np.arange(6), 2)).all()
    assert (got.strand[:6] == "+").all() and (got.strand[6:] == "-").all()


def test_rows_do_not_depend_on_the_other_queries(monkeypatch):
    queries = [token_matrix(RNG.integers(0, 4, int(w)).astype(np.uint8)) for w in range(4, 30)]
    whole = match_motifs(queries, MOTIFS, n_nearest=2)
    monkeypatch.setattr(annotation, "QUERIES_AT_ONCE", 5)
    blocks = match_motifs(queries, MOTIFS, n_nearest=2)
    np.testing.assert_array_equal(blocks.p_value, whole.p_value)
    np.testing.assert_array_equal(blocks.motif_idx, whole.motif_idx)
    alone = match_motifs(queries[7:8], MOTIFS, n_nearest=2)
    np.testing.assert_array_equal(alone.p_value[0], whole.p_value[7])


def test_nothing_and_only_n():
    none = match_motifs([], MOTIFS, n_nearest=3)
    assert none.motif_idx.shape == (0, 3)
    blank = match_motifs([np.zeros((4, 5)), np.eye(4)], MOTIFS, n_nearest=100)
    assert blank.motif_idx.shape == (2, 40)
    assert (blank.motif_idx[0] == -1).all() and (blank.p_value[0] == 1).all()
    assert (blank.motif_idx[1] >= 0).all() and (blank.q_value[0] == 1).all()
    idxs, p = annotate_seqlets(one_hots(), SEQLETS.iloc[:0], MOTIFS)
    assert idxs.shape == (0, 1) and p.shape == (0, 1)


def test_bad_arguments_say_what_and_how_to_mend():
    with pytest.raises(MotifError, match=r"query 1 has shape \(4, 101\).*1 to 100"):
        match_motifs([np.eye(4), np.ones((4, 101))], MOTIFS)
    with pytest.raises(MotifError, match="n_nearest is 0"):
        match_motifs([np.eye(4)], MOTIFS, n_nearest=0)
    with pytest.raises(MotifError, match="no motif to compare with"):
        match_motifs([np.eye(4)], [])
    with pytest.raises(SequenceError, match=r"seqlet 0 is example 3, \[0, 5\)"):
        annotate_seqlets(one_hots(), pd.DataFrame([[3, 0, 5]]), MOTIFS)
    with pytest.raises(SequenceError, match=r"X has shape \(3, 60\)"):
        annotate_seqlets(TOKENS, SEQLETS, MOTIFS)


@pytest.mark.slow
def test_warming_pays_the_compilation_once(tmp_path):
    """In a cache of its own: the first process compiles, the second loads."""
    code = (
        "from numba.core.event import install_recorder\n"
        "from cisweep.analysis.seqlets.annotate_seqlets import warm_tomtom_cache\n"
        "with install_recorder('numba:compile') as compiled:\n"
        "    warm_tomtom_cache()\n"
        "print(len(compiled.buffer))\n"
    )
    first, second = (
        int(
            subprocess.run(
                [sys.executable, "-c", code], check=True, capture_output=True, text=True,
                env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
            ).stdout
        )
        for _ in range(2)
    )  # fmt: skip
    assert list(tmp_path.rglob("*.nbc"))
    assert first > 0 and second == 0
