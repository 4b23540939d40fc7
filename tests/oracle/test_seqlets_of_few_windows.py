"""Ten windows of the demo with strong CTCF sites: seqlets at the usual rate, over the sites."""

import numpy as np
import pytest

from cisweep.analysis.attribution.references import make_references, shuffled_windows
from cisweep.analysis.attribution.windows import attribute_windows
from cisweep.analysis.motifs.fimo import scan_tokens
from cisweep.analysis.motifs.score_distribution import prepare_motifs
from cisweep.analysis.prediction.windows import predict_windows
from cisweep.analysis.seqlets.background import merge, summarise
from cisweep.analysis.seqlets.fdr import NullSize
from cisweep.analysis.seqlets.spans import SpanRules
from cisweep.analysis.seqlets.tables import Explained, call_chunk, seqlets_of
from cisweep.contracts import Windows
from cisweep.genome.fasta import load_fasta, window_tokens
from cisweep.genome.motifs import load_motifs
from cisweep.models.ensemble import Ensemble
from cisweep.plan.run_config import read_model_config

MOTIFS = "motifs/JASPAR2026_CORE_vertebrates_nr.meme"


@pytest.fixture(scope="module")
def ten(resources):
    """The ten windows, centred on matches of CTCF, with the strongest predictions; their sites."""
    source = load_fasta(resources / "genome/chr20_0_1Mb.fa.gz")
    motif = [m for m in load_motifs(resources / MOTIFS) if m.name == "MA0139.2"]
    length = source.lengths["chr20"]
    scanner = prepare_motifs(motif, threshold=1e-5)
    hits = scan_tokens(scanner, source.tokens("chr20", 0, length))
    starts = (hits["start"] + hits["end"]) // 2 - 100
    windows = Windows.build(["chr20"] * len(hits), starts, starts + 200)
    tokens = window_tokens(source, windows.chrom, windows.start, windows.end)
    model = Ensemble.load(read_model_config(resources / "models/ctcf_pu1.yaml"), "cpu")
    logits = predict_windows(model, windows, tokens, [], batch_size=64).mean[:, 0]
    best = np.sort(np.argsort(-logits)[:10])
    assert len(best) == 10
    return model, windows.take(best), tokens[best], hits[best]


def found(ten, n, size):
    """Seqlets of the first n windows at a rate of 0.2, with a null of that size."""
    model, windows, tokens = ten[0], ten[1].take(slice(0, n)), ten[2][:n]
    references = make_references("dinucleotide", 5, 0, 1)
    copies, shuffled = shuffled_windows(windows, tokens, 0, size)
    own, null = (
        attribute_windows(model, w, t, [], references, batch_size=64).projected[0]
        for w, t in ((windows, tokens), (copies, shuffled))
    )
    background = merge([summarise(own)], 1e-4, SpanRules(4, 25))
    real, copies = Explained.of(windows, own), Explained.of(copies, null, windows)
    table, tally = call_chunk("ctcf", real, copies, tokens, background, 0.01, ("+", "-"))
    return seqlets_of(table, tally, 0.2)[0]


@pytest.mark.parametrize("n", [10, 2])
def test_few_windows_with_strong_sites_have_seqlets_there(ten, n):
    seqlets = found(ten, n, NullSize.of(n, 0.2, 20_000))
    positive = seqlets[seqlets["sign"] == "+"]
    sites = [(int(hit["start"]), int(hit["end"])) for hit in ten[3][:n]]
    over = [
        any(start < b and end > a for a, b in sites)
        for start, end in zip(positive["start"], positive["end"])
    ]
    # At a rate of 0.2 as many may be false, and as many of the sites may be missed.
    assert len(positive) >= 0.8 * n and np.mean(over) >= 0.8


def test_one_shuffle_of_two_windows_reaches_no_rate(ten):
    assert len(found(ten, 2, NullSize(1, 1.0))) == 0
