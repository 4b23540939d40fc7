"""Design and pruning beside Ledidi 2.2.0, on BPNets of 2114 bp (log counts), on one core.

Two nets of one size: laid out as bpnet-lite's, every convolution padded; and as cisweep's own,
without the positions that nothing reads, which helps Ledidi as much as cisweep.
"""

import numpy as np
import torch

from benchmarks.common import compare
from benchmarks.networks import Counts, PaddedBPNet
from cisweep.analysis import design, greedy_pruning
from cisweep.analysis.sequence_design.oracle import one_hot
from cisweep.models import BPNet
from cisweep.models.wrappers import CountWrapper

LIKE = torch.zeros(0)


def _oracles() -> dict[str, torch.nn.Module]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return {
            "BPNet as in bpnet-lite": Counts(PaddedBPNet()).eval(),
            "BPNet without padding": CountWrapper(BPNet()).eval(),
        }


def _edited(tokens: np.ndarray, n: int) -> np.ndarray:
    draw = np.random.default_rng(1)
    edited = tokens.copy()
    at = draw.choice(np.arange(900, 1200), n, replace=False)
    edited[0, at] = (edited[0, at] + draw.integers(1, 4, n)) % 4
    return edited


def rows(quick: bool = False) -> list[dict]:
    torch.set_num_threads(1)
    sizes = (6, 12, 1) if quick else (30, 30, 2)
    return [row for name, model in _oracles().items() for row in _rows(name, model, *sizes)]


def _rows(name: str, model: torch.nn.Module, n_iter: int, n_edits: int, repeats: int) -> list[dict]:
    import ledidi
    from ledidi.pruning import greedy_pruning as ledidi_pruning

    tokens = np.random.default_rng(0).integers(0, 4, (1, 2114)).astype(np.uint8)
    X = one_hot(tokens, LIKE)
    y_bar = model(X).detach() + 1
    options = dict(max_iter=n_iter, random_state=0, return_history=True)

    def ours(n: int = n_iter):
        return design(model, X, y_bar, **(options | {"max_iter": n}))

    def theirs(n: int = n_iter):
        return ledidi.ledidi(
            model, X, y_bar, device="cpu", verbose=False, **(options | {"max_iter": n})
        )

    a, b = ours(6)[1]["total_loss"], theirs(6)[1]["total_loss"]
    same = max(abs(x - y) / max(1, abs(y)) for x, y in zip(a, b))
    X_hat = one_hot(_edited(tokens, n_edits), LIKE)
    half = 1e-3
    equal = torch.equal(
        greedy_pruning(model, X, X_hat, threshold=half),
        ledidi_pruning(model, X, X_hat, threshold=half),
    )
    return [
        compare(
            f"design, {n_iter} iterations, batch 16, {name}",
            {"cisweep": ours, "ledidi": theirs},
            repeats=repeats,
            goals={"ledidi": 1.8},
            check=f"first 6 losses within {same:.1e}",
            warm_up=False,
        ),
        compare(
            f"greedy pruning of {n_edits} edits, {name}",
            {
                "cisweep": lambda: greedy_pruning(model, X, X_hat, threshold=1e9),
                "ledidi": lambda: ledidi_pruning(model, X, X_hat, threshold=1e9),
            },
            repeats=1,
            goals={"ledidi": 10.0},
            check="identical" if equal else "DIFFERENT",
            warm_up=False,
        ),
    ]


if __name__ == "__main__":
    for row in rows():
        print(row)
