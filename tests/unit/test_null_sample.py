"""Where the copies of motifs are looked for: by coordinates, in a known share."""

import math

import numpy as np
import pytest

from cisweep.analysis.motifs.hits import HitSums
from cisweep.analysis.motifs.null_sample import CELL_BP, MATCHES, NullSample
from cisweep.analysis.motifs.pieces import Piece
from cisweep.analysis.motifs.ranking import TargetSums, rank_motifs
from cisweep.genome.motifs import Motif


@pytest.mark.parametrize(
    ("n_bp", "threshold", "share"),
    [(0, 1e-4, 1.0), (200_000, 1e-4, 1.0), (1_420_000, 1e-4, 0.21), (200_000_000, 1e-4, 0.0015),
     (1_420_000, 1e-5, 1.0), (30_000_000, 1e-5, 0.1)],
)  # fmt: skip
def test_the_share_holds_enough_matches_of_a_copy(n_bp, threshold, share):
    found = NullSample.of(n_bp, threshold)
    assert found.fraction == share
    assert found.fraction == 1 or 0.9 * MATCHES < 2 * threshold * share * n_bp < 1.001 * MATCHES


def test_cells_are_drawn_in_the_share_by_seed_and_place():
    drawn = {
        key: np.array([NullSample(0.2, key[0]).holds(key[1], i) for i in range(5000)])
        for key in ((0, "chr1"), (1, "chr1"), (0, "chr2"))
    }
    for cells in drawn.values():
        assert abs(cells.mean() - 0.2) < 4 * math.sqrt(0.2 * 0.8 / 5000)
    one, other, third = drawn.values()
    assert abs((one & other).mean() - 0.04) < 0.012 and abs((one & third).mean() - 0.04) < 0.012
    # A larger share has the cells of a smaller one.
    more = np.array([NullSample(0.4, 0).holds("chr1", i) for i in range(5000)])
    assert not (one & ~more).any()


def test_parts_of_pieces_are_their_drawn_cells():
    pieces = [Piece("chr1", 100, 9000, 9030), Piece("chr1", 9500, 9600, 9700),
              Piece("chr2", 4096, 5000, 5000)]  # fmt: skip
    assert NullSample(1.0).within(pieces, 7) == pieces
    assert NullSample(0.0).within(pieces, 7) == []
    sample, starts = NullSample(0.5, 3), []
    for part in sample.within(pieces, 7):
        piece = next(p for p in pieces if p.chrom == part.chrom and p.low <= part.low < p.high)
        assert part.stop == min(piece.stop, part.high + 7)
        starts += [(part.chrom, x) for x in range(part.low, part.high)]
    wanted = [
        (p.chrom, x)
        for p in pieces
        for x in range(p.low, p.high)
        if sample.holds(p.chrom, x // CELL_BP)
    ]
    assert starts == wanted and 0 < len(starts) < 9900


N_MOTIFS, N_COPIES = 200, 20


def ranked(rng: np.random.Generator, share: float, n: int, driver: float):
    """Rank motifs whose matches are as their copies' are, but for the first; n matches of each in
    all places, whose words have means of their own (standard deviation 0.15)."""
    none = np.zeros(N_MOTIFS * N_COPIES)
    means = rng.normal(0, 0.15, (1 + N_COPIES) * N_MOTIFS)
    means[0] += driver
    count = np.full(len(means), n)
    few = rng.binomial(n, share, len(none))
    mine, copies = means[:N_MOTIFS], means[N_MOTIFS:]
    hits = HitSums(count[:N_MOTIFS], n * mine + rng.normal(0, np.sqrt(n), N_MOTIFS))
    null = HitSums(few, few * copies + rng.normal(0, np.sqrt(few)))
    motifs = [Motif(f"m{i}", "", np.full((4, 5), 0.25)) for i in range(N_MOTIFS)]
    sums = TargetSums(hits, hits, null, share)
    return rank_motifs(motifs, sums, np.arange(N_MOTIFS)).motifs.set_index("motif")


def test_a_sampled_null_keeps_the_rate_and_finds_the_driver():
    rng, low = np.random.default_rng(0), []
    for _ in range(30):
        table = ranked(rng, 0.02, 3000, 1.6)
        assert table.loc["m0", "q_value"] <= 0.06  # 200 / 4,001 at best
        low.append(table["p_value"].drop("m0"))
    p = np.concatenate(low)
    for level in (0.01, 0.05, 0.2):  # valid, and the wider null makes it careful
        assert (p <= level).mean() < level + 2.6 * np.sqrt(level * (1 - level) / len(p))
    # All places: the p-values are uniform.
    full = np.concatenate([ranked(rng, 1.0, 3000, 0.0)["p_value"] for _ in range(10)])
    assert abs((full <= 0.2).mean() - 0.2) < 2.6 * np.sqrt(0.16 / len(full))


def test_copies_are_shrunken_by_what_they_have_in_all_places():
    # Ten matches in a tenth of the places stand for a hundred: a copy as strong as the motif is
    # counted as such, and one of the same mean in all places is not shrunken more than it.
    motifs = [Motif("m", "", np.full((4, 5), 0.25))]
    hits = HitSums(np.array([100]), np.array([100.0]))
    one = np.zeros(1, int)
    null = HitSums(np.array([10, 10]), np.array([10.0, -10.0]))
    found = rank_motifs(motifs, TargetSums(hits, hits, null, 0.1), one).motifs
    assert found["p_value"].tolist() == [2 / 3]
    shrunken_more = rank_motifs(motifs, TargetSums(hits, hits, null), one).motifs
    assert shrunken_more["p_value"].tolist() == [1 / 3]
