"""FIMO, 200 motifs over 2 Mbp, both strands, one thread: memelite and lightmotif.

memelite and cisweep.fimo are timed from one-hot to DataFrames. lightmotif and scan_tokens are
timed from prepared matrices and an encoded sequence to the hits in memory.
"""

import numba
import numpy as np

from benchmarks.common import compare
from cisweep.analysis.motifs.fimo import fimo, scan_tokens
from cisweep.analysis.motifs.score_distribution import prepare_motifs


def make_motifs(n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    motifs = {}
    for i in range(n):
        width = int(rng.integers(7, 21))
        sharpness = rng.choice([0.05, 0.2, 0.5], size=width, p=[0.45, 0.3, 0.25])
        pwm = np.stack([rng.dirichlet([s] * 4) for s in sharpness]).T + 0.005
        motifs[f"m{i}"] = pwm / pwm.sum(axis=0)
    return motifs


def lightmotif_scan(motifs: dict[str, np.ndarray], text: str):
    """Return a function that scans both strands with matrices and thresholds prepared."""
    import lightmotif

    striped = lightmotif.EncodedSequence(text).stripe()
    prepared = []
    for pwm in motifs.values():
        counts = {c: [int(round(v * 1000)) for v in row] for c, row in zip("ACGT", pwm)}
        scores = lightmotif.CountMatrix(counts).normalize(0.1).log_odds()
        for strand in (scores, scores.reverse_complement()):
            prepared.append((strand, strand.score(1e-4)))

    def scan() -> int:
        return sum(
            sum(1 for _ in lightmotif.scan(matrix, striped, threshold=threshold))
            for matrix, threshold in prepared
        )

    return scan


def shared_hits(ours, theirs) -> str:
    keys = ["start", "strand"]
    both = sum(len(a[keys].merge(b[keys])) for a, b in zip(ours, theirs) if len(a) and len(b))
    return f"cisweep {sum(map(len, ours))} hits, memelite {sum(map(len, theirs))}, shared {both}"


def rows(quick: bool) -> list[dict]:
    import memelite

    numba.set_num_threads(1)
    length = 200_000 if quick else 2_000_000
    rng = np.random.default_rng(0)
    motifs = make_motifs(200, rng)
    tokens = rng.integers(0, 4, length).astype(np.uint8)
    one_hot = np.eye(4, dtype=np.int8)[tokens].T[None].copy()
    text = np.frombuffer(b"ACGT", dtype=np.uint8)[tokens].tobytes().decode()
    size = f"200 motifs x {length / 1e6:g} Mbp"
    model = prepare_motifs(motifs)
    repeats = 3 if quick else 5
    tables = compare(
        f"FIMO {size}, one-hot to tables",
        {
            "cisweep": lambda: fimo(motifs, one_hot),
            "memelite": lambda: memelite.fimo(motifs, one_hot),
        },
        repeats=repeats,
        goals={"memelite": 6.0},
        check=shared_hits(fimo(motifs, one_hot), memelite.fimo(motifs, one_hot)),
    )
    light = lightmotif_scan(motifs, text)
    found = len(scan_tokens(model, tokens))
    scan = compare(
        f"FIMO {size}, scan alone",
        {"cisweep": lambda: scan_tokens(model, tokens), "lightmotif": light},
        repeats=repeats,
        goals={"lightmotif": 4.0},
        check=f"cisweep {found} hits, lightmotif {light()} (its own pseudocount and thresholds)",
    )
    return [tables, scan]
