"""DeepLIFT/SHAP against tangermeme and captum: a BPNet's counts, and a residual dilated net.

Both nets are written with nn modules, which is all that the peers see; cisweep reads operations
and gains nothing from that. References are given, so that only the attribution is timed.
"""

import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from captum.attr import DeepLiftShap
from tangermeme.deep_lift_shap import deep_lift_shap as tangermeme_deep_lift_shap
from torch import nn

from benchmarks.common import compare
from cisweep.analysis import deep_lift_shap

LENGTH = 2114


class Counts(nn.Module):
    """A BPNet as bpnet-lite's (64 filters, 8 dilated layers), of which the counts are explained."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv1d(4, 64, 21, padding=10), nn.ReLU())
        self.dilated = nn.ModuleList(
            nn.Sequential(nn.Conv1d(64, 64, 3, padding=2**i, dilation=2**i), nn.ReLU())
            for i in range(1, 9)
        )
        self.profile = nn.Conv1d(64, 2, 75, padding=37)
        self.counts = nn.Linear(64, 1)

    def forward(self, x):
        x = self.first(x)
        for layer in self.dilated:
            x = x + layer(x)
        # The profile is computed and not used, as by a wrapper around the whole net.
        profile, counts = self.profile(x), self.counts(x[:, :, 520:-520].mean(-1))
        return (profile, counts)[1]


class Residual(nn.Module):
    """Blocks of batch norm, leaky ReLU and wide dilated convolutions (as OpenSpliceAI's)."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv1d(4, 32, 1)
        self.blocks = nn.ModuleList(
            nn.Sequential(*(m for _ in range(2) for m in self.half(width, dilation)))
            for width, dilation in ((11, 1), (11, 1), (11, 4), (11, 4), (21, 10))
        )
        self.last = nn.Conv1d(32, 3, 1)

    @staticmethod
    def half(width: int, dilation: int) -> list[nn.Module]:
        norm = nn.BatchNorm1d(32)
        norm.running_mean.normal_(0, 0.1)
        norm.running_var.uniform_(0.5, 1.5)
        conv = nn.Conv1d(32, 32, width, dilation=dilation, padding="same")
        return [norm, nn.LeakyReLU(0.1), conv]

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = x + block(x)
        return self.last(x)[:, :, 500:-500].mean(-1)


def one_hot(*shape: int) -> torch.Tensor:
    return F.one_hot(torch.randint(0, 4, shape), 4).transpose(-1, -2).float()


def captum_values(model: nn.Module, X: torch.Tensor, references: torch.Tensor) -> None:
    """Captum takes one example with its references at a time."""
    explain = DeepLiftShap(model)
    for x, r in zip(X, references):
        explain.attribute(x[None], r, target=0)


def rows(quick: bool) -> list[dict]:
    """Return the rows of both nets; the full size is 8 windows × 20 references."""
    torch.manual_seed(0)
    n, n_references, repeats = (4, 8, 2) if quick else (8, 20, 3)
    found = []
    for name, model in (("BPNet counts", Counts()), ("residual dilated net", Residual())):
        model.eval()
        X, references = one_hot(n, LENGTH), one_hot(n, n_references, LENGTH)
        small = (X[:2], references[:2, :8])

        def peer(batch_size: int, X=X, references=references, model=model):
            return tangermeme_deep_lift_shap(
                model, X, references=references, device="cpu", batch_size=batch_size
            )

        def ours(X=X, references=references, model=model):
            return deep_lift_shap(model, X, references=references)

        wanted = peer(8, *small)
        error = ((ours(*small) - wanted).abs().max() / wanted.abs().max()).item()
        # The peer's best batch size depends on the machine; small ones are its best.
        times = {
            b: min(_seconds(lambda b=b, p=peer, s=small: p(b, *s)) for _ in range(2))
            for b in (2, 4, 8)
        }
        best = min(times, key=times.get)
        rivals = {
            "cisweep": ours,
            "tangermeme, default (32)": lambda peer=peer: peer(32),
            "tangermeme, best of {2, 4, 8}": lambda peer=peer, best=best: peer(best),
        }
        if name == "BPNet counts":
            captum_values(model, X[:1], references[:1, :2])
            rivals["captum"] = lambda m=model, X=X, r=references: captum_values(m, X, r)
        goals = {
            "tangermeme, default (32)": 5.0,
            "captum": 5.0,
            "tangermeme, best of {2, 4, 8}": 3.0,
        }
        found.append(
            compare(
                f"DeepLIFT/SHAP, {name}, {n} × {n_references} × {LENGTH} bp",
                rivals,
                repeats=repeats,
                goals={name: goals[name] for name in rivals if name in goals},
                check=f"largest difference {error:.0e} of the largest attribution (tangermeme); "
                f"its best batch size is {best}",
                warm_up=False,  # done above, on fewer windows
            )
        )
    return found


def _seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start
