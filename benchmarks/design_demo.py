"""Real design problems on chromosome 20 with the demo model: does the method do what it is for?

Ten windows without CTCF activity are edited to the median CTCF logit of the strongest 100
predicted peaks while PU.1 stays; the strongest CTCF window is brought below 0. Run from the root:

    python -m benchmarks.design_demo ../shared/data
"""

import gzip
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

from cisweep.analysis import design, fimo
from cisweep.analysis.design_baselines import BaselineTask, beam, greedy_motifs, random_edits
from cisweep.analysis.design_goals import Goal, goal_objective, reached
from cisweep.analysis.design_oracle import Oracle, frozen, one_hot
from cisweep.analysis.pruning import pruning_paths
from cisweep.genome.fasta import Genome, tokens_of_text
from cisweep.genome.motifs import load_motifs
from cisweep.models import CNN

WINDOW_BP, SEED, EDIT_COST, REPEATS = 100, 1, 1.0, 3
LIKE = torch.zeros(0)


class BothStrands(torch.nn.Module):
    """The mean over a window and its reverse complement, as the demo's config has it."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model = model

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return (self.model(X) + self.model(X.flip(1, 2))) / 2


def demo_model(data: Path) -> torch.nn.Module:
    from safetensors.torch import load_file

    names = {"c.": "conv.", "d.": "dilated.", "o.": "output."}
    model = CNN()
    weights = {names[k[:2]] + k[2:]: v for k, v in load_file(
        data / "models" / "ctcf_pu1.safetensors").items()}  # fmt: skip
    model.load_state_dict(weights)
    return BothStrands(model).eval()


def peaks(path: Path, wanted) -> np.ndarray:
    """Tokens (n, 100) of the peaks whose chromosome is wanted."""
    with gzip.open(path, "rt") as handle:
        text = handle.read().split(">")[1:]
    rows = [(t.split("\n", 1)) for t in text]
    found = [s.replace("\n", "") for name, s in rows if wanted(name.split(":")[0].strip())]
    return np.stack([tokens_of_text(s) for s in found if len(s) == WINDOW_BP])


def predict(model, tokens: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        parts = [model(one_hot(tokens[i : i + 1024], LIKE)) for i in range(0, len(tokens), 1024)]
    return torch.cat(parts).numpy()


def background(data: Path, n: int, low: int, high: int, seed: int) -> np.ndarray:
    genome = Genome(data / "human_chr20" / "chr20.fa.gz")
    generator = np.random.default_rng(seed)
    starts = generator.integers(low, high, 2 * n)
    chrom = next(iter(genome.lengths))
    windows = [genome.tokens(chrom, int(s), int(s) + WINDOW_BP) for s in starts]
    return np.stack([w for w in windows if not (w == 4).any()][:n])


def second_model(data: Path, seconds: float = 90) -> torch.nn.Module:
    """Another seed and architecture, trained for a while on the peaks of other chromosomes."""
    torch.manual_seed(77)
    model = CNN(32, first_width=15, dilations=(1, 3))
    ctcf = peaks(data / "human_chr20" / "ctcf.fa.gz", lambda c: c != "chr20")
    pu1 = peaks(data / "human_chr20" / "pu1.fa.gz", lambda c: c != "chr20")
    off = background(data, 40000, 31_000_000, 62_900_000, 5)
    X = np.concatenate([ctcf, pu1, off])
    y = np.zeros((len(X), 2), np.float32)
    y[: len(ctcf), 0] = 1
    y[len(ctcf) : len(ctcf) + len(pu1), 1] = 1
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    generator, began = np.random.default_rng(6), time.monotonic()
    while time.monotonic() - began < seconds:
        rows = generator.integers(0, len(X), 256)
        batch = X[rows]
        if generator.random() < 0.5:
            batch = np.where(batch == 4, 4, 3 - batch)[:, ::-1]
        batch = np.roll(batch, generator.integers(-10, 11), 1)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            model(one_hot(np.ascontiguousarray(batch), LIKE)), torch.from_numpy(y[rows])
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return BothStrands(model).eval()


def to_peaks(data: Path, model: torch.nn.Module, judge: torch.nn.Module | None) -> dict:
    every = predict(model, peaks(data / "human_chr20" / "ctcf.fa.gz", lambda c: c == "chr20"))[:, 0]
    goal, ceiling = float(np.median(np.sort(every)[-100:])), float(np.quantile(every, 0.999))
    candidates = background(data, 400, 1_000_000, 25_000_000, 3)
    quiet = predict(model, candidates)
    tokens = candidates[quiet[:, 0] < -4][:10]
    X = one_hot(tokens, LIKE)
    goals = [Goal(0, "value", goal, tolerance=1.0), Goal(1, "keep", tolerance=1.0)]
    began = time.process_time()
    X_hat = design(model, X, goals, random_state=SEED, l=EDIT_COST, n_repeats=REPEATS)
    seconds = time.process_time() - began
    start = predict(model, tokens)
    found = [_fewest(model, X[i : i + 1], X_hat[:, i].flatten(0, 1), goals, start[i])
             for i in range(len(X))]  # fmt: skip
    best, pruned = (torch.cat([f[k] for f in found]) for k in (0, 1))
    n_full, n_kept = ((x != X).sum((1, 2)).numpy() / 2 for x in (best, pruned))
    after = model(pruned).detach().numpy()
    ctcf = {m.label: m.pwm for m in load_motifs(
        next((data / "jaspar").glob("*vertebrates*"))) if m.name == "MA0139.2"}  # fmt: skip
    hits = [
        set(fimo(ctcf, x.to(torch.int8), threshold=1e-4)[0]["sequence_name"]) for x in (X, pruned)
    ]
    rows = _baselines(model, tokens, goals, ctcf, n_kept, after, start)
    out = dict(goal=goal, ceiling=ceiling, cpu_seconds=round(seconds, 1),
               start=start[:, 0].tolist(), after=after[:, 0].tolist(),
               edits=n_full.tolist(),
               edits_pruned=n_kept.tolist(),
               median_edits_pruned=float(np.median(n_kept)),
               above_ceiling=int((after[:, 0] > ceiling).sum()),
               gained_hit=len(hits[1] - hits[0]), had_hit=len(hits[0]),
               pu1_shift=np.abs(after[:, 1] - start[:, 1]).tolist(), **rows)  # fmt: skip
    if judge is not None:
        b, a = predict(judge, tokens)[:, 0], judge(pruned).detach().numpy()[:, 0]
        share = (a - b) / (after[:, 0] - start[:, 0])
        out["second_model_share"] = share.tolist()
        out["second_model_at_least_half"] = int((share >= 0.5).sum())
    return out


def _fewest(model, X, samples, goals, start) -> tuple[torch.Tensor, torch.Tensor]:
    """The sample that reaches the goals with the fewest edits after pruning, before and after."""
    samples = torch.unique(samples, dim=0)
    edits = ((samples != X).sum((1, 2)) / 2).numpy()
    y = model(samples).detach().numpy()
    good = [all(reached(g, start[g.output], v[g.output]) for g in goals) for v in y]
    order = np.lexsort((edits, ~np.array(good)))[:8]
    rated = []
    for k, path in zip(order, pruning_paths(model, X, samples[order])):
        fine = [all(reached(g, start[g.output], v[g.output]) for g in goals)
                for v in path.predictions]  # fmt: skip
        steps = np.flatnonzero(fine)
        last = int(steps[-1]) if len(steps) else 0
        rated.append((not len(steps), path.n_edits - last, int(k), path.positions[:last]))
    _, _, k, back = min(rated)
    pruned = samples[k].clone()
    pruned[:, back] = X[0][:, back]
    return samples[k][None], pruned[None]


def _baselines(model, tokens, goals, ctcf, n_kept, after, start) -> dict:
    rows = {"motif_edits": [], "motif_after": [], "motif_same_edits_loss": [], "beam_loss": [],
            "random_after": [], "design_loss": []}  # fmt: skip
    with frozen([model]):
        oracle = Oracle(model, None, LIKE, 256)
        for i, template in enumerate(tokens):
            objective = goal_objective(goals, torch.from_numpy(start[i]))
            task = BaselineTask(oracle, template, objective, np.zeros(WINDOW_BP, bool))
            free = greedy_motifs(task, ctcf)
            same = greedy_motifs(task, ctcf, max_edits=int(n_kept[i]))
            close = [n for n, loss in free.steps if loss <= 0.5]  # within 1 of the CTCF goal
            rows["motif_edits"].append(close[0] if close else None)
            rows["motif_after"].append(float(free.y[0]))
            rows["motif_same_edits_loss"].append(same.loss)
            rows["beam_loss"].append(beam(task, n_edits=int(n_kept[i])).loss)
            rows["random_after"].append(float(random_edits(task, n_edits=int(n_kept[i])).y[0]))
            y = torch.from_numpy(after[i])
            distance = (y - objective.y_bar) ** 2
            rows["design_loss"].append(float(distance.mean()))
    needs = [np.inf if n is None else n for n in rows["motif_edits"]]
    rows["median_motif_edits"] = float(np.median(needs))
    rows["beats_motif_at_same_edits"] = int(
        np.sum(np.array(rows["design_loss"]) < rows["motif_same_edits_loss"])
    )
    return rows


def to_nothing(data: Path, model: torch.nn.Module) -> dict:
    every = peaks(data / "human_chr20" / "ctcf.fa.gz", lambda c: c == "chr20")
    y = predict(model, every)[:, 0]
    tokens = every[[int(y.argmax())]]
    X = one_hot(tokens, LIKE)
    X_hat = design(model, X, [Goal(0, "value", -2.0)], random_state=SEED, l=0.5)
    after = model(X_hat).detach()[:, 0]
    edits = (X_hat != X).sum((1, 2)) / 2
    best = X_hat[int(torch.argmin((after > -0.5) * 1000 + edits))][None]
    path = pruning_paths(model, X, best, target=0)[0]
    below = path.predictions[:, 0] < 0
    fewest = int(path.edits_kept[below].min()) if below.any() else None
    return dict(start=float(y.max()), after_full=float(model(best)[0, 0].detach()),
                edits_full=int(path.n_edits), fewest_edits_below_zero=fewest)  # fmt: skip


def main(data: Path, with_second_model: bool = True) -> dict:
    torch.set_num_threads(1)
    model = demo_model(data)
    judge = second_model(data) if with_second_model else None
    return {"to_peaks": to_peaks(data, model, judge), "to_nothing": to_nothing(data, model)}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), "--quick" not in sys.argv), indent=1))
