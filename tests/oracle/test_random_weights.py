"""The demo's network with random weights: it has learnt nothing, so no motif drives it.

On the demo's genome, in the strongest windows of each target, as a run without a rate selects them.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from cisweep.analysis.attribution.references import make_references
from cisweep.analysis.attribution.windows import attribute_pairs
from cisweep.analysis.motifs.chunk import ChunkCounts, Scan, hits_of_chunk
from cisweep.analysis.motifs.copies import prepare_copies
from cisweep.analysis.motifs.families import motif_families
from cisweep.analysis.motifs.gather import HitGather
from cisweep.analysis.motifs.pieces import owned_intervals
from cisweep.analysis.motifs.qvalues import cell_qvalues
from cisweep.analysis.motifs.score_distribution import prepare_motifs
from cisweep.analysis.motifs.tracks import Attributed
from cisweep.analysis.prediction.peaks import local_maxima
from cisweep.analysis.prediction.windows import predict_windows
from cisweep.contracts import Windows
from cisweep.models.ensemble import Ensemble
from cisweep.models.modules.cnn import CNN
from cisweep.plan.chunk_windows import usable_windows
from cisweep.plan.plan import Plan

pytestmark = pytest.mark.slow

N_TARGETS, STRONGEST = 50, 40
TARGETS = [f"t{i}" for i in range(N_TARGETS)]


@pytest.fixture
def plan(tmp_path, resources, seed) -> Plan:
    """The demo's config with a model of random weights, in one chunk."""
    folder = tmp_path
    model = yaml.safe_load((resources / "models" / "ctcf_pu1.yaml").read_text())
    model.pop("quality")  # it is that of the trained weights
    model["module_args"]["n_outputs"] = N_TARGETS
    model["targets"] = [{"name": t, "tasks": [i], "scale": "logit"} for i, t in enumerate(TARGETS)]
    model["folds"][0]["weights"] = "random.safetensors"
    (folder / "random.yaml").write_text(yaml.safe_dump(model))
    torch.manual_seed(seed)
    save_file(CNN(**model["module_args"]).state_dict(), folder / "random.safetensors")
    root = resources.parents[1]
    config = yaml.safe_load((root / "config" / "demo.yaml").read_text())
    config |= {"models": {"m": str(folder / "random.yaml")}, "chunk_bp": 2_000_000}
    return Plan.from_config(config, Path(root))


def strongest(plan: Plan, model: Ensemble) -> tuple[Windows, np.ndarray, np.ndarray]:
    """Return the windows of the highest predictions of any target, their tokens, and of which
    targets they are (N, T)."""
    found = usable_windows(plan, "m", "c000000")
    values = predict_windows(model, found.windows, found.tokens[:], [], batch_size=256).mean
    wanted = np.zeros(values.shape, dtype=bool)
    for i, target in enumerate(values.T.astype(np.float64)):
        peaks = np.flatnonzero(local_maxima(found.windows, target, 200))
        wanted[peaks[np.argsort(-target[peaks])][:STRONGEST], i] = True
    kept = np.flatnonzero(wanted.any(axis=1))
    return found.windows.take(kept), found.tokens[:][kept], wanted[kept]


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(s, marks=pytest.mark.long) for s in range(1, 5))]
)
def test_no_motif_is_a_driver_of_random_weights(plan):
    """Each target at its own forty strongest peaks, as a run explains them."""
    model, step = Ensemble.load(plan.models["m"], "cpu"), plan.step_config("hits")
    windows, tokens, wanted = strongest(plan, model)
    references = make_references("dinucleotide", 4, 0, 1)
    found = attribute_pairs(model, windows, tokens, [], references, wanted, batch_size=32)
    own = {t: found.of(i) for i, t in enumerate(TARGETS)}
    motifs = plan.known_motifs
    options = {"background": np.full(4, 0.25), "threshold": step.threshold}
    scanned = prepare_motifs(motifs, **options)
    scan = Scan(motifs, scanned, prepare_copies(motifs, scanned, step.null_copies, 0, options))
    intervals = owned_intervals(windows, plan.layout.stretches(0), plan.source.lengths)
    attributed = Attributed(
        {t: windows.take(rows) for t, (rows, _) in own.items()},
        lambda t, rows: own[t][1].projected[rows],
        lambda t, rows: own[t][1].hypothetical[rows],
    )
    counts = ChunkCounts.zeros(scan, TARGETS)
    tables = list(hits_of_chunk(scan, plan.source, intervals, attributed, counts))
    n = sum(len(table) for table in tables)
    gather = HitGather(motifs, cell_qvalues(scan.model, counts.cells, counts.n_tests), TARGETS)
    assert sum(len(part) for part in gather.rows(tables)) == n
    ranking = gather.ranking(counts.null, motif_families(motifs))
    judged = ranking.motifs[ranking.motifs["q_value"].notna()].groupby("target").size()
    # Motifs are judged by five matches and more; else none could be named.
    print(judged.describe(), ranking.families[ranking.families["drives"]].to_string())
    named = ranking.families[ranking.families["drives"]]["target"].nunique()
    # One target in twenty, of fifty.
    assert named <= 2
