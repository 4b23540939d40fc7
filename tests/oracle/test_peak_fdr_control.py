"""On shuffled sequence peaks keep the rate that is asked for, and planted sites are found.

The demo's genome, dinucleotide-shuffled as a whole, by the demo's model: every peak is false.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pysam
import pytest

from cisweep.analysis.averaging import FoldedModel, predict_windows
from cisweep.analysis.peak_null import null_peaks
from cisweep.analysis.peak_selection import PeakRules, predicted_peaks
from cisweep.genome.chunk_windows import usable_windows
from cisweep.genome.null_stretches import NullStretches
from cisweep.genome.plan import Plan
from cisweep.sequence.tokens import decode_tokens, shuffle_tokens, tokenize

pytestmark = pytest.mark.slow

SEEDS = range(5)
TARGETS = ["ctcf", "pu1"]
SITE = "TGGCCACCAGGGGGCGCTA"
LENGTH = 500_000  # the second half of the demo's genome, which has no N


@dataclass(frozen=True)
class Swept:
    """A genome's windows with their predictions (N, 2), and the null of each target."""

    windows: object
    values: np.ndarray
    nulls: dict

    def peaks(self, fdr: float):
        """Return the tables of the peaks at a rate."""
        return predicted_peaks(
            lambda t: [(self.windows, self.values[:, TARGETS.index(t)])],
            TARGETS,
            PeakRules(200, fdr=fdr),
            order=["chr20"],
            nulls=self.nulls,
        )


@pytest.fixture(scope="module")
def shuffled(resources):
    """The function seed -> tokens of the demo's genome, shuffled."""
    source = pysam.FastaFile(str(resources / "genome" / "chr20_0_1Mb.fa.gz"))
    tokens = tokenize(source.fetch("chr20", 1_000_000 - LENGTH, 1_000_000))
    assert (tokens < 4).all()
    return lambda seed: shuffle_tokens(tokens[None], np.array([[seed]], np.uint64))[0, 0]


def sweep(tokens: np.ndarray, folder: Path, resources: Path) -> Swept:
    """Return what the steps predict and select make of a genome."""
    folder.mkdir()
    (folder / "g.fa").write_text(f">chr20\n{decode_tokens(tokens)}\n")
    pysam.faidx(str(folder / "g.fa"))
    config = {
        "run": "r",
        "genome": {"fasta": str(folder / "g.fa")},
        "regions": {"tile": {"stride_bp": 100}},
        "models": {"m": str(resources / "models" / "ctcf_pu1.yaml")},
        "steps": {"predict": {}, "select": {"null_windows": 20_000}},
    }
    plan = Plan.from_config(config, folder)
    model = FoldedModel.load(plan.models["m"], "cpu")

    def predict(windows, tokens):
        return predict_windows(model, windows, tokens, [], batch_size=256).mean

    (chunk,) = plan.chunks("m")
    found, null = usable_windows(plan, "m", chunk), NullStretches(plan, "m")
    assert null.draws == 4 and null.n_windows == len(found.windows)
    nulls = null_peaks(
        map(null.place, null.drawn), 2, predict, draws=null.draws, seed=0, distance_bp=200
    )
    values = predict(found.windows, found.tokens)
    return Swept(found.windows, values, dict(zip(TARGETS, nulls)))


@pytest.fixture(scope="module")
def without_signal(shuffled, resources, tmp_path_factory):
    folder = tmp_path_factory.mktemp("no signal")
    return [sweep(shuffled(seed), folder / str(seed), resources) for seed in SEEDS]


@pytest.mark.parametrize("fdr", [0.1, 0.2])
def test_without_signal_the_share_of_false_peaks_is_within_the_rate(without_signal, fdr):
    """All peaks are false, so a target with any peak has a share of 1, and one without 0."""
    shares, maxima, selected = [], 0, 0
    for swept in without_signal:
        summary = swept.peaks(fdr).summary
        shares += (summary["n_selected"] > 0).astype(float).tolist()
        maxima += summary["n_maxima"].sum()
        selected += summary["n_selected"].sum()
    assert maxima > 10_000  # which would all have been candidates
    assert np.mean(shares) <= 1.5 * fdr
    assert selected <= 10


@pytest.mark.parametrize("level", [0.01, 0.05, 0.2])
def test_without_signal_p_values_are_uniform(without_signal, level):
    p = np.concatenate([
        swept.nulls[t].p_values(maxima)
        for swept in without_signal
        for t, maxima in zip(TARGETS, map(scores, [swept] * 2, TARGETS))
    ])  # fmt: skip
    assert level / 1.5 <= (p <= level).mean() <= 1.5 * level


def scores(swept: Swept, target: str) -> np.ndarray:
    """Return the predictions of all local maxima of a target."""
    rules = PeakRules(200, top_n=10**6)
    column = swept.values[:, TARGETS.index(target)]
    found = predicted_peaks(lambda t: [(swept.windows, column)], [target], rules, order=["chr20"])
    return found.peaks["prediction"].to_numpy(float)


def test_planted_sites_are_found_at_the_rate(shuffled, resources, tmp_path):
    shares, found = [], 0
    site, n = tokenize(SITE), 30
    for seed in SEEDS:
        tokens, rng = shuffled(100 + seed), np.random.default_rng(seed)
        # Far apart, and with two bases in which the site differs, so that some are weak.
        places = 5_000 + 16_000 * np.arange(n) + rng.integers(0, 5_000, n)
        for place in places:
            tokens[place : place + len(site)] = site
            tokens[place + rng.choice(len(site), 2, replace=False)] = rng.integers(0, 4, 2)
        peaks = sweep(tokens, tmp_path / str(seed), resources).peaks(0.2).peaks
        ctcf = peaks[peaks["target"] == "ctcf"]
        true = [((s < places) & (places + len(site) < e)).any()
                for s, e in zip(ctcf["start"], ctcf["end"])]  # fmt: skip
        shares.append(1 - np.mean(true) if len(true) else 0.0)
        found += sum(true)
    assert np.mean(shares) <= 1.5 * 0.2
    assert found > len(SEEDS) * n / 2
