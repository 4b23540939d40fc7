"""Similarity against an explicit loop over offsets and strands; families; shuffled copies."""

import numpy as np

from cisweep.analysis.motifs.families import (
    centred_information,
    motif_families,
    motif_similarity,
    shuffled_columns,
)
from cisweep.genome.motifs import Motif


def random_motif(rng, width: int, name: str = "m") -> Motif:
    return Motif(name, "", rng.dirichlet([0.3] * 4, size=width).T)


def cosine_by_loop(a: np.ndarray, b: np.ndarray) -> float:
    best = 0.0
    norm = np.linalg.norm(a) * np.linalg.norm(b)
    for other in (b, b[::-1, ::-1]):
        for shift in range(-other.shape[1] + 1, a.shape[1]):
            total = sum(
                a[:, i] @ other[:, i - shift]
                for i in range(a.shape[1])
                if 0 <= i - shift < other.shape[1]
            )
            best = max(best, total / norm)
    return best


def test_similarity_is_the_best_cosine_over_offsets_and_strands():
    rng = np.random.default_rng(0)
    motifs = [random_motif(rng, w) for w in (1, 4, 7, 7, 12, 20)]
    motifs.append(motifs[3].reverse_complement())
    got = motif_similarity(motifs)
    weights = [centred_information(m.pwm) for m in motifs]
    expected = [[cosine_by_loop(a, b) for b in weights] for a in weights]
    np.testing.assert_allclose(got, expected, atol=2e-6)
    assert got[3, 6] > 0.99999


def test_centred_information_of_known_columns():
    pwm = np.array([[1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0]]).T
    expected = np.array([[1.5, -0.5, -0.5, -0.5], [0, 0, 0, 0], [0.25, 0.25, -0.25, -0.25]]).T
    np.testing.assert_allclose(centred_information(pwm), expected, atol=1e-12)


def test_families_join_shifted_reversed_copies_and_not_strangers():
    rng = np.random.default_rng(1)
    a, b = random_motif(rng, 12), random_motif(rng, 12)
    flank = np.full((4, 2), 0.25)
    shifted = Motif("s", "", np.concatenate([flank, a.pwm], axis=1))
    motifs = [b, a, shifted, a.reverse_complement(), b]
    assert motif_families(motifs).tolist() == [0, 1, 1, 1, 0]
    assert motif_families([a]).tolist() == [0] and motif_families([]).shape == (0,)


def test_ctcf_and_ets_families_of_jaspar(shared_data):
    from cisweep.genome.motifs import load_motifs

    motifs = load_motifs(shared_data / "jaspar" / "JASPAR2026_CORE_vertebrates_nr.meme")
    families = motif_families(motifs)
    alt = np.array([m.alt.upper() for m in motifs])
    (ctcf,) = set(families[alt == "CTCF"].tolist())
    (ets,) = set(families[np.isin(alt, ["SPI1", "SPIB", "ETV6", "ETS1", "GABPA"])].tolist())
    assert ctcf != ets and set(alt[families == ctcf]) == {"CTCF"}
    assert families.max() > 100


def test_shuffled_columns_keep_columns_and_depend_on_seed_name_and_draw_alone():
    rng = np.random.default_rng(2)
    motif = random_motif(rng, 10, "M1")
    copies = shuffled_columns(motif, 4, seed=7)
    assert [c.name for c in copies] == ["M1~0", "M1~1", "M1~2", "M1~3"]
    columns = sorted(map(tuple, motif.pwm.T))
    for copy in copies:
        assert sorted(map(tuple, copy.pwm.T)) == columns
    np.testing.assert_array_equal(copies[1].pwm, shuffled_columns(motif, 2, seed=7)[1].pwm)
    assert len({c.pwm.tobytes() for c in copies}) == 4
    other = shuffled_columns(motif, 1, seed=8)[0]
    assert not np.array_equal(other.pwm, copies[0].pwm)
