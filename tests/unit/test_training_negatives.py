import numpy as np
import pytest
from scipy.stats import chisquare

from cisweep.contracts import Windows
from cisweep.errors import TrainingError
from cisweep.genome.fasta import NamedSequences
from cisweep.train.data.negatives import NegativePool, gc_matched_windows, uniform_windows
from cisweep.train.judging.metrics import gc_content


@pytest.fixture
def genome():
    generator = np.random.default_rng(0)
    at_rich = generator.choice(4, 40_000, p=[0.35, 0.15, 0.15, 0.35])
    gc_rich = generator.choice(4, 40_000, p=[0.2, 0.3, 0.3, 0.2])
    tokens = np.concatenate([at_rich, gc_rich]).astype(np.uint8)
    tokens[10_000:12_000] = 4
    return NamedSequences({"chr1": tokens, "chr2": tokens[::-1].copy()})


def negative_pool(genome, stretches=("chr1", "chr2:100-70000")):
    peaks = Windows.build(["chr1", "chr2"], [5_000, 30_000], [9_000, 35_000])
    return NegativePool(genome, list(stretches), 50, peaks)


def test_uniform_windows_avoid_peaks_n_and_themselves(genome):
    windows, tokens = uniform_windows(negative_pool(genome), 2000, random_state=1)
    assert len(windows) == len(set(windows.keys())) == 2000
    assert tokens.shape == (2000, 50) and (tokens < 4).all()
    for chrom, start, end, row in zip(windows.chrom, windows.start, windows.end, tokens):
        np.testing.assert_array_equal(row, genome.tokens(chrom, start, end))
        low, high = (5_000, 9_000) if chrom == "chr1" else (30_000, 35_000)
        assert end <= low or start >= high
        assert chrom == "chr1" or start >= 100 and end <= 70_000
    # Uniform: each allowed 1-kb bin of chr1 gets its share. (With a mean of 14 one bin in a
    # thousand has 3 or fewer; the test is of all 40.)
    share = np.histogram(windows.start[windows.chrom == "chr1"], 40, (40_000, 80_000))[0]
    assert share.min() > 3 and chisquare(share).pvalue > 1e-3
    # So does the end of the last stretch: 4 kb before its N are some 56 windows.
    last = windows.start[windows.chrom == "chr2"]
    assert 25 < (last > 64_000).sum() < 90
    again, _ = uniform_windows(negative_pool(genome), 2000, random_state=1)
    assert again.keys() == windows.keys()


def test_stretches_are_used_to_their_last_window_and_cut_to_the_chromosome(genome):
    pool = negative_pool(genome, ["chr1:41000-41050", "chr1:79949-90000"])
    assert pool.spans() == [("chr1", 41_000, 41_050), ("chr1", 79_949, 80_000)]
    windows, _ = uniform_windows(pool, 3)
    assert windows.start.tolist() == [41_000, 79_949, 79_950]


def test_gc_matched_windows_have_the_positives_distribution(genome):
    generator = np.random.default_rng(2)
    positives = generator.choice(4, (200, 50), p=[0.18, 0.32, 0.32, 0.18]).astype(np.uint8)
    _, tokens = gc_matched_windows(negative_pool(genome), positives, 3.0, random_state=4)
    assert len(tokens) == 600
    wanted, found = gc_content(positives), gc_content(tokens)
    quantiles = np.linspace(0.05, 0.95, 10)  # equal but for one of 50 bases
    np.testing.assert_allclose(
        np.quantile(found, quantiles), np.quantile(wanted, quantiles), atol=0.021
    )
    _, plain = uniform_windows(negative_pool(genome), 600)
    assert abs(gc_content(plain).mean() - wanted.mean()) > 4 * 0.021  # so they are told apart


def test_too_small_a_genome_and_unknown_chromosomes(genome):
    with pytest.raises(TrainingError, match=r"only \d+ of 500 negatives found"):
        uniform_windows(negative_pool(genome, ["chr1:0-120"]), 500)
    with pytest.raises(TrainingError, match="no chromosome 'chr9'.*the genome has chr1, chr2"):
        uniform_windows(negative_pool(genome, ["chr9"]), 5)
